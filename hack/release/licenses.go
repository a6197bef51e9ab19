package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
)

// licenses knows where the source of everything lies that programs are made of, with the licence beside it.
type licenses struct {
	own  []byte
	std  string
	dirs map[string]string
}

// legal are the files that those want to be passed on who wrote what is in them.
var legal = regexp.MustCompile(`(?i)^(un)?licen[cs]e|^copying|^notice|^patents`)

// loadLicenses asks the go command for the folders of all modules.
func loadLicenses(ctx context.Context) (*licenses, error) {
	own, err := os.ReadFile("LICENSE")
	if err != nil {
		return nil, fmt.Errorf("%w; run this at the root of the checkout", err)
	}
	l := &licenses{own: own, dirs: map[string]string{}}
	root, err := goCommand(ctx, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	l.std = strings.TrimSpace(root)
	list, err := goCommand(ctx, "list", "-m", "-f", "{{.Path}}\t{{.Dir}}", "all")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(list) {
		path, dir, _ := strings.Cut(strings.TrimSpace(line), "\t")
		l.dirs[path] = dir
	}
	return l, nil
}

// of are the licences of a program: ours, and those of what it is made of.
func (l *licenses) of(info *debug.BuildInfo) ([]file, error) {
	var others bytes.Buffer
	if err := appendLegal(&others, "The Go standard library and runtime, "+info.GoVersion, l.std); err != nil {
		return nil, err
	}
	for _, dep := range info.Deps {
		dir := l.dirs[dep.Path]
		if dir == "" {
			return nil, fmt.Errorf("the source of the module %s is not there; run go mod download", dep.Path)
		}
		if err := appendLegal(&others, dep.Path+" "+dep.Version, dir); err != nil {
			return nil, err
		}
	}
	return []file{
		{name: "LICENSE", mode: 0o644, content: l.own},
		{name: "THIRD_PARTY_LICENSES", mode: 0o644, content: others.Bytes()},
	}, nil
}

// appendLegal copies the licence, and what goes with it, of the module in a folder.
func appendLegal(out *bytes.Buffer, name, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	found := false
	for _, entry := range entries {
		if !entry.Type().IsRegular() || !legal.MatchString(entry.Name()) || filepath.Ext(entry.Name()) == ".go" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "=== %s: %s\n\n%s\n\n", name, entry.Name(), bytes.TrimSpace(text))
		found = true
	}
	if !found {
		return fmt.Errorf("%s has no licence in %s: it may not be passed on", name, dir)
	}
	return nil
}

func goCommand(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env, cmd.Stderr = append(os.Environ(), "GOWORK=off"), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go %s: %w", args[0], err)
	}
	return string(out), nil
}
