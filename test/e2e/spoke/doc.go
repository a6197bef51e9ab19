// Package spoke tests the guard in a cluster that Flux applies to from another one: the real kustomize-controller runs in
// the hub, and logs in to the spoke with the user of a kubeconfig.
package spoke
