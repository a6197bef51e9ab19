// Package sealdoc is Secrets and SealedSecrets as they stand in the files of a repository: a Secret becomes a SealedSecret in its
// place, items of a SealedSecret are set, removed and sealed anew, and everything else in the file stays as it is.
package sealdoc
