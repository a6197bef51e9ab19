package reconcile

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// shortest is how many digits of a commit have to be given; it is how many git and Flux show.
const shortest = 7

// Revision is what people write for one that Flux shall have applied: "main@sha1:3f2c9e1…" as Flux does, a commit or its
// first digits, or a tag or version. The zero Revision is met by every one.
type Revision struct {
	text string
	// name is a branch, tag or version, empty for a bare commit; digest the digits of the commit or of an OCI artifact,
	// empty for a bare name.
	name, algorithm, digest string
}

var (
	digestForm = regexp.MustCompile(`^(?:(.+)@)?(sha1|sha256|sha384|sha512):([0-9a-f]+)$`)
	hexForm    = regexp.MustCompile(`^[0-9a-f]+$`)
)

// ParseRevision reads a revision. The empty text is no revision.
func ParseRevision(text string) (Revision, error) {
	switch {
	case text == "":
		return Revision{}, errors.New("a revision is empty; give main@sha1:COMMIT, a commit, or a tag")
	case strings.ContainsAny(text, " \t\n"):
		return Revision{}, fmt.Errorf("%q is no revision: it contains spaces", text)
	}
	r := Revision{text: text}
	if parts := digestForm.FindStringSubmatch(strings.ToLower(text)); parts != nil {
		r.name, r.algorithm, r.digest = text[:len(parts[1])], parts[2], parts[3]
	} else if lower := strings.ToLower(text); len(text) >= shortest && hexForm.MatchString(lower) {
		r.digest = lower
	} else {
		r.name = text
	}
	if r.digest != "" && len(r.digest) < shortest {
		return Revision{}, fmt.Errorf("%q is too short for a commit; give at least %d digits", text, shortest)
	}
	return r, nil
}

// String is what was parsed.
func (r Revision) String() string { return r.text }

// IsZero reports whether any revision will do.
func (r Revision) IsZero() bool { return r.text == "" }

// Matches reports whether a revision that Flux shows is the one that is meant.
func (r Revision) Matches(shown string) bool {
	if r.IsZero() {
		return true
	}
	if shown == "" {
		return false
	}
	if shown == r.text {
		return true
	}
	name, algorithm, digest := shown, "", ""
	if parts := digestForm.FindStringSubmatch(shown); parts != nil {
		name, algorithm, digest = parts[1], parts[2], parts[3]
	}
	switch {
	case r.name != "" && r.digest != "":
		return sameName(r.name, name) && r.algorithm == algorithm && strings.HasPrefix(digest, r.digest)
	case r.digest != "":
		if strings.HasPrefix(digest, r.digest) && (r.algorithm == "" || r.algorithm == algorithm) {
			return true
		}
		// A chart of a GitRepository may carry the first twelve digits of its commit: 1.4.2+3f2c9e1aa0b4.
		_, build, found := strings.Cut(name, "+")
		return r.algorithm == "" && digest == "" && found && len(build) >= shortest &&
			(strings.HasPrefix(build, r.digest) || strings.HasPrefix(r.digest, build))
	}
	return sameName(r.name, name)
}

// sameName compares names of branches and tags, which Flux shows with or without refs/tags/ as the source is written.
func sameName(a, b string) bool {
	short := func(name string) string {
		for _, prefix := range []string{"refs/tags/", "refs/heads/"} {
			name = strings.TrimPrefix(name, prefix)
		}
		return name
	}
	return b != "" && short(a) == short(b)
}

// sameChart reports whether what a HelmRelease attempted is its source's revision. helm-controller puts the digest of an
// OCIRepository's artifact behind the version of the chart, and into a field of its own.
func sameChart(source, attempted, digest string) bool {
	if source == attempted {
		return true
	}
	_, of, found := strings.Cut(source, "@")
	if !found {
		of = source
	}
	return digest != "" && of == digest
}
