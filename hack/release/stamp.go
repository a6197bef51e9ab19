package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// stamp is what a build says about itself.
type stamp struct {
	// version begins with v.
	version string
	commit  string
	// time is when the commit was made: of every file in every archive, too.
	time time.Time
}

// number is the version as Flux and file names have it, without its v.
func (s stamp) number() string { return strings.TrimPrefix(s.version, "v") }

// released is a version that may be in the file VERSION.
var released = regexp.MustCompile(`^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$`)

// stampOf is the stamp of a checkout: the version in the file VERSION where that tag is on the commit and nothing was changed
// since, else a snapshot on the way to it, which semantic versions put before it.
func stampOf(ctx context.Context, dir string) (stamp, error) {
	text, err := os.ReadFile(filepath.Join(dir, "VERSION"))
	if err != nil {
		return stamp{}, fmt.Errorf("%w; run this at the root of the checkout", err)
	}
	version := strings.TrimSpace(string(text))
	if !released.MatchString(version) {
		return stamp{}, fmt.Errorf("the file VERSION says %q, which is no version such as v1.2.3", version)
	}
	commit, err := git(ctx, dir, "rev-parse", "HEAD")
	if err != nil {
		return stamp{}, err
	}
	seconds, err := git(ctx, dir, "log", "-1", "--format=%ct")
	if err != nil {
		return stamp{}, err
	}
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return stamp{}, fmt.Errorf("git says that the commit was made at %q: %w", seconds, err)
	}
	changed, err := git(ctx, dir, "status", "--porcelain")
	if err != nil {
		return stamp{}, err
	}
	tags, err := git(ctx, dir, "tag", "--points-at", "HEAD")
	if err != nil {
		return stamp{}, err
	}
	s := stamp{version: version, commit: commit, time: time.Unix(unix, 0).UTC()}
	if !tagged(tags, version) || changed != "" {
		s.version += "-snapshot.g" + commit[:12]
	}
	if changed != "" {
		s.version += ".changed"
	}
	return s, nil
}

func tagged(tags, version string) bool {
	for tag := range strings.Lines(tags) {
		if strings.TrimSpace(tag) == version {
			return true
		}
	}
	return false
}

func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return strings.TrimSpace(string(out)), nil
}
