package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
)

// Cache returns where this program keeps what it has built, below kubectl's own cache; nil if that cannot be told.
func Cache(flags *genericclioptions.ConfigFlags) *desired.Cache {
	if flags.CacheDir == nil || *flags.CacheDir == "" {
		return nil
	}
	program, err := os.Executable()
	if err != nil {
		return nil
	}
	file, err := os.Stat(program)
	if err != nil {
		return nil
	}
	return &desired.Cache{
		Dir: filepath.Join(*flags.CacheDir, "gitops-drift"),
		// A version does not tell two builds of a working tree apart.
		Program: fmt.Sprint(program, file.Size(), file.ModTime().UnixNano()),
	}
}
