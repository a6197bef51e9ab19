package main

const fluxAPIVersion = "cli.fluxcd.io/v1beta1"

// fluxManifest is a Plugin of cli.fluxcd.io/v1beta1: github.com/fluxcd/flux2/v2/pkg/plugin.
type fluxManifest struct {
	APIVersion  string        `yaml:"apiVersion"`
	Kind        string        `yaml:"kind"`
	Name        string        `yaml:"name"`
	Description string        `yaml:"description"`
	Homepage    string        `yaml:"homepage"`
	Source      string        `yaml:"source"`
	Bin         string        `yaml:"bin"`
	Versions    []fluxVersion `yaml:"versions,omitempty"`
}

type fluxVersion struct {
	Version   string         `yaml:"version"`
	Platforms []fluxPlatform `yaml:"platforms"`
}

type fluxPlatform struct {
	OS       string `yaml:"os"`
	Arch     string `yaml:"arch"`
	URL      string `yaml:"url"`
	Checksum string `yaml:"checksum"`
	// ExtractPath is the program's name in the archive, where that is not Bin.
	ExtractPath string `yaml:"extractPath"`
}

// fluxCatalog is a PluginCatalog of cli.fluxcd.io/v1beta1.
type fluxCatalog struct {
	APIVersion string      `yaml:"apiVersion"`
	Kind       string      `yaml:"kind"`
	Plugins    []fluxEntry `yaml:"plugins"`
}

type fluxEntry struct {
	Name        string `yaml:"name"`
	Description string `yaml:"description"`
	Homepage    string `yaml:"homepage"`
	Source      string `yaml:"source"`
	License     string `yaml:"license"`
}

// fluxManifestOf completes krew/flux/NAME.yaml. The archive holds the program under kubectl's name; Flux takes it out and installs
// it under its own.
func fluxManifestOf(p plugin, number string, archives []built) (fluxManifest, fluxEntry, error) {
	var m fluxManifest
	if err := readYAML("krew/flux/"+p.flux+".yaml", &m); err != nil {
		return m, fluxEntry{}, err
	}
	version := fluxVersion{Version: number}
	for _, a := range archives {
		version.Platforms = append(version.Platforms, fluxPlatform{
			OS: a.os, Arch: a.arch, URL: a.url, Checksum: "sha256:" + a.sum, ExtractPath: p.file() + a.exe(),
		})
	}
	m.Versions = []fluxVersion{version}
	return m, fluxEntry{Name: m.Name, Description: m.Description, Homepage: m.Homepage, Source: m.Source, License: license}, nil
}
