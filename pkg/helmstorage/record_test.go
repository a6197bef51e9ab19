package helmstorage

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/release/common"
	release "helm.sh/helm/v4/pkg/release/v1"
)

// encode writes a record as Helm's storage driver does.
func encode(t *testing.T, r *release.Release) []byte {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return pack(t, text)
}

func pack(t *testing.T, text []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.AppendEncode(nil, packed.Bytes())
}

func catalog() *release.Release {
	at := time.Date(2026, 11, 22, 23, 40, 0, 123456789, time.FixedZone("", 3600))
	return &release.Release{
		Name: "catalog", Namespace: "shop", Version: 7, ApplyMethod: "ssa",
		Info: &release.Info{FirstDeployed: at, LastDeployed: at, Description: "Upgrade complete", Status: common.StatusDeployed, Notes: "a < b & c"},
		Chart: &chart.Chart{
			Metadata: &chart.Metadata{APIVersion: "v2", Name: "catalog", Version: "1.4.2", Maintainers: []*chart.Maintainer{{Name: "me"}}},
			Values:   map[string]any{"color": "blue"},
		},
		Config:   map[string]any{"b": 1, "a": map[string]any{"big": 12345678901.0, "text": "<&>"}},
		Manifest: "kind: ConfigMap\n",
		Hooks: []*release.Hook{
			{Name: "migrate", Manifest: "kind: Job\n", Events: []release.HookEvent{release.HookPreUpgrade}, LastRun: release.HookExecution{StartedAt: at, Phase: release.HookPhaseSucceeded}},
			{Name: "test", Manifest: "kind: Pod\n", Events: []release.HookEvent{release.HookTest}},
		},
	}
}

// observation is helm-controller's (internal/release, Observation), of which it takes the digest.
type observation struct {
	Name          string         `json:"name"`
	Version       int            `json:"version"`
	Info          release.Info   `json:"info"`
	ChartMetadata chart.Metadata `json:"chartMetadata"`
	Config        map[string]any `json:"config"`
	Manifest      string         `json:"manifest"`
	Hooks         []release.Hook `json:"hooks"`
	Namespace     string         `json:"namespace"`
	OCIDigest     string         `json:"ociDigest,omitempty"`
}

func (o observation) digest(t *testing.T) digest.Digest {
	t.Helper()
	digester := digest.SHA256.Digester()
	if err := json.NewEncoder(digester.Hash()).Encode(o); err != nil {
		t.Fatal(err)
	}
	return digester.Digest()
}

func TestARecordIsRead(t *testing.T) {
	r, err := Decode(encode(t, catalog()))
	if err != nil {
		t.Fatal(err)
	}
	if r.Name != "catalog" || r.Namespace != "shop" || r.Version != 7 || r.Status != "deployed" || r.Manifest != "kind: ConfigMap\n" {
		t.Errorf("got %+v", r)
	}
	if len(r.Hooks) != 2 || r.Hooks[0] != "kind: Job\n" || r.Hooks[1] != "kind: Pod\n" {
		t.Errorf("hooks are %q", r.Hooks)
	}
	if text, err := json.Marshal(r.Config); err != nil || string(text) != `{"a":{"big":12345678901,"text":"\u003c\u0026\u003e"},"b":1}` {
		t.Errorf("config is %s, %v", text, err)
	}
	plain, err := json.Marshal(catalog())
	if err != nil {
		t.Fatal(err)
	}
	if old, err := Decode(base64.StdEncoding.AppendEncode(nil, plain)); err != nil || old.Version != 7 {
		t.Errorf("a record that is not zipped: %v, %v", old, err)
	}
}

func TestTheDigestIsHelmControllers(t *testing.T) {
	// Of helm-controller's own tests.
	const foo = "sha256:f1498f27a16a09cd7e1ee610d924df065c03d30035638babc95dd9a8d412ce4d"
	if got, err := (&Record{Name: "foo"}).Digest(digest.SHA256, ""); err != nil || got != foo {
		t.Errorf("got %s, %v", got, err)
	}
	full := catalog()
	bare := &release.Release{Name: "catalog", Version: 1, Info: &release.Info{Status: common.StatusFailed}, Chart: &chart.Chart{Metadata: &chart.Metadata{Name: "x"}}}
	tested := catalog()
	tested.Hooks = tested.Hooks[1:]
	for name, test := range map[string]struct {
		stored *release.Release
		want   observation
	}{
		"with all that it can have": {full, observation{
			Name: "catalog", Version: 7, Info: *full.Info, ChartMetadata: *full.Chart.Metadata, Config: full.Config,
			Manifest: full.Manifest, Hooks: []release.Hook{*full.Hooks[0]}, Namespace: "shop", OCIDigest: "sha256:0",
		}},
		"with little": {bare, observation{Name: "catalog", Version: 1, Info: *bare.Info, ChartMetadata: *bare.Chart.Metadata}},
		"with nothing but tests for hooks": {tested, observation{
			Name: "catalog", Version: 7, Info: *tested.Info, ChartMetadata: *tested.Chart.Metadata, Config: tested.Config,
			Manifest: tested.Manifest, Namespace: "shop",
		}},
	} {
		r, err := Decode(encode(t, test.stored))
		if err != nil {
			t.Fatal(err)
		}
		want := test.want.digest(t)
		if got, err := r.Digest(digest.SHA256, test.want.OCIDigest); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", name, got, err, want)
		}
		r.Manifest += "x"
		if got, err := r.Digest(digest.SHA256, test.want.OCIDigest); err != nil || got == want {
			t.Errorf("%s: another manifest has the same digest (%v)", name, err)
		}
	}
	if _, err := (&Record{Name: "foo"}).Digest("blake3", ""); err == nil {
		t.Error("an unknown algorithm is no error")
	}
}

func TestErrorsQuoteNothingOfTheRecord(t *testing.T) {
	damaged := pack(t, []byte(strings.Repeat("swordfish", 1000)))
	damaged[len(damaged)/2]++
	for name, data := range map[string][]byte{
		"no base64":            []byte("swordfish!"),
		"no gzip":              base64.StdEncoding.AppendEncode(nil, []byte("\x1f\x8b\x08swordfish")),
		"a damaged stream":     damaged,
		"no JSON":              pack(t, []byte("swordfish")),
		"a string for a map":   pack(t, []byte(`{"name":"x","version":1,"config":"swordfish"}`)),
		"a string for hooks":   pack(t, []byte(`{"name":"x","version":1,"hooks":["swordfish"]}`)),
		"a number for info":    pack(t, []byte(`{"name":"x","version":1,"info":{"status":31415}}`)),
		"no release":           pack(t, []byte(`{"manifest":"swordfish"}`)),
		"more than can be had": pack(t, bytes.Repeat([]byte("swordfish "), Limit/10+1)),
		"nothing":              nil,
	} {
		r, err := Decode(data)
		if err == nil {
			t.Errorf("%s is read as %+v", name, r)
		} else if strings.Contains(err.Error(), "swordfish") || strings.Contains(err.Error(), "31415") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
