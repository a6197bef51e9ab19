// Package fleet asks several clusters, the contexts of a kubeconfig, the same thing at once. What goes wrong with one
// cluster is that cluster's result and keeps nobody from the others' answers; results come in the order in which the
// clusters were named.
package fleet
