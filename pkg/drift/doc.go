// Package drift compares what Flux applied with what is in the cluster, field by field, and says of every difference
// what Flux will do about it.
//
// An object whose declared values, managedFields and annotations prove that Flux's next apply changes nothing is settled
// without asking anybody. For every other object the API server decides by dry-run: first Flux's own
// server-side apply, then, because that alone hides it, the removal of the fields that kustomize-controller takes over
// from kubectl. What differs between the live object and that outcome is what Flux will revert.
//
// Of a HelmRelease's objects the same apply tells what differs from the release's manifest; what Flux undoes of that is the
// patch that helm-controller makes of it, if its drift detection is enabled.
package drift
