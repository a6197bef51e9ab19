// Package drift compares what Flux applied with what is in the cluster, field by field, and says of every difference
// what Flux will do about it.
//
// An object whose declared values, managedFields and annotations prove that Flux's next apply changes nothing is settled
// without asking anybody. For every other object the API server decides by dry-run: first Flux's own
// server-side apply, then, because that alone hides it, the removal of the fields that kustomize-controller takes over
// from kubectl. What differs between the live object and that outcome is what Flux will revert.
package drift
