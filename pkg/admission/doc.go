// Package admission judges edits of objects that Flux manages.
//
// Judge is the whole decision, without any I/O: a Request and the Facts about it in, a Verdict out. It looks at who
// writes, at who manages the object, at what the edit does field by field, and at the policy that applies, in this
// order. What an edit touches beyond the object that it names, such as what is in a namespace, is its reach. Handler carries it to the API server and leaves the evidence: audit annotations, a log line and metrics.
package admission
