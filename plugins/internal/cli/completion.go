package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gitops-drift/gitops-drift/pkg/completion"
)

// shim installs what kubectl asks for the completions of this plugin.
type shim struct{ completion.Shim }

// newShim returns nil for a program that is no plugin of kubectl. Flux asks its plugins by itself.
func newShim(program string) *shim {
	plugin := strings.TrimSuffix(filepath.Base(program), ".exe")
	if !strings.HasPrefix(plugin, "kubectl-") {
		return nil
	}
	return &shim{completion.Shim{Plugin: plugin, Windows: runtime.GOOS == "windows"}}
}

func (s *shim) command() *cobra.Command {
	dir := ""
	install := &cobra.Command{
		Use:   "install",
		Short: "Have kubectl complete this plugin's arguments",
		Long: fmt.Sprintf(`Put %s, which kubectl asks for completions (kubectl 1.26 or newer), beside the plugin, or into
another folder of the PATH. kubectl's own completion has to be set up as well: see kubectl completion --help.`, s.File()),
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := s.install(dir)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "kubectl completes %s now: %s\n", s.Name(), path)
			return err
		},
	}
	install.Flags().StringVar(&dir, "dir", "", "a folder of the PATH (default: the plugin's)")
	cmd := &cobra.Command{
		Use: "completion", Short: "Set up completion in the shell", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(install)
	return cmd
}

// install writes the shim into a folder, the plugin's if none is given, and returns where it is.
func (s *shim) install(dir string) (string, error) {
	if dir == "" {
		plugin, err := exec.LookPath(s.Plugin)
		if err != nil {
			return "", fmt.Errorf("%s is not on the PATH, so kubectl does not find it either; give a folder of the PATH with --dir", s.Plugin)
		}
		dir = filepath.Dir(plugin)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if !onPath(os.Getenv("PATH"), dir, s.Windows) {
		return "", fmt.Errorf("%s is not on the PATH, so kubectl would not look there; give another folder with --dir", dir)
	}
	path := filepath.Join(dir, s.File())
	old, err := os.ReadFile(path)
	switch {
	case err == nil && !bytes.Contains(old, []byte(completion.Mark)):
		return "", fmt.Errorf("%s is there already, and not from here; remove it first, or give another folder with --dir", path)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	if err := s.write(path); err != nil {
		return "", fmt.Errorf("%w; give a folder that you may write to with --dir", err)
	}
	return path, nil
}

// onPath reports whether programs are looked for in a folder. Windows does not tell capitals from small letters.
func onPath(path, dir string, windows bool) bool {
	return slices.ContainsFunc(filepath.SplitList(path), func(entry string) bool {
		entry = filepath.Clean(entry)
		return entry == dir || windows && strings.EqualFold(entry, dir)
	})
}

// write replaces the file at once, so that kubectl never runs half of it.
func (s *shim) write(path string) (err error) {
	file, err := os.CreateTemp(filepath.Dir(path), "."+s.File()+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	if _, err := file.WriteString(s.Content()); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := os.Chmod(file.Name(), 0o755); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
