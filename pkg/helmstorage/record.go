package helmstorage

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/opencontainers/go-digest"
)

// Limit is how many bytes an unpacked record may have. A Secret holds 1 MiB at most; gzip could blow that up a
// thousandfold.
const Limit = 64 << 20

// Record is one revision of a release.
type Record struct {
	Name      string
	Namespace string
	Version   int
	// Status is deployed, superseded, failed, pending-upgrade and the like.
	Status string
	// Manifest are the rendered objects without hooks, as YAML documents.
	Manifest string
	// Hooks are the manifests of the hooks, tests among them.
	Hooks []string
	// Config are the values that were given to the chart, beyond its own defaults.
	Config map[string]any

	stored stored
}

// stored is the part of a record that is read. What is not looked into stays as Helm wrote it.
type stored struct {
	Name      string            `json:"name"`
	Info      json.RawMessage   `json:"info"`
	Chart     chartInfo         `json:"chart"`
	Config    json.RawMessage   `json:"config"`
	Manifest  string            `json:"manifest"`
	Hooks     []json.RawMessage `json:"hooks"`
	Version   int               `json:"version"`
	Namespace string            `json:"namespace"`
}

type chartInfo struct {
	Metadata json.RawMessage `json:"metadata"`
}

type hook struct {
	Manifest string   `json:"manifest"`
	Events   []string `json:"events"`
}

// Decode reads what the Key of a record's Secret holds. Its errors say nothing of the content.
func Decode(data []byte) (*Record, error) {
	packed := make([]byte, base64.StdEncoding.DecodedLen(len(data)))
	n, err := base64.StdEncoding.Decode(packed, data)
	if err != nil {
		return nil, errors.New("it is not in base64")
	}
	text, err := unpack(packed[:n])
	if err != nil {
		return nil, err
	}
	record := &Record{}
	var info struct {
		Status string `json:"status"`
	}
	s := &record.stored
	if json.Unmarshal(text, s) != nil || len(s.Info) > 0 && json.Unmarshal(s.Info, &info) != nil ||
		len(s.Config) > 0 && json.Unmarshal(s.Config, &record.Config) != nil {
		return nil, errors.New("its JSON is not that of a release")
	}
	for _, encoded := range s.Hooks {
		var h hook
		if json.Unmarshal(encoded, &h) != nil {
			return nil, errors.New("its JSON is not that of a release")
		}
		record.Hooks = append(record.Hooks, h.Manifest)
	}
	record.Name, record.Namespace, record.Version = s.Name, s.Namespace, s.Version
	record.Status, record.Manifest = info.Status, s.Manifest
	if record.Name == "" || record.Version == 0 {
		return nil, errors.New("it names no release")
	}
	return record, nil
}

// unpack returns what was gzipped. Helm before version 2.5 did not zip.
func unpack(packed []byte) ([]byte, error) {
	if !bytes.HasPrefix(packed, []byte{0x1f, 0x8b, 0x08}) {
		return packed, nil
	}
	reader, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, errors.New("it is not gzipped as Helm does")
	}
	text, err := io.ReadAll(io.LimitReader(reader, Limit+1))
	switch {
	case err != nil:
		return nil, errors.New("its gzip stream is damaged")
	case len(text) > Limit:
		return nil, fmt.Errorf("it has more than %d bytes", Limit)
	}
	return text, reader.Close()
}

// Digest returns the digest of the record that helm-controller writes into a HelmRelease's status.history with apiVersion
// v2: that of its JSON with the chart's metadata alone, without test hooks, with the digest of the chart's OCI artifact,
// if it has one, which the record does not hold. Source: helm-controller 1.6, internal/release, Observation.
func (r *Record) Digest(algorithm digest.Algorithm, ociDigest string) (digest.Digest, error) {
	observation := struct {
		Name          string            `json:"name"`
		Version       int               `json:"version"`
		Info          json.RawMessage   `json:"info"`
		ChartMetadata json.RawMessage   `json:"chartMetadata"`
		Config        json.RawMessage   `json:"config"`
		Manifest      string            `json:"manifest"`
		Hooks         []json.RawMessage `json:"hooks"`
		Namespace     string            `json:"namespace"`
		OCIDigest     string            `json:"ociDigest,omitempty"`
	}{
		Name: r.Name, Version: r.Version, Info: r.stored.Info, ChartMetadata: r.stored.Chart.Metadata, Config: r.stored.Config,
		Manifest: r.Manifest, Namespace: r.Namespace, OCIDigest: ociDigest,
	}
	for _, absent := range []*json.RawMessage{&observation.Info, &observation.ChartMetadata} {
		if len(*absent) == 0 {
			*absent = json.RawMessage("{}")
		}
	}
	for _, encoded := range r.stored.Hooks {
		var h hook
		if err := json.Unmarshal(encoded, &h); err != nil {
			return "", errors.New("its JSON is not that of a release")
		}
		if !slices.Contains(h.Events, "test") {
			observation.Hooks = append(observation.Hooks, encoded)
		}
	}
	if !algorithm.Available() {
		return "", fmt.Errorf("digest algorithm %q is not known", algorithm)
	}
	digester := algorithm.Digester()
	if err := json.NewEncoder(digester.Hash()).Encode(observation); err != nil {
		return "", errors.New("its JSON is not that of a release")
	}
	return digester.Digest(), nil
}
