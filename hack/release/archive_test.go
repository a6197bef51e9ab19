package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func packed(t *testing.T, write func(io.Writer, []file, time.Time) error, files []file, at time.Time) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := write(&out, files, at); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestAnArchiveIsTheSameBytesWhoeverPacksItAndWhereverTheyAre(t *testing.T) {
	files := []file{{name: "b", mode: 0o755, content: []byte("program")}, {name: "LICENSE", mode: 0o644, content: []byte("text")}}
	turned := slices.Clone(files)
	slices.Reverse(turned)
	for name, write := range map[string]func(io.Writer, []file, time.Time) error{"tar": writeTar, "tar.gz": writeTarGz, "zip": writeZip} {
		one := packed(t, write, files, noon)
		other := packed(t, write, turned, noon.In(time.FixedZone("far away", 9*3600)))
		if !bytes.Equal(one, other) {
			t.Errorf("%s: the order of the files or the time zone shows", name)
		}
		if later := packed(t, write, files, noon.Add(time.Minute)); bytes.Equal(one, later) {
			t.Errorf("%s: the time of the commit is not in it", name)
		}
	}
}

func TestFilesOfArchivesBelongToNobodyAndProgramsCanBeRun(t *testing.T) {
	files := []file{{name: "run", mode: 0o755, content: []byte("x")}, {name: "tmp/", mode: 0o777 | fs.ModeSticky}, {name: "LICENSE", mode: 0o644}}
	reader := tar.NewReader(bytes.NewReader(packed(t, writeTar, files, noon)))
	var names []string
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, header.Name)
		if header.Uid != 0 || header.Gid != 0 || header.Uname != "" || header.Gname != "" || !header.ModTime.Equal(noon) || len(header.PAXRecords) > 0 {
			t.Errorf("%s: %+v", header.Name, header)
		}
		if want := map[string]int64{"run": 0o755, "tmp/": 0o1777, "LICENSE": 0o644}[header.Name]; header.Mode != want {
			t.Errorf("%s has the mode %o, want %o", header.Name, header.Mode, want)
		}
		if header.FileInfo().IsDir() != (header.Name == "tmp/") {
			t.Errorf("%s is of the type %c", header.Name, header.Typeflag)
		}
	}
	if !slices.Equal(names, []string{"LICENSE", "run", "tmp/"}) {
		t.Errorf("got %v", names)
	}
	text := packed(t, writeZip, files[:1], noon)
	archive, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	if f := archive.File[0]; f.Mode() != 0o755 || !f.Modified.Equal(noon) {
		t.Errorf("the zip has %s %s", f.Mode(), f.Modified)
	}
}
