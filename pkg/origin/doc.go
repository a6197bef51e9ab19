// Package origin finds the line of git that sets a field.
package origin
