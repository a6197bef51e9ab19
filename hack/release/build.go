package main

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gitops-drift/gitops-drift/pkg/completion"
)

// build makes the files of a release.
type build struct {
	stamp stamp
	dist  string
	// chosen are the platforms; empty are all.
	chosen []platform
	out    io.Writer

	licenses *licenses
}

func (b *build) choose(list string) error {
	for name := range strings.SplitSeq(list, ",") {
		i := slices.IndexFunc(platforms, func(p platform) bool { return p.String() == name })
		if i < 0 {
			return fmt.Errorf("%q is none of %v", name, platforms)
		}
		b.chosen = append(b.chosen, platforms[i])
	}
	return nil
}

func (b *build) run(ctx context.Context) error {
	if err := os.MkdirAll(b.dist, 0o755); err != nil {
		return err
	}
	if old, err := os.ReadDir(b.dist); err != nil || len(old) > 0 {
		return errors.Join(err, fmt.Errorf("the folder %s is not empty; remove it first", b.dist))
	}
	var err error
	if b.licenses, err = loadLicenses(ctx); err != nil {
		return err
	}
	if len(b.chosen) == 0 {
		b.chosen = platforms
	}
	var images []platformImage
	for _, on := range b.chosen {
		image, err := b.platform(ctx, on)
		if err != nil {
			return fmt.Errorf("%s: %w", on, err)
		}
		if on.image() {
			images = append(images, image)
		}
	}
	if len(images) > 0 {
		if err := writeImage(filepath.Join(b.dist, imageFile(b.stamp.number())), b.stamp, images); err != nil {
			return err
		}
	}
	return writeChecksums(b.dist)
}

// platform makes the archives of one platform, and returns the image for it where there is one.
func (b *build) platform(ctx context.Context, on platform) (platformImage, error) {
	began := time.Now()
	dir, err := os.MkdirTemp("", "gitops-drift-release-")
	if err != nil {
		return platformImage{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // what is left is in the system's folder for that
	if err := b.compile(ctx, on, dir); err != nil {
		return platformImage{}, err
	}
	compiled := time.Now()
	for _, p := range plugins {
		if err := b.archive(p, on, filepath.Join(dir, path.Base(p.source)+on.exe())); err != nil {
			return platformImage{}, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	var image platformImage
	if on.image() {
		if image, err = b.image(on, filepath.Join(dir, controller)); err != nil {
			return platformImage{}, fmt.Errorf("the image: %w", err)
		}
	}
	_, err = fmt.Fprintf(b.out, "%-13s %s, built in %.0f s, packed in %.0f s\n", on, b.stamp.version, compiled.Sub(began).Seconds(), time.Since(compiled).Seconds())
	return image, err
}

// compile builds the programs for a platform into a folder. Nothing of the machine, the folder or the caller's settings gets
// into them: the same commit and the same version of Go are the same bytes.
func (b *build) compile(ctx context.Context, on platform, dir string) error {
	sources := make([]string, 0, len(plugins)+1)
	for _, p := range plugins {
		sources = append(sources, "./"+p.source)
	}
	if on.image() {
		sources = append(sources, "./"+controller)
	}
	ldflags := fmt.Sprintf("-s -w -X %[1]s/pkg/version.version=%[2]s -X %[1]s/pkg/version.commit=%[3]s", module, b.stamp.version, b.stamp.commit)
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-trimpath", "-buildvcs=false", "-ldflags", ldflags, "-o", dir + string(filepath.Separator)}, sources...)...)
	cmd.Env = append(os.Environ(), "GOOS="+on.os, "GOARCH="+on.arch, "CGO_ENABLED=0",
		"GOFLAGS=-mod=readonly", "GOWORK=off", "GOEXPERIMENT=", "GOFIPS140=off", "GOAMD64=v1", "GOARM64=v8.0")
	cmd.Stdout, cmd.Stderr = b.out, os.Stderr
	return cmd.Run()
}

// archive packs a plugin with what belongs to it: the file that kubectl asks for completions, and the licences.
func (b *build) archive(p plugin, on platform, program string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	documents, err := b.licenses.of(info)
	if err != nil {
		return err
	}
	shim := completion.Shim{Plugin: p.file(), Windows: on.os == "windows"}
	files := append(documents,
		file{name: p.file() + on.exe(), mode: 0o755, content: binary},
		file{name: shim.File(), mode: 0o755, content: []byte(shim.Content())})
	number := b.stamp.number()
	if err := create(filepath.Join(b.dist, p.archive(number, on)), func(w io.Writer) error {
		if on.os == "windows" {
			return writeZip(w, files, b.stamp.time)
		}
		return writeTarGz(w, files, b.stamp.time)
	}); err != nil {
		return err
	}
	return create(filepath.Join(b.dist, sbomFile(p.file(), number, on)), func(w io.Writer) error {
		return writeSBOM(w, p.file(), binary, info, b.stamp)
	})
}

// image packs the controller as the image for a platform.
func (b *build) image(on platform, program string) (platformImage, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return platformImage{}, err
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		return platformImage{}, err
	}
	documents, err := b.licenses.of(info)
	if err != nil {
		return platformImage{}, err
	}
	if err := create(filepath.Join(b.dist, sbomFile(controllerFile, b.stamp.number(), on)), func(w io.Writer) error {
		return writeSBOM(w, controllerFile, binary, info, b.stamp)
	}); err != nil {
		return platformImage{}, err
	}
	return newPlatformImage(on, binary, documents, b.stamp)
}

// create writes a new file.
func create(name string, write func(io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if err := write(f); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", name, err), f.Close())
	}
	return f.Close()
}
