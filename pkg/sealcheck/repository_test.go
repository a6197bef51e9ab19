package sealcheck

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gitops-drift/gitops-drift/pkg/seal"
	"github.com/gitops-drift/gitops-drift/pkg/sealconfig"
	"github.com/gitops-drift/gitops-drift/pkg/sealhealth"
	"github.com/gitops-drift/gitops-drift/pkg/sealkey"
)

// pairs are keys of tests by their names; making them takes long.
var pairs = map[string]func() *sealkey.Pair{"shared": pair(2048), "own": pair(2048), "dev": pair(2048), "old": pair(2048), "large": pair(4096)}

func pair(bits int) func() *sealkey.Pair {
	return sync.OnceValue(func() *sealkey.Pair {
		p, err := sealkey.Generate(bits, sealkey.DefaultValidity, time.Now())
		if err != nil {
			panic(err)
		}
		return p
	})
}

// tree is a repository of a test.
type tree struct {
	t    testing.TB
	root string
}

// newTree makes a repository that pins the keys shared, dev (for the folder dev) and old, which is retired.
func newTree(t testing.TB) *tree {
	t.Helper()
	r := &tree{t, t.TempDir()}
	for _, name := range []string{"shared", "dev", "old"} {
		r.write("certs/"+name+".pem", string(pairs[name]().Certificate.PEM()))
	}
	r.write(sealconfig.FileName, fmt.Sprintf(`apiVersion: gitops-drift.dev/v1alpha1
kind: SealConfig
certificate: shared
certificates:
  shared: {path: certs/shared.pem, fingerprint: "%s"}
  dev: {path: certs/dev.pem, fingerprint: "%s"}
  old: {path: certs/old.pem, fingerprint: "%s", retired: 2026-01-01}
rules:
- {path: dev, certificate: dev}
`, fingerprint("shared"), fingerprint("dev"), fingerprint("old")))
	return r
}

func fingerprint(key string) string { return pairs[key]().Certificate.Fingerprint }

func (r *tree) write(file, text string) {
	r.t.Helper()
	path := filepath.Join(r.root, filepath.FromSlash(file))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// sealed is a SealedSecret for a target with the items password and user, as this program writes it.
func sealed(t testing.TB, key string, target seal.Target) string {
	t.Helper()
	items := map[string]string{}
	for _, item := range []string{"password", "user"} {
		text, err := seal.Item(&pairs[key]().Key.PublicKey, target, []byte("value of "+item))
		if err != nil {
			t.Fatal(err)
		}
		items[item] = text
	}
	scope := map[seal.Scope]string{seal.NamespaceWide: "\n    sealedsecrets.bitnami.com/namespace-wide: \"true\"", seal.ClusterWide: "\n    sealedsecrets.bitnami.com/cluster-wide: \"true\""}[target.Scope]
	return fmt.Sprintf(`apiVersion: bitnami.com/v1alpha1
kind: SealedSecret
metadata:
  name: %s
  namespace: %s
  annotations:
    %s: %s
    %s: %s%s
spec:
  encryptedData:
    password: %s
    user: %s
  template:
    metadata:
      name: %s
      namespace: %s
`, target.Name, target.Namespace, seal.CertificateAnnotation, fingerprint(key), seal.DigestAnnotation, seal.Digest(target, items), scope,
		items["password"], items["user"], target.Name, target.Namespace)
}

// kustomization is one of Flux that notices, of a path, with more lines in its spec.
func kustomization(name, path, more string) string {
	return fmt.Sprintf(`apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: %s
  namespace: flux-system
spec:
  interval: 10m
  path: %s
  prune: true
  wait: true
  sourceRef: {kind: GitRepository, name: flux-system}
%s
%s
`, name, path, indent(sealhealth.Expressions), indent(more))
}

func indent(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }

func (r *tree) check(paths ...string) *Report {
	r.t.Helper()
	config, err := sealconfig.Load(filepath.Join(r.root, sealconfig.FileName))
	if err != nil {
		r.t.Fatal(err)
	}
	report, err := Check(r.t.Context(), config, WorkingTree(config.Root()), paths...)
	if err != nil {
		r.t.Fatal(err)
	}
	return report
}

// lines are the findings and errors as texts.
func lines(report *Report) []string {
	var out []string
	for _, f := range report.Findings {
		object := f.Object
		if f.Item != "" {
			object += " [" + f.Item + "]"
		}
		out = append(out, fmt.Sprintf("%s:%d %s %s: %s", f.File, f.Line, f.Kind, object, f.Message))
	}
	for _, e := range report.Errors {
		out = append(out, "error "+e.Error())
	}
	return out
}

var db = seal.Target{Namespace: "payments", Name: "db"}

func BenchmarkCheck500(b *testing.B) {
	r := newTree(b)
	for n := range 500 {
		namespace := fmt.Sprintf("team-%d", n%20)
		name := fmt.Sprintf("secret-%d", n)
		r.write(fmt.Sprintf("apps/%s/%s.yaml", namespace, name), sealed(b, "shared", seal.Target{Namespace: namespace, Name: name}))
	}
	for n := range 20 {
		var list strings.Builder
		for m := n; m < 500; m += 20 {
			fmt.Fprintf(&list, "- secret-%d.yaml\n", m)
		}
		r.write(fmt.Sprintf("apps/team-%d/kustomization.yaml", n), "namespace: "+fmt.Sprintf("team-%d", n)+"\nresources:\n"+list.String())
		r.write(fmt.Sprintf("clusters/prod/team-%d.yaml", n), kustomization(fmt.Sprintf("team-%d", n), fmt.Sprintf("./apps/team-%d", n), ""))
	}
	b.ResetTimer()
	for b.Loop() {
		if got := lines(r.check()); len(got) > 0 {
			b.Fatal(strings.Join(got, "\n"))
		}
	}
}
