// Package desired builds what Flux would apply for a Kustomization: the same artifact, the same kustomize build, the
// same post-build substitution, labels and normalisation as kustomize-controller, each object with the file of the
// repository that it comes from. For a HelmRelease it reads what Flux released last from Helm's storage.
package desired
