// Package readme holds the test that the README is true: it runs the commands shown there and compares their output.
package readme
