// Package wholefile writes files that are there as a whole or not at all, whatever ends the process meanwhile.
package wholefile
