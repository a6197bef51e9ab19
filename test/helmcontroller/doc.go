// Package helmcontroller stands in for Flux's helm-controller, which cannot be built from the Go module proxy. It does to
// the API server what helm-controller 1.5 does for a HelmRelease, by the same means: the Helm SDK with server-side
// apply, field manager helm-controller, the origin labels put on by a post-renderer, releases in Secrets, impersonation
// of spec.serviceAccountName, drift correction by JSON patches, finalizer, status history and inventory. Nothing
// reconciles by itself: tests say when.
//
// The Helm SDK knows one field manager a process. Do not use the SDK under another name beside this package.
package helmcontroller
