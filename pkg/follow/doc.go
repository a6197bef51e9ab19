// Package follow keeps up with what Flux has applied: it builds the desired state of every Kustomization whenever Flux
// has applied another revision or another spec, counts what every owner holds, watches the metadata of what can be scaled,
// and answers what admission asks about all of it, and about policies, from memory.
package follow
