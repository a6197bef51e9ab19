package ephemeral

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// storage is where folders are made, and whether that is memory: /dev/shm, else what the login session has.
func storage() (string, bool) {
	for _, dir := range []string{"/dev/shm", os.Getenv("XDG_RUNTIME_DIR")} {
		var fs unix.Statfs_t
		if dir == "" || unix.Statfs(dir, &fs) != nil || fs.Type != unix.TMPFS_MAGIC && fs.Type != unix.RAMFS_MAGIC {
			continue
		}
		if unix.Access(dir, unix.W_OK|unix.X_OK) == nil {
			return dir, true
		}
	}
	return os.TempDir(), false
}

// processes names the namespace that process IDs count in: containers may share the folder and not see each other's.
func processes() string {
	link, err := os.Readlink("/proc/self/ns/pid") // pid:[4026531836]
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(strings.TrimPrefix(link, "pid:["), "]")
}
