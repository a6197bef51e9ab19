package main

import (
	"archive/tar"
	"archive/zip"
	"cmp"
	"compress/gzip"
	"io"
	"io/fs"
	"slices"
	"time"
)

// file is a file of an archive, or a folder if its name ends with a slash.
type file struct {
	name    string
	mode    fs.FileMode
	content []byte
}

// sorted are the files in the order of their names, which does not depend on who put them together.
func sorted(files []file) []file {
	return slices.SortedFunc(slices.Values(files), func(a, b file) int { return cmp.Compare(a.name, b.name) })
}

// writeTar writes files that belong to root, all of one time.
func writeTar(w io.Writer, files []file, at time.Time) error {
	archive := tar.NewWriter(w)
	for _, f := range sorted(files) {
		header := &tar.Header{Name: f.name, Mode: tarMode(f.mode), Size: int64(len(f.content)), ModTime: at, Format: tar.FormatUSTAR}
		if f.name[len(f.name)-1] == '/' {
			header.Typeflag = tar.TypeDir
		}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(f.content); err != nil {
			return err
		}
	}
	return archive.Close()
}

// tarMode is a mode as POSIX counts it.
func tarMode(mode fs.FileMode) int64 {
	out := int64(mode.Perm())
	if mode&fs.ModeSticky != 0 {
		out |= 0o1000
	}
	return out
}

func writeTarGz(w io.Writer, files []file, at time.Time) error {
	return compressed(w, func(w io.Writer) error { return writeTar(w, files, at) })
}

// compressed writes without the name and the time that gzip has room for.
func compressed(w io.Writer, write func(io.Writer) error) error {
	zipped, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	if err := write(zipped); err != nil {
		return err
	}
	return zipped.Close()
}

func writeZip(w io.Writer, files []file, at time.Time) error {
	archive := zip.NewWriter(w)
	for _, f := range sorted(files) {
		header := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: at.UTC()}
		header.SetMode(f.mode)
		entry, err := archive.CreateHeader(header)
		if err != nil {
			return err
		}
		if _, err := entry.Write(f.content); err != nil {
			return err
		}
	}
	return archive.Close()
}
