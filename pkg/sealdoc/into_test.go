package sealdoc

import (
	"strings"
	"testing"

	"github.com/gitops-drift/gitops-drift/pkg/seal"
	"github.com/gitops-drift/gitops-drift/pkg/yamledit"
)

func fileOf(t *testing.T, text string) *yamledit.File {
	t.Helper()
	f, err := yamledit.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestAFilesSealedSecretBecomesWhatTheSecretSays(t *testing.T) {
	file := fileOf(t, "kind: ConfigMap\n---\n"+sealedBy(t, pairs[0]))
	before := string(file.Bytes())
	s := &Sealer{Certificate: pairs[0].Certificate}
	secret := document(t, `apiVersion: v1
kind: Secret
metadata:
  name: db
  namespace: payments
  labels: {app: db, team: red}
  annotations: {note: x}
type: Opaque
stringData:
  password: password
  folded: folded
  literal: another
  double: double
  single: single
`)
	got, remarks, err := s.SealInto(file, secret, Scope{}, ring(t, pairs[0]))
	if err != nil || len(remarks) > 0 || got.String() != "payments/db (strict): changed literal, kept 4" {
		t.Fatalf("%s, %v, %v", got, remarks, err)
	}
	if lines := changedLines(before, string(file.Bytes())); lines != `annotations:
seal.gitops-drift.dev/certificate: FINGERPRINT
seal.gitops-drift.dev/digest: DIGEST
SEALED
labels: {app: db, "team": "red"}
annotations:
note: x` {
		t.Errorf("changed:\n%s", lines)
	}
	if got := unsealed(t, file.Documents()[1], ring(t, pairs[0])); got["literal"] != "another" || got["url"] != "postgres://password" {
		t.Errorf("opened %q", got)
	}
	again := string(file.Bytes())
	if got, _, err := s.SealInto(file, secret, Scope{}, ring(t, pairs[0])); err != nil || got.String() != "payments/db (strict) is what it was" || string(file.Bytes()) != again {
		t.Errorf("%s, %v", got, err)
	}
	if _, _, err := s.SealInto(file, secret, Scope{Scope: seal.ClusterWide, Forced: true}, nil); err == nil || !strings.Contains(err.Error(), "is sealed in scope strict there, but would be in cluster-wide") {
		t.Errorf("got %v", err)
	}
}

func TestASecretThatAFileDoesNotHaveIsAddedToIt(t *testing.T) {
	s := &Sealer{Certificate: pairs[0].Certificate}
	secret := func() *yamledit.Document {
		return document(t, "apiVersion: v1\nkind: Secret\nmetadata: {name: new, namespace: payments}\nstringData: {a: b}\n")
	}
	for text, want := range map[string]string{
		"":                    "apiVersion: bitnami.com",
		"# only a comment\n":  "# only a comment\n---\napiVersion: bitnami.com",
		"kind: ConfigMap":     "kind: ConfigMap\n---\napiVersion: bitnami.com",
		"---\nkind: A\n---\n": "---\nkind: A\n---\n---\napiVersion: bitnami.com",
	} {
		file, d := fileOf(t, text), secret()
		got, _, err := s.SealInto(file, d, Scope{Scope: seal.NamespaceWide}, nil)
		if err != nil || !got.New || got.Target.String() != "payments/new (namespace-wide)" {
			t.Fatalf("%s, %v", got, err)
		}
		out, err := Append(file, []*yamledit.Document{d})
		if err != nil || !strings.HasPrefix(string(out), want) {
			t.Errorf("%q: got %.80q, %v", text, out, err)
		}
	}
	d := secret()
	if _, err := Append(fileOf(t, `{"kind": "ConfigMap"}`), []*yamledit.Document{d}); err == nil {
		t.Error("a document was added to JSON")
	}
}

func TestAListOfSecretsIsTakenApart(t *testing.T) {
	const list = `# of kubectl get
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: a, uid: x}
- apiVersion: v1
  kind: Secret
  metadata: {name: b, uid: x, resourceVersion: "1", creationTimestamp: "2026-11-23T00:00:00Z", labels: {k: v}}
  data: {a: AA==}
`
	out, err := Expand([]byte("kind: A\n---\n" + list))
	const want = `kind: A
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: a
  uid: x
---
apiVersion: v1
data:
  a: AA==
kind: Secret
metadata:
  labels:
    k: v
  name: b
`
	if err != nil || string(out) != want {
		t.Errorf("got\n%s%v", out, err)
	}
	for _, text := range []string{strings.ReplaceAll(list, "kind: Secret", "kind: Service"), "a: [", "kind: List\n"} {
		if out, err := Expand([]byte(text)); err != nil || string(out) != text {
			t.Errorf("%q became %q, %v", text, out, err)
		}
	}
}
