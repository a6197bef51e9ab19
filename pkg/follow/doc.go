// Package follow keeps up with what Flux has applied: it builds the desired state of every Kustomization whenever Flux
// has applied another revision or another spec, and answers what admission asks about owners and policies from memory.
package follow
