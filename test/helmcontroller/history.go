package helmcontroller

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/opencontainers/go-digest"
	"helm.sh/helm/v4/pkg/action"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	release "helm.sh/helm/v4/pkg/release/v1"
	"helm.sh/helm/v4/pkg/storage/driver"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// observe writes what the storage holds into the status.
func (c *Controller) observe(helm *action.Configuration, hr *helmv2.HelmRelease, loaded *chart.Chart) error {
	stored, err := helm.Releases.History(hr.GetReleaseName())
	if err != nil && !errors.Is(err, driver.ErrReleaseNotFound) {
		return fmt.Errorf("read the history of the release: %w", err)
	}
	hr.Status.History = nil
	for _, s := range stored {
		r, err := typed(s)
		if err != nil {
			return err
		}
		hr.Status.History = append(hr.Status.History, snapshot(r))
	}
	hr.Status.History.SortByVersion()
	if len(hr.Status.History) > hr.GetMaxHistory() {
		hr.Status.History = slices.Clip(hr.Status.History[:hr.GetMaxHistory()])
	}
	hr.Status.ObservedCommonMetadataDigest = metadataDigest(hr.Spec.CommonMetadata)
	last, err := lastRelease(helm, hr.GetReleaseName())
	if err != nil || last == nil {
		return err
	}
	hr.Status.Inventory, err = inventory(helm, last, loaded)
	return err
}

func snapshot(r *release.Release) *helmv2.Snapshot {
	return &helmv2.Snapshot{
		APIVersion:    helmv2.CurrentSnapshotAPIVersion,
		Digest:        observedDigest(r),
		Name:          r.Name,
		Namespace:     r.Namespace,
		Version:       r.Version,
		Status:        r.Info.Status.String(),
		ChartName:     r.Chart.Name(),
		ChartVersion:  r.Chart.Metadata.Version,
		AppVersion:    r.Chart.AppVersion(),
		ConfigDigest:  valuesDigest(r.Config),
		FirstDeployed: metav1.NewTime(r.Info.FirstDeployed),
		LastDeployed:  metav1.NewTime(r.Info.LastDeployed),
		Deleted:       metav1.NewTime(r.Info.Deleted),
	}
}

// observation is what helm-controller takes the digest of (internal/release, Observation).
type observation struct {
	Name          string         `json:"name"`
	Version       int            `json:"version"`
	Info          release.Info   `json:"info"`
	ChartMetadata chart.Metadata `json:"chartMetadata"`
	Config        map[string]any `json:"config"`
	Manifest      string         `json:"manifest"`
	Hooks         []release.Hook `json:"hooks"`
	Namespace     string         `json:"namespace"`
}

// observedDigest tells whether a release in the storage is still as it was observed; running its tests changes nothing.
func observedDigest(r *release.Release) string {
	o := observation{
		Name: r.Name, Version: r.Version, Info: *r.Info, ChartMetadata: *r.Chart.Metadata, Config: r.Config, Manifest: r.Manifest, Namespace: r.Namespace,
	}
	for _, hook := range r.Hooks {
		if !slices.Contains(hook.Events, release.HookTest) {
			o.Hooks = append(o.Hooks, *hook)
		}
	}
	digester := digest.Canonical.Digester()
	if err := json.NewEncoder(digester.Hash()).Encode(o); err != nil {
		panic(fmt.Sprintf("encode what was decoded from JSON: %v", err))
	}
	return digester.Digest().String()
}

// inventory lists what the release applied, hooks not among them, and the chart's CRDs.
func inventory(helm *action.Configuration, r *release.Release, loaded *chart.Chart) (*helmv2.ResourceInventory, error) {
	documents := []string{r.Manifest}
	for _, crd := range loaded.CRDObjects() {
		documents = append(documents, string(crd.File.Data))
	}
	out := &helmv2.ResourceInventory{Entries: []helmv2.ResourceRef{}}
	for _, document := range documents {
		list, err := helm.KubeClient.Build(bytes.NewReader([]byte(document)), false)
		if err != nil {
			return nil, fmt.Errorf("read the manifest of release %s: %w", r.Name, err)
		}
		for _, info := range list {
			kind := info.Mapping.GroupVersionKind
			out.Entries = append(out.Entries, helmv2.ResourceRef{
				ID:      fmt.Sprintf("%s_%s_%s_%s", info.Namespace, info.Name, kind.Group, kind.Kind),
				Version: kind.Version,
			})
		}
	}
	return out, nil
}
