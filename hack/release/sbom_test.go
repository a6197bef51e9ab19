package main

import (
	"runtime/debug"
	"strings"
	"testing"
)

func TestAModuleWithoutAPublishedChecksumCannotBeReleased(t *testing.T) {
	sum, err := moduleSum(&debug.Module{Path: "example.com/m", Version: "v1.0.0", Sum: "h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="})
	if err != nil || sum != "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" {
		t.Errorf("%s, %v", sum, err)
	}
	for _, bad := range []string{"", "h1:", "h1:AAAA", "h2:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="} {
		if _, err := moduleSum(&debug.Module{Path: "example.com/m", Sum: bad}); err == nil || !strings.Contains(err.Error(), "example.com/m") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestAPackageURLEscapesWhatItMust(t *testing.T) {
	if got := goPackage("github.com/docker/cli", "v29.0.0+incompatible"); got != "pkg:golang/github.com/docker/cli@v29.0.0%2Bincompatible" {
		t.Errorf("got %s", got)
	}
}
