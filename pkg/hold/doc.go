// Package hold keeps Flux off the object of a BreakGlass while it is active, and puts an end to it.
//
// Flux leaves single objects alone that carry an annotation of its own; another annotation (ownership.Hold) says whose that
// is, so that an opt-out which somebody else set is never taken away. Everything is in the cluster, in an order that can
// be cut at any point: the finalizer of the BreakGlass before the hold; at the end what differs from git, written into the
// status, before the hold goes; then Flux is asked to reconcile, with a token that is the same however often it is asked;
// last the finalizer. Whoever starts again finds what is left to do. All writes are conditional on what was read, so
// every replica may do them, and a hold ends on time while no leader is elected.
package hold
