//go:build unix

package wholefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// hold marks a file as that of a process that is alive, as long as it is open.
func hold(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.ENOTSUP) || errors.Is(err, syscall.ENOSYS) {
		return nil // a file system without locks, where nothing is held
	}
	return err
}

// removeLeft removes a file that no process holds.
func removeLeft(path string) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NOFOLLOW, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := hold(f); err != nil {
		return fmt.Errorf("another process is writing it: %s is in use", path)
	}
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
