package sealdoc

import (
	"testing"

	"github.com/gitops-drift/gitops-drift/pkg/yamledit"
)

func FuzzManifest(f *testing.F) {
	const head = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  labels: {a: b}\n"
	for _, text := range []string{
		head + "stringData:\n  a: swordfish # swordfish\n  b: |\n    x\n", head + "data:\n  a: YWRtaW4=\ntype: Opaque\n",
		"# c\n---\n" + head + "stringData: {a: swordfish}\n", `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db"},"stringData":{"a":"swordfish"}}`,
		"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: x}\n  data: {a: AA==}\n",
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
				_, err := s.Seal(d, Scope{})
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
