// Package install installs, upgrades and removes the product as docs/operation.md says, with the commands that stand there,
// and in the orders that it warns of: with the real kubectl and the real kustomize-controller, on a node that runs the
// controller in each of its Pods. What the API server has of every kind is compared before and after.
//
// GITOPS_DRIFT_OLDER, the folder of a checkout with bin/gitops-drift built, has the upgrade begin with the manifests and the
// controller of that version, instead of today's with less in them.
package install
