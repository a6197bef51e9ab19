// Package admission judges edits of objects that Flux manages.
//
// Judge is the whole decision, without any I/O: a Request and the Facts about it in, a Verdict out. It looks at who
// writes, at who manages the object, at what the edit does field by field, and at the policy that applies, in this
// order. Handler carries it to the API server and leaves the evidence: audit annotations, a log line and metrics.
package admission
