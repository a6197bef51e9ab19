// Package cli is what every plugin does the same way: the name that help shows, the kubeconfig, Ctrl-C,
// errors, exit codes and the version.
package cli
