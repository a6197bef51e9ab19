package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPlatformsAreChosenByTheirNames(t *testing.T) {
	b := build{}
	if err := b.choose("linux/arm64,windows/amd64"); err != nil || fmt.Sprint(b.chosen) != "[linux/arm64 windows/amd64]" {
		t.Errorf("%v, %v", b.chosen, err)
	}
	for _, list := range []string{"linux", "linux/amd64,", "windows/arm64", "linux/amd64 linux/arm64"} {
		if err := (&build{}).choose(list); err == nil || !strings.Contains(err.Error(), "darwin/arm64") {
			t.Errorf("%q: %v", list, err)
		}
	}
}

func TestAReleaseIsNotMixedWithAnother(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "kubectl-gitops_drift_0.0.9_linux_amd64.tar.gz"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (&build{dist: dir}).run(t.Context()); err == nil || !strings.Contains(err.Error(), "remove it first") {
		t.Errorf("got %v", err)
	}
}

func TestWhatHasNoLicenceIsNotPassedOn(t *testing.T) {
	with, without := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{"LICENSE.md": "MIT\n", "NOTICE": "by X\n", "license.go": "package license", "README.md": "read"} {
		if err := os.WriteFile(filepath.Join(with, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := appendLegal(&out, "example.com/m v1.0.0", with); err != nil {
		t.Fatal(err)
	}
	if want := "=== example.com/m v1.0.0: LICENSE.md\n\nMIT\n\n=== example.com/m v1.0.0: NOTICE\n\nby X\n\n"; out.String() != want {
		t.Errorf("got %q, want %q", &out, want)
	}
	if err := appendLegal(&out, "example.com/n v1.0.0", without); err == nil || !strings.Contains(err.Error(), "example.com/n") {
		t.Errorf("got %v", err)
	}
}
