package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// manifests writes what krew and Flux install the plugins by: what krew/ says about them, with the version, the addresses and
// the checksums of a release.
type manifests struct {
	// dist is the folder that build made; to is where manifests go, dist if it is empty.
	dist, to string
	// url is the folder where people get the archives; empty is that of the release on GitHub.
	url string
}

// built is an archive of a release.
type built struct {
	platform
	url, sum string
}

func (m manifests) write() error {
	sums, err := readChecksums(m.dist)
	if err != nil {
		return err
	}
	number, err := numberOf(sums)
	if err != nil {
		return err
	}
	if m.to == "" {
		m.to = m.dist
	}
	if m.url == "" {
		m.url = releases + "v" + number
	}
	if u, err := url.Parse(m.url); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return errors.Join(err, fmt.Errorf("krew and Flux cannot get archives from %q: they want an address with http or https", m.url))
	}
	catalog := fluxCatalog{APIVersion: fluxAPIVersion, Kind: "PluginCatalog"}
	for _, p := range plugins {
		archives, err := p.built(number, strings.TrimSuffix(m.url, "/"), sums)
		if err != nil {
			return err
		}
		forKrew, err := krewManifestOf(p, number, archives)
		if err != nil {
			return err
		}
		forFlux, entry, err := fluxManifestOf(p, number, archives)
		if err != nil {
			return err
		}
		catalog.Plugins = append(catalog.Plugins, entry)
		if err := errors.Join(m.writeYAML(p.name, forKrew), m.writeYAML(p.flux, forFlux)); err != nil {
			return err
		}
	}
	return m.writeYAML("catalog", catalog)
}

// anyArchive finds the version in the name of an archive.
var anyArchive = regexp.MustCompile(`^kubectl-[a-z_]+_([0-9][^_]*)_[a-z]+_[a-z0-9]+\.(tar\.gz|zip)$`)

// numberOf is the version that the files of a release have in their names.
func numberOf(sums map[string]string) (string, error) {
	number := ""
	for name := range sums {
		switch found := anyArchive.FindStringSubmatch(name); {
		case found == nil:
		case number != "" && found[1] != number:
			return "", fmt.Errorf("%s lists archives of %s and of %s", checksumFile, number, found[1])
		default:
			number = found[1]
		}
	}
	if number == "" {
		return "", fmt.Errorf("%s lists no archive", checksumFile)
	}
	return number, nil
}

// built are the archives of a plugin that there are.
func (p plugin) built(number, url string, sums map[string]string) ([]built, error) {
	var out []built
	for _, on := range platforms {
		name := p.archive(number, on)
		if sum := sums[name]; sum != "" {
			out = append(out, built{platform: on, url: url + "/" + name, sum: sum})
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s lists no archive of %s", checksumFile, p.name)
	}
	return out, nil
}

func (m manifests) writeYAML(name string, value any) error {
	text, err := encodeYAML(value)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(m.to, name+".yaml"), text, 0o644)
}

func encodeYAML(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	err := errors.Join(encoder.Encode(value), encoder.Close())
	return out.Bytes(), err
}

// readYAML reads a file of krew/, in which every field must be known.
func readYAML(name string, into any) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("%w; run this at the root of the checkout", err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
