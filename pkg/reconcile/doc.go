// Package reconcile asks Flux to reconcile objects now, in the order in which they depend on each other, and waits for
// the outcome of that very request.
//
// Flux starts a reconciliation when the annotation reconcile.fluxcd.io/requestedAt of an object
// changes, and copies its value to status.lastHandledReconcileAt when the reconciliation that saw it
// has ended. A Request writes a token that nobody else writes and waits for the same token to come
// back, so that two people who ask at once do not take each other's outcome for their own.
package reconcile
