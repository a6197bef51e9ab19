package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// writeChecksums writes the checksums of all files of a folder, in the order of their names.
func writeChecksums(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var out strings.Builder
	for _, entry := range entries {
		sum, err := checksum(filepath.Join(dir, entry.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&out, "%s  %s\n", sum, entry.Name())
	}
	return create(filepath.Join(dir, checksumFile), func(w io.Writer) error {
		_, err := io.WriteString(w, out.String())
		return err
	})
}

// checksum is the SHA-256 of a file in small hexadecimal digits.
func checksum(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return "", errors.Join(err, f.Close())
	}
	return hex.EncodeToString(hash.Sum(nil)), f.Close()
}

// readChecksums returns the checksums of the files of a release by their names.
func readChecksums(dir string) (map[string]string, error) {
	text, err := os.ReadFile(filepath.Join(dir, checksumFile))
	if err != nil {
		return nil, fmt.Errorf("%w; run release build first", err)
	}
	sums := map[string]string{}
	for line := range strings.Lines(string(text)) {
		sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !ok || len(sum) != hex.EncodedLen(sha256.Size) {
			return nil, fmt.Errorf("%s: %q is no checksum", checksumFile, line)
		}
		sums[name] = sum
	}
	return sums, nil
}
