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
kind: List # of two
items:
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: a, uid: x}
# the second
- apiVersion: v1
  kind: Secret # core
  metadata:
    name: b # why
    uid: x
    resourceVersion: "1"
    creationTimestamp: "2026-11-23T00:00:00Z"
    labels: {k: "v"}
  data: {a: AA==}
`
	out, err := Expand([]byte("kind: A\n---\n" + list))
	const want = `kind: A
---
# of kubectl get
# of two
apiVersion: v1
kind: ConfigMap
metadata: {name: a, uid: x}
---
# the second
apiVersion: v1
kind: Secret # core
metadata:
  name: b # why
  labels: {k: "v"}
data: {a: AA==}
`
	if err != nil || string(out) != want {
		t.Errorf("got\n%s%v", out, err)
	}
	out, err = Expand([]byte(`{"kind": "List", "apiVersion": "v1", "items": [{"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "b", "uid": "x"}, "data": {"yes": "AA=="}}]}`))
	if err != nil || string(out) != "---\napiVersion: v1\ndata:\n  \"yes\": AA==\nkind: Secret\nmetadata:\n  name: b\n" {
		t.Errorf("got\n%s%v", out, err)
	}
	for _, text := range []string{strings.ReplaceAll(list, "kind: Secret", "kind: Service"), "a: [", "kind: List\n", "apiVersion: v1\nkind: List\nitems: x\n"} {
		if out, err := Expand([]byte(text)); err != nil || string(out) != text {
			t.Errorf("%q became %q, %v", text, out, err)
		}
	}
	if _, err := Expand([]byte(strings.Replace(list, "data: {a: AA==}", "data: *x", 1))); err != nil {
		t.Errorf("what is no YAML is for the next one: %v", err)
	}
	const shared = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, data: &x {a: AA==}}\n- {apiVersion: v1, kind: Secret, data: *x}\n"
	if _, err := Expand([]byte(shared)); err == nil || !strings.Contains(err.Error(), "an item of the List refers to another one") {
		t.Errorf("got %v", err)
	}
}
