package main

// krewManifest is a manifest of krew.googlecontainertools.github.com/v1alpha2, as far as it is used here.
// https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/
type krewManifest struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	Spec krewSpec `yaml:"spec"`
}

type krewSpec struct {
	Version          string         `yaml:"version,omitempty"`
	Homepage         string         `yaml:"homepage"`
	ShortDescription string         `yaml:"shortDescription"`
	Description      string         `yaml:"description"`
	Caveats          string         `yaml:"caveats"`
	Platforms        []krewPlatform `yaml:"platforms,omitempty"`
}

type krewPlatform struct {
	Selector krewSelector `yaml:"selector"`
	URI      string       `yaml:"uri"`
	Sha256   string       `yaml:"sha256"`
	Files    []krewFile   `yaml:"files"`
	Bin      string       `yaml:"bin"`
}

type krewSelector struct {
	MatchLabels map[string]string `yaml:"matchLabels"`
}

type krewFile struct {
	From string `yaml:"from"`
	To   string `yaml:"to"`
}

// krewManifestOf completes krew/NAME.yaml. The file that kubectl asks for completions stays in the archive: krew links one file
// a plugin, and kubectl would not find it where krew unpacks.
func krewManifestOf(p plugin, number string, archives []built) (krewManifest, error) {
	var m krewManifest
	if err := readYAML("krew/"+p.name+".yaml", &m); err != nil {
		return m, err
	}
	m.Spec.Version = "v" + number
	for _, a := range archives {
		bin := p.file() + a.exe()
		m.Spec.Platforms = append(m.Spec.Platforms, krewPlatform{
			Selector: krewSelector{MatchLabels: map[string]string{"os": a.os, "arch": a.arch}},
			URI:      a.url, Sha256: a.sum, Bin: bin,
			Files: []krewFile{{From: bin, To: "."}, {From: "LICENSE", To: "."}, {From: "THIRD_PARTY_LICENSES", To: "."}},
		})
	}
	return m, nil
}
