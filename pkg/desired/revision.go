package desired

import "strings"

// shortDigits is how many digits of a commit git shows.
const shortDigits = 7

// ShortRevision shortens the commit in a Flux revision (main@sha1:3f2c9e1…) to what git shows. A revision without a
// digest is returned as it is.
func ShortRevision(revision string) string {
	at := strings.LastIndexByte(revision, ':')
	if at < 0 || len(revision)-at-1 <= shortDigits {
		return revision
	}
	return revision[:at+1+shortDigits]
}
