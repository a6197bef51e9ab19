// Package install installs, upgrades and removes the product as docs/operation.md says, with the commands that stand there,
// and in the orders that it warns of: with the real kubectl and the real kustomize-controller, on a node that runs the
// controller in each of its Pods. What the API server has of every kind is compared before and after.
package install
