package harness

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
)

// BinEnv names the environment variable that overrides the folder of the programs. Unset, it is bin/ of
// this module's checkout.
const BinEnv = "GITOPS_DRIFT_BIN"

var ourModule = regexp.MustCompile(`(?m)^module github\.com/gitops-drift/gitops-drift\s*$`)

// BinDir returns the folder that holds the programs of the control plane and of the product: $GITOPS_DRIFT_BIN,
// else bin/ of the checkout around the working directory, else of the one this package was compiled from.
func BinDir() (string, error) {
	if dir := os.Getenv(BinEnv); dir != "" {
		return filepath.Abs(dir)
	}
	root, err := ModuleRoot()
	if err != nil {
		return "", fmt.Errorf("%w; or set %s to the folder of the programs", err, BinEnv)
	}
	return filepath.Join(root, "bin"), nil
}

// ModuleRoot returns the folder of this module's go.mod: the one around the working directory, else the
// one around this source file (which a binary built with -trimpath does not know).
func ModuleRoot() (string, error) {
	var starts []string
	if wd, err := os.Getwd(); err == nil {
		starts = append(starts, wd)
	}
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		starts = append(starts, filepath.Dir(file))
	}
	for _, dir := range starts {
		for {
			if mod, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && ourModule.Match(mod) {
				return dir, nil
			}
			parent := filepath.Dir(dir)
			if parent == dir {
				break
			}
			dir = parent
		}
	}
	return "", errors.New("no checkout of github.com/gitops-drift/gitops-drift around the working directory: run this inside one")
}

// Program returns the path of a program: name itself where it holds a slash, else the file of that name
// in [BinDir].
func Program(name string) (string, error) {
	path := name
	if filepath.Base(name) == name {
		dir, err := BinDir()
		if err != nil {
			return "", err
		}
		path = filepath.Join(dir, name)
	}
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		return "", fmt.Errorf("program %s is missing: run `make controlplane build` in the checkout", path)
	}
	return path, nil
}
