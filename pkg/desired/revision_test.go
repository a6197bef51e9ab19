package desired

import "testing"

func TestARevisionIsShortenedAsGitDoes(t *testing.T) {
	for revision, want := range map[string]string{
		"main@sha1:3f2c9e1aa0b4c5d6e7f8091a2b3c4d5e6f708192": "main@sha1:3f2c9e1",
		"sha256:3f2c9e1aa0b4c5d6":                            "sha256:3f2c9e1",
		"v1.2.3@sha1:3f2c9e1":                                "v1.2.3@sha1:3f2c9e1",
		"6.5.1":                                              "6.5.1",
		"":                                                   "",
	} {
		if got := ShortRevision(revision); got != want {
			t.Errorf("%q: got %q, want %q", revision, got, want)
		}
	}
}
