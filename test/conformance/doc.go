// Package conformance is the table that the guard is judged by: every way to change or destroy an object that Flux
// manages, made for real (kubectl, the API server, its controller manager, Flux's kustomize-controller, our controller),
// under each of the actions Deny, Warn and Record. It prints the table with what the API server answered.
//
// A row owns its objects: they are rendered from testdata/objects for this row and this action alone, so that no row
// sees what another one did, and nothing has to be put back.
package conformance
