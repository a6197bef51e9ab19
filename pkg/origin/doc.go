// Package origin finds the line of git that sets a field of an object that Flux applies.
//
// Collect keeps the text that a build reads: the kustomizations that lead to the objects, their manifests, patches and the
// files of their generators. It is compressed, and what several owners or revisions have in common is in memory once: 10,000
// Deployments that are much alike take 0.2 to 0.5 MiB. It may hold values
// of Secrets, as the objects themselves do: answers are file names and line numbers, errors quote none of it, and who writes it
// down (Texts, MarshalBinary) has to leave out what holds a Secret.
//
// Sources.Object then follows one object through the layers of that text, as kustomize builds it: its manifest or
// generator, the strategic merge and JSON patches of each kustomization and component, namespace, names, labels, annotations,
// replicas, images and replacements, innermost first, and at last what the spec of the Flux Kustomization adds. Every
// value carries its place along, and the last writer's place wins. Lines of the Flux Kustomization itself are known
// where its manifest is in the same artifact. What post-build substitution fills in is set by the line with the variable, and what a
// replacement copies by the line that it is copied from.
//
// This is a replay and no build: it knows neither plugins nor configurations of transformers. Therefore a line is named only
// where its value explains the one that Flux applies; in doubt it is the file alone.
//
// An answer takes no network, no disk and no lock that a build holds. It unpacks and parses the kustomizations of
// the tree, the patches on the object's way, and of the file with the object the documents that bear its name: about a millisecond
// for an object of the example repository, 4 ms for one of 1,000 in a file. Files over 4 MiB are not looked into, and no more than
// 1 MiB of manifests is parsed.
package origin
