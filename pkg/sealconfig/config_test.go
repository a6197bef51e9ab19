package sealconfig

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gitops-drift/gitops-drift/pkg/seal"
	"github.com/gitops-drift/gitops-drift/pkg/sealkey"
)

const (
	one = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	two = "SHA256:BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
)

const valid = `apiVersion: gitops-drift.dev/v1alpha1
kind: SealConfig
certificate: shared
certificates:
  shared:
    path: certs/shared.pem
    fingerprint: ` + one + `
  dev: {path: certs/dev.pem, fingerprint: "` + two + `"}
  old: {path: old.pem, fingerprint: SHA256:CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC, retired: 2026-11-23}
rules:
  - path: apps/*/overlays/dev
    certificate: dev
    namespace: dev
    scope: namespace-wide
  - path: apps/payments
    namespace: payments
  - path: "**/any/*.yaml"
    scope: cluster-wide
clusters:
  - context: prod-eu
  - context: dev
    certificate: dev
    controller: {namespace: flux-system}
`

func TestTheFirstRuleThatMatchesAFileCounts(t *testing.T) {
	root := t.TempDir()
	c, err := Parse([]byte(valid), root)
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]Choice{
		"apps/payments/overlays/dev/secret.yaml":   {Namespace: "dev", Scope: seal.NamespaceWide, Rule: "apps/*/overlays/dev"},
		"apps/payments/overlays/dev/x/secret.yaml": {Namespace: "dev", Scope: seal.NamespaceWide, Rule: "apps/*/overlays/dev"},
		"apps/payments/overlays/prod/secret.yaml":  {Namespace: "payments", Rule: "apps/payments"},
		"apps/payments":                  {Namespace: "payments", Rule: "apps/payments"},
		"apps/payments2/secret.yaml":     {},
		"any/secret.yaml":                {Scope: seal.ClusterWide, Rule: "**/any/*.yaml"},
		"a/b/any/secret.yaml":            {Scope: seal.ClusterWide, Rule: "**/any/*.yaml"},
		"a/b/any/secret.json":            {},
		"secret.yaml":                    {},
		"../apps/payments/secret.yaml":   {},
		"x/../apps/payments/secret.yaml": {Namespace: "payments", Rule: "apps/payments"},
	} {
		got, err := c.For(filepath.Join(root, filepath.FromSlash(file)))
		if err != nil {
			t.Fatal(err)
		}
		name := "shared"
		if want.Namespace == "dev" {
			name = "dev"
		}
		if got.Certificate.Name != name || got.Namespace != want.Namespace || got.Scope != want.Scope || got.Rule != want.Rule {
			t.Errorf("%s: got %+v with %s", file, got, got.Certificate.Name)
		}
	}
	if p := c.Pinned(one); p == nil || p.Name != "shared" {
		t.Errorf("the pinned one is %+v", p)
	}
	if p := c.Pinned("SHA256:x"); p != nil {
		t.Errorf("%+v is pinned", p)
	}
	if got := c.Cluster("dev").Controller.OrDefault(); got != (Controller{Namespace: "flux-system", Name: "sealed-secrets-controller"}) {
		t.Errorf("got %+v", got)
	}
	if got := c.Cluster("new").Controller.OrDefault(); got != (Controller{Namespace: "kube-system", Name: "sealed-secrets-controller"}) {
		t.Errorf("got %+v", got)
	}
}

func TestAMistakeIsToldWithItsLine(t *testing.T) {
	for _, test := range []struct{ from, to, want string }{
		{"kind: SealConfig", "kind: Config", "line 2: is of gitops-drift.dev/v1alpha1, kind Config; this program reads"},
		{"apiVersion: gitops-drift.dev/v1alpha1\n", "", "is of (nothing)"},
		{"certificate: shared", "certificate: other", `line 3: there is no certificate "other"`},
		{"certificate: shared\n", "", "line 3: no certificate is chosen"},
		{"certificate: shared", "certificate: old", `line 3: certificate "old" is retired since 2026-11-23`},
		{one, "SHA256:x", `line 5: certificate "shared": "SHA256:x" is no fingerprint`},
		{two, one, `line 5: certificate "shared": its key is there twice`},
		{"certs/shared.pem", "../shared.pem", `line 5: certificate "shared": path "../shared.pem" has to lead into the repository`},
		{"certs/shared.pem", "/shared.pem", "has to lead into the repository"},
		{"retired: 2026-11-23", "retired: yes", `retired is "yes"; it is a day`},
		{"    path: certs", "    file: certs", "line 6: there is no field file"},
		{"scope: namespace-wide", "scope: wide", `line 11: rule "apps/*/overlays/dev": "wide" is no scope`},
		{"namespace: payments", "namespace: Payments", `line 15: rule "apps/payments": "Payments" is no namespace`},
		{"path: apps/payments", "path: ''", "line 15: a rule has no path"},
		{"path: apps/payments", "path: ../x", "line 15: rule \"../x\": the path has to be one of this repository"},
		{"path: apps/payments", "path: 'a[/x'", "line 15: rule \"a[/x\": the pattern cannot be read"},
		{"    certificate: dev\n    namespace", "    certificate: new\n    namespace", `there is no certificate "new"`},
		{"context: prod-eu", "context: dev", `line 21: context "dev" is there twice`},
		{"context: prod-eu", "context:", "line 20: a cluster has no context"},
		{"rules:", "rules: [", "line"},
		{"rules:\n", "rules: x\n", "line"},
		{"  dev: {", "  shared: {", "already"},
	} {
		text := strings.Replace(valid, test.from, test.to, 1)
		if text == valid {
			t.Fatalf("%q is not there", test.from)
		}
		if _, err := Parse([]byte(text), t.TempDir()); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %v, want %q", test.to, err, test.want)
		}
	}
	for text, want := range map[string]string{"": "is empty", "[]": "line 1", "a: b\n---\n": "line 1: there is no field a", valid + "---\na: b\n": "single document"} {
		if _, err := Parse([]byte(text), t.TempDir()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

func TestTheConfigurationIsLookedForUpToTheRepositorysRoot(t *testing.T) {
	outer := t.TempDir()
	root := filepath.Join(outer, "repository")
	deep := filepath.Join(root, "apps", "payments")
	for _, dir := range []string{deep, filepath.Join(root, ".git")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(outer, FileName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if found, err := Find(deep); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("outside of the repository %s was found, %v", found, err)
	}
	file := filepath.Join(root, FileName)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{deep, root, filepath.Join(deep, "secret.yaml")} {
		if found, err := Find(from); err != nil || found != file {
			t.Errorf("from %s: %s, %v", from, found, err)
		}
	}
}

func TestOnlyThePinnedCertificateIsAccepted(t *testing.T) {
	root := t.TempDir()
	pair, err := sealkey.Generate(2048, time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	other, err := sealkey.Generate(2048, time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse([]byte(strings.ReplaceAll(valid, one, pair.Certificate.Fingerprint)), root)
	if err != nil {
		t.Fatal(err)
	}
	pinned, err := c.Usable("")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(root, "certs", "shared.pem")
	if err := os.Mkdir(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(pinned); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	for _, test := range []struct {
		content []byte
		want    string
	}{
		{pair.Certificate.PEM(), ""},
		{other.Certificate.PEM(), "holds key " + other.Certificate.Fingerprint + ", but .gitops-seal.yaml pins " + pair.Certificate.Fingerprint},
		{pair.KeyPEM(), "holds a private key; a certificate is needed"},
		{[]byte("nothing"), "holds no certificate in PEM"},
	} {
		if err := os.WriteFile(file, test.content, 0o600); err != nil {
			t.Fatal(err)
		}
		cert, err := c.Read(pinned)
		if test.want == "" && (err != nil || cert.Fingerprint != pair.Certificate.Fingerprint) ||
			test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
}
