// Package completion is the file that kubectl asks, from version 1.26 on, for the completions of a plugin: an executable
// kubectl_complete-NAME on the PATH. Flux asks its plugins by themselves.
package completion
