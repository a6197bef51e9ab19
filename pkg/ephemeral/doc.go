// Package ephemeral keeps a text that must not stay, such as a Secret in an editor, in a folder that only its owner sees, in memory
// where the system has such a folder, and that is gone afterwards: when the process removes it, when it dies of whatever, and, if
// the whole machine's processes die at once, when the next one makes such a folder.
package ephemeral
