//go:build !unix

package wholefile

import (
	"errors"
	"io/fs"
	"os"
)

// hold does nothing where a file that is open cannot be removed.
func hold(*os.File) error { return nil }

// removeLeft removes a file that no process has open.
func removeLeft(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
