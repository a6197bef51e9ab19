// Package terminal writes for people who watch: a line about the progress, and a screen that changes in place. It does so
// only where somebody can see it.
package terminal
