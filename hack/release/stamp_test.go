package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// checkout is a repository with one commit, made at noon.
func checkout(t *testing.T, version string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "VERSION"), []byte(version+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"init", "-q"}, {"add", "."}, {"commit", "-q", "-m", "Begin"}} {
		run(t, dir, args...)
	}
	return dir
}

func run(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b",
		"GIT_AUTHOR_DATE=2026-11-23T12:00:00Z", "GIT_COMMITTER_DATE=2026-11-23T12:00:00Z")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

func TestOnlyATaggedCommitThatNothingWasChangedInIsARelease(t *testing.T) {
	dir := checkout(t, "v0.3.0")
	expect := func(when, pattern string) {
		t.Helper()
		s, err := stampOf(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile("^" + pattern + "$").MatchString(s.version) {
			t.Errorf("%s it is %s", when, s.version)
		}
		if !s.time.Equal(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)) || len(s.commit) != 40 {
			t.Errorf("%s it is of %s, commit %s", when, s.time, s.commit)
		}
	}
	expect("without a tag", `v0\.3\.0-snapshot\.g[0-9a-f]{12}`)
	run(t, dir, "tag", "v0.2.9")
	expect("with the tag of another version", `v0\.3\.0-snapshot\.g[0-9a-f]{12}`)
	run(t, dir, "tag", "v0.3.0")
	expect("with its tag", `v0\.3\.0`)
	if err := os.WriteFile(filepath.Join(dir, "new"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	expect("with a new file", `v0\.3\.0-snapshot\.g[0-9a-f]{12}\.changed`)
}

func TestTheVersionIsOneThatKrewAndFluxUnderstand(t *testing.T) {
	for _, version := range []string{"0.3.0", "v0.3", "v0.3.0-rc.1", "v01.2.3", "", "latest"} {
		if _, err := stampOf(t.Context(), checkout(t, version)); err == nil || !strings.Contains(err.Error(), "VERSION") {
			t.Errorf("%q: %v", version, err)
		}
	}
}

func TestManifestsRunTheImageOfThisVersion(t *testing.T) {
	version, err := os.ReadFile("../../VERSION")
	if err != nil {
		t.Fatal(err)
	}
	deployment, err := os.ReadFile("../../manifests/base/deployment.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if image := "image: " + repository + ":" + strings.TrimSpace(string(version)) + "\n"; !strings.Contains(string(deployment), image) {
		t.Errorf("manifests/base/deployment.yaml has no %q; the file VERSION and its image go together", image)
	}
}
