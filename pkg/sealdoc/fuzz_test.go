package sealdoc

import (
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/yamledit"
)

func FuzzManifest(f *testing.F) {
	const head = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  labels: {a: b}\n"
	for _, text := range []string{
		head + "stringData:\n  a: swordfish # swordfish\n  b: |\n    x\n", head + "data:\n  a: YWRtaW4=\ntype: Opaque\n",
		"# c\n---\n" + head + "stringData: {a: swordfish}\n", `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db"},"stringData":{"a":"swordfish"}}`,
		"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: x}\n  data: {a: AA==}\n",
		head + "stringData: {a: swordfish, # swordfish\n  # b\n  b: two # c\n  } # d\n", "# a\n{apiVersion: v1, kind: Secret, # b\n metadata: {name: db}, data: {a: YWRtaW4=}} # c\n",
		head + "stringData:\n  a: # b\n    # c\n    swordfish # d\n  <<: {e: f} # g\n", head + "  annotations: # a\n    # b\n    kubectl.kubernetes.io/last-applied-configuration: x # c\nstringData: {a: |\n",
		"apiVersion: v1\nkind: Secret\nmetadata: &m\n  name: db\n  annotations: {x: *m}\nstringData: {a: b}\n",
	} {
		f.Add(text)
	}
	f.Add(sealedBy(f, pairs[0]))
	s := &Sealer{Certificate: pairs[0].Certificate, Namespace: "payments"}
	keys := ring(f, pairs[0])
	f.Fuzz(func(t *testing.T, text string) {
		if expanded, err := Expand([]byte(text)); err == nil {
			text = string(expanded)
		}
		file, err := yamledit.Parse([]byte(text))
		if err != nil {
			return
		}
		for _, d := range file.Documents() {
			switch Kind(d) {
			case SecretKind:
				before := d.Text()
				secret, readErr := ReadSecret(d)
				comments, told := d.Comments()
				remarks, err := s.Seal(d, Scope{})
				if err != nil {
					if d.Text() != before {
						t.Errorf("%q became %q, with %v", before, d.Text(), err)
					}
					continue
				}
				sealed, err := Read(d)
				if err != nil || readErr != nil || Recorded(sealed) != Intact {
					t.Fatalf("%q became %q: %v, %v", before, d.Text(), err, readErr)
				}
				target, err := TargetOf(sealed, "payments")
				if err != nil {
					t.Fatalf("%q became %q: %v", before, d.Text(), err)
				}
				values, err := Items(sealed, target, keys)
				if err != nil {
					t.Fatalf("%q became %q: %v", before, d.Text(), err)
				}
				if after, ok := d.Comments(); told && len(after) != len(comments) && !slices.Contains(remarks, RemarkComment) && !slices.Contains(remarks, RemarkUncertain) {
					t.Errorf("%q: comments %q are %q, %v, in %q, and nobody says so", before, comments, after, ok, d.Text())
				}
				public, err := yaml.Marshal(manifest(sealed))
				if err != nil {
					t.Fatal(err)
				}
				for key, value := range values {
					if text := strings.TrimSpace(string(value)); len(text) >= 5 && !strings.Contains(string(public), text) && strings.Contains(d.Text(), text) {
						t.Errorf("%q: the value of %s is in %q", before, key, d.Text())
					}
				}
				for key, value := range secret.StringData {
					if string(values[key]) != value {
						t.Errorf("%q: %s is %q", before, key, values[key])
					}
				}
			case SealedSecretKind:
				before := d.Text()
				if _, err := s.Reseal(d, keys); err != nil && d.Text() != before {
					t.Errorf("%q became %q, with %v", before, d.Text(), err)
				}
			}
		}
	})
}
