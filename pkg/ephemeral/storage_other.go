//go:build !linux

package ephemeral

import "os"

// storage is where folders are made; no folder is known to be memory here.
func storage() (string, bool) { return os.TempDir(), false }

// processes is the same everywhere: process IDs count on the whole machine.
func processes() string { return "" }
