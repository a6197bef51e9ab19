// Package sealconfig is .gitops-seal.yaml, the file at the root of a repository that says what its secrets are sealed with: the
// certificates that are pinned, which of them a folder uses, for which namespace and in which scope, and which key each
// cluster has to hold. It is public, and part of what a review looks at: who changes a fingerprint here changes who can
// read what is sealed from then on.
package sealconfig
