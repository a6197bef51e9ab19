// Package soak lets people edit, git change and Flux reconcile while the controller's replicas and the API server are
// killed, and demands that in the end the cluster equals git: by what pkg/drift finds, and by the real
// kustomize-controller, which has nothing to change.
//
// GITOPS_DRIFT_SOAK, a duration such as 1h, makes it last longer than 15s.
package soak
