package wholefile

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Replace puts content in place of what a file holds, or makes the file with the mode. A file that is there keeps its
// mode and, as far as the process may give it away, its owner; behind a symbolic link the file that it leads to is replaced.
// The content stands beside the file for a moment, for its owner alone, so it must not be more secret than the file is.
func Replace(path string, content []byte, mode fs.FileMode) error {
	target, err := filepath.EvalSymlinks(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		target = path
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("%s is a symbolic link that leads nowhere", path)
		}
	case err != nil:
		return err
	}
	info, err := os.Stat(target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no regular file", path)
	default:
		mode = info.Mode().Perm()
	}
	beside, err := write(filepath.Dir(target), filepath.Base(target), content, func(f *os.File) error {
		if info != nil {
			keepOwner(f, info)
		}
		return f.Chmod(mode)
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(beside, target); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(beside))
	}
	syncFolder(filepath.Dir(target))
	return nil
}

// Create makes a file that is not there yet; that it is there is an error of fs.ErrExist. No moment sees a part of it, or it
// with another mode.
func Create(path string, content []byte, mode fs.FileMode) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s: %w", path, fs.ErrExist)
	}
	beside, err := write(filepath.Dir(path), filepath.Base(path), content, func(f *os.File) error { return f.Chmod(mode) })
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	// Unlike a rename, a link never replaces what somebody else has made meanwhile.
	err = os.Link(beside, path)
	if err != nil && !errors.Is(err, fs.ErrExist) { // a file system without links
		err = move(beside, path)
	}
	if removed := os.Remove(beside); !errors.Is(removed, fs.ErrNotExist) {
		err = errors.Join(err, removed)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	syncFolder(filepath.Dir(path))
	return nil
}

func move(from, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return fs.ErrExist
	}
	return os.Rename(from, to)
}

// write leaves content in a new file of a folder, for its owner alone until finish says otherwise.
func write(dir, name string, content []byte, finish func(*os.File) error) (_ string, err error) {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("there is no folder %s; make it first: %w", dir, fs.ErrNotExist)
	} else if err != nil {
		return "", err
	}
	f, err := beside(dir, name)
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(content)
	if err == nil {
		err = finish(f)
	}
	if err == nil {
		err = f.Sync()
	}
	return f.Name(), errors.Join(err, f.Close())
}

// longest is how much of a file's name is in that of the one beside it; names have 255 bytes at most.
const longest = 200

// beside makes the file that content is written into first. It has one name for each file, so that what a process has left that
// was killed is found and removed by the next one.
func beside(dir, name string) (*os.File, error) {
	short := name
	if len(name) > longest {
		sum := sha256.Sum256([]byte(name))
		short = name[:longest] + hex.EncodeToString(sum[:8])
	}
	path := filepath.Join(dir, "."+short+".unfinished")
	for range 3 {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			if err := hold(f); err != nil {
				return nil, errors.Join(err, f.Close(), os.Remove(path))
			}
			return f, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		if err := removeLeft(path); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("another process writes %s, too", filepath.Join(dir, name))
}

// syncFolder makes a rename last. What cannot be synced is a folder of a file system that does so on its own.
func syncFolder(dir string) {
	if f, err := os.Open(dir); err == nil {
		_ = f.Sync()  // see above
		_ = f.Close() // nothing was written
	}
}
