// Package report writes what a drift scan found: as a table for people, as a unified diff, and as a versioned list for
// programs.
package report
