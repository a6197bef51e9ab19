// Package v1alpha1 holds the custom resources of gitops-drift.
//
// +kubebuilder:object:generate=true
// +groupName=gitops-drift.dev
package v1alpha1

//go:generate go tool -modfile=../../../hack/tools/go.mod controller-gen object crd:crdVersions=v1 paths=. output:crd:dir=../../../manifests/crds
