package reconcile

import (
	"strings"
	"testing"
)

func TestRevisionsAreMetByWhatFluxShowsOfThem(t *testing.T) {
	const commit = "3f2c9e1aa0b4c5d6e7f8091a2b3c4d5e6f708192"
	const main, tag = "main@sha1:" + commit, "v1.2.3@sha1:" + commit
	for _, test := range []struct {
		wanted, shown string
		want          bool
	}{
		{main, main, true},
		{"main@sha1:3f2c9e1", main, true},
		{"stable@sha1:3f2c9e1", main, false},
		{"main@sha256:3f2c9e1", main, false},
		{"sha1:3f2c9e1", main, true},
		{"sha1:3f2c9e1", "sha256:3f2c9e1aa0", false},
		{commit, main, true},
		{"3f2c9e1", main, true},
		{"3F2C9E1", main, true},
		{"3f2c9e2", main, false},
		{"2c9e1aa", main, false},
		{"3f2c9e1", tag, true},
		{"3f2c9e1", "", false},
		{"3f2c9e1", "refs/heads/main@sha1:" + commit, true},
		{"v1.2.3", tag, true},
		{"refs/tags/v1.2.3", tag, true},
		{"v1.2.3", "refs/tags/v1.2.3@sha1:" + commit, true},
		{"v1.2.30", tag, false},
		{"v1.2", tag, false},
		{"main", main, true}, // that main is no tag, the source tells
		{"1.4.2", "1.4.2", true},
		{"1.4.2", "1.4.20", false},
		{"1.4.2", "1.4.2@sha256:" + commit, true},
		{commit, "1.4.2+3f2c9e1aa0b4", true},
		{"3f2c9e1", "1.4.2+3f2c9e1aa0b4", true},
		{"3f2c9e1", "1.4.2+build", false},
		{"3f2c9e1", "1.4.2", false},
	} {
		r, err := ParseRevision(test.wanted)
		if err != nil {
			t.Errorf("%s: %v", test.wanted, err)
		}
		if got := r.Matches(test.shown); got != test.want {
			t.Errorf("%s by %s: %t", test.wanted, test.shown, got)
		}
	}
	if !(Revision{}).Matches("") || !(Revision{}).Matches(main) {
		t.Error("no revision is not met by every one")
	}
}

func TestTextsThatAreNoRevisionAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"": "empty", "main branch": "spaces", "sha1:3f2c9e": "at least 7 digits", "main@sha1:3f2": "at least 7 digits",
	} {
		if _, err := ParseRevision(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v does not say %q", text, err, want)
		}
	}
}

func TestReleasesAreAtTheRevisionOfTheirChart(t *testing.T) {
	for _, test := range []struct {
		source, attempted, digest string
		want                      bool
	}{
		{"1.4.2", "1.4.2", "", true},
		{"1.4.3", "1.4.2", "", false},
		{"1.4.2@sha256:aa11", "1.4.2+aa11", "sha256:aa11", true},
		{"1.4.2@sha256:bb22", "1.4.2+aa11", "sha256:aa11", false},
		{"sha256:aa11", "1.4.2+aa11", "sha256:aa11", true},
		{"sha256:aa11", "1.4.2", "", false},
	} {
		if got := sameChart(test.source, test.attempted, test.digest); got != test.want {
			t.Errorf("%+v: %t", test, got)
		}
	}
}
