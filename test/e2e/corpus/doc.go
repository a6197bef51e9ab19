// Package corpus holds the test that our builds equal Flux's own: Kustomizations that exercise every field of their spec
// and every feature of kustomize are applied by the real kustomize-controller, and each build has to have the digest
// that the controller notes in the Kustomization's history. Right after, the drift scan must find nothing.
package corpus
