// Package sealcheck judges the secrets of a repository before anybody commits them: without a cluster, without a key, from
// the working tree alone. It reads every manifest, and it builds what Flux would apply of them, because what counts for the
// controller is the name and namespace that a SealedSecret has in the cluster, not those in its file.
//
// What it cannot tell is whether a key opens an item: no one can without the private key or the controller that has it (see
// package sealfleet). What it can tell is what the sealer left in annotations, what a ciphertext rules out, and what has
// been changed since.
package sealcheck
