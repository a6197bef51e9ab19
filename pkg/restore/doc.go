// Package restore puts drifted and deleted objects back to the desired state of the revision that Flux last applied.
//
// One label-selected watch for each kind of object and owner carries every change of a managed object here. It is compared at once and locally
// with the desired state; what may differ goes, by its key, to a queue, so a burst of edits is one restore. A worker
// reads the object anew, asks whether Flux itself would act now (see Reason), and applies it through fluxcd/pkg/ssa
// as kustomize-controller does: same field manager, same takeover, same service account. What a HelmRelease manages is corrected
// as helm-controller does where the HelmRelease says so. Flux finds nothing to do afterwards.
//
// No live object is kept: memory follows the desired state, and what is remembered of an object is a few words.
// Nothing is written on behalf of a state that is in doubt, nothing is ever deleted, and an object that loses its fight with another writer is
// restored ever more slowly.
package restore
