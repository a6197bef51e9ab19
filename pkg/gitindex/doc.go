// Package gitindex reads what git is about to commit: the files of the index, whatever the working tree has meanwhile. It asks git
// itself, so that it sees what a hook of git sees, and writes nothing.
package gitindex
