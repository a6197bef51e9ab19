package sealcheck

import (
	"cmp"
	"fmt"
	"slices"
)

// Kind is what is wrong.
type Kind string

const (
	// Plaintext is the value of a Secret that everybody can read who can read the repository.
	Plaintext Kind = "Plaintext"
	// UnknownKey is a SealedSecret that does not say which key it was sealed with.
	UnknownKey Kind = "UnknownKey"
	// UnpinnedKey was sealed with a key that is not pinned, such as a cluster's own.
	UnpinnedKey Kind = "UnpinnedKey"
	// WrongKey was sealed with a pinned key that the folder does not use, or its ciphertext rules the key out that it has to be
	// sealed with.
	WrongKey Kind = "WrongKey"
	// Edited was changed by something else than what sealed it, or is no ciphertext.
	Edited Kind = "Edited"
	// TooLarge has more than an API server takes of a Secret, or stores of the SealedSecret itself by default.
	TooLarge Kind = "TooLarge"
	// Renamed is applied under a name, a namespace or a scope that it was not sealed for.
	Renamed Kind = "Renamed"
	// Unnoticed is a Kustomization that Flux calls ready although its SealedSecrets do not open.
	Unnoticed Kind = "Unnoticed"
)

// Finding is one thing that is wrong.
type Finding struct {
	Kind Kind
	// File is slash-separated and relative to the root of the repository; Line counts from 1.
	File string
	Line int
	// Object is what it is about, as Kind namespace/name; the namespace may be unknown.
	Object string
	// Item is the key of a Secret; empty where it is about all of it.
	Item string
	// Message is a sentence without its full stop; Advice is what to do about it.
	Message, Advice string
}

// Error is what could not be looked at.
type Error struct {
	File string
	// Line is 0 where it is not known.
	Line int
	Err  error
}

// Report is what was found in a repository.
type Report struct {
	Findings []Finding
	// Errors say what could not be checked.
	Errors []Error
	// Sealed is how many SealedSecrets there are, Kustomizations how many Kustomizations apply some of them.
	Sealed, Kustomizations int
}

// sort puts findings and errors in the order of files and lines.
func (r *Report) sort() {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Item, b.Item))
	})
	r.Findings = slices.Compact(r.Findings)
	slices.SortStableFunc(r.Errors, func(a, b Error) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
}

// place is where an error is.
func (e Error) place() string {
	if e.Line == 0 {
		return e.File
	}
	return fmt.Sprintf("%s:%d", e.File, e.Line)
}

// Error implements error.
func (e Error) Error() string { return e.place() + ": " + e.Err.Error() }

// Unwrap returns the error apart from its place.
func (e Error) Unwrap() error { return e.Err }
