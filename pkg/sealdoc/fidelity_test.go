package sealdoc

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gitops-drift/gitops-drift/pkg/seal"
	"github.com/gitops-drift/gitops-drift/pkg/yamledit"
)

// Files of testdata hold ITEM in place of what is sealed, because that differs each time; what is sealed there is the item's
// key. The file NAME.CHANGE.yaml is what CHANGE makes of NAME.yaml.
func TestOfAFileOnlyTheLinesThatMustChangeDo(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files, %v", err)
	}
	changes := map[string]func(d *yamledit.Document) error{
		"reseal": func(d *yamledit.Document) error {
			_, err := (&Sealer{Certificate: pairs[1].Certificate, Namespace: "payments"}).Reseal(d, ring(t, pairs[0]))
			return err
		},
		"set": func(d *yamledit.Document) error {
			s := &Sealer{Certificate: pairs[0].Certificate, Namespace: "payments"}
			if _, err := s.Set(d, "first", []byte("first")); err != nil {
				return err
			}
			_, err := s.Set(d, "added", []byte("added"))
			return err
		},
		"unset": func(d *yamledit.Document) error {
			_, err := (&Sealer{Certificate: pairs[0].Certificate, Namespace: "payments"}).Unset(d, "first")
			return err
		},
	}
	tried := 0
	for _, path := range files {
		name := strings.TrimSuffix(filepath.Base(path), ".yaml")
		if strings.Contains(name, ".") {
			continue
		}
		for change, apply := range changes {
			golden, err := os.ReadFile(filepath.Join("testdata", name+"."+change+".yaml"))
			if err != nil {
				t.Fatal(err)
			}
			tried++
			t.Run(name+"/"+change, func(t *testing.T) {
				f := fileOf(t, filled(t, path))
				for _, d := range f.Documents() {
					if Kind(d) != SealedSecretKind {
						continue
					}
					if err := apply(d); err != nil {
						t.Fatal(err)
					}
					sealed := mustRead(t, d)
					target, err := TargetOf(sealed, "payments")
					if err != nil {
						t.Fatal(err)
					}
					values, err := Items(sealed, target, ring(t, pairs[:]...))
					if err != nil {
						t.Fatal(err)
					}
					for key, value := range values {
						if string(value) != key {
							t.Errorf("item %s is %q", key, value)
						}
					}
				}
				got := strings.ReplaceAll(normal(string(f.Bytes())), "SEALED", "ITEM")
				if got != string(golden) {
					t.Errorf("got\n%s\nwant\n%s", visible(got), visible(string(golden)))
				}
			})
		}
	}
	if tried < 6 {
		t.Errorf("only %d changes were tried", tried)
	}
}

var placeholder = regexp.MustCompile(`(?m)^( *"?([a-z]+)"?:[^\n]*?(?:\n *)?|.*[{ ]([a-z]+): "?)ITEM`)

// filled is a file of testdata with items in the places for them.
func filled(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := string(text)
	for {
		at := placeholder.FindStringSubmatchIndex(out)
		if at == nil {
			return out
		}
		key := ""
		for _, group := range []int{2, 3} {
			if at[2*group] >= 0 {
				key = out[at[2*group]:at[2*group+1]]
			}
		}
		item, err := seal.Item(&pairs[0].Key.PublicKey, seal.Target{Namespace: "payments", Name: "db"}, []byte(key))
		if err != nil {
			t.Fatal(err)
		}
		out = out[:at[1]-len("ITEM")] + item + out[at[1]:]
	}
}

func visible(s string) string { return strings.ReplaceAll(s, "\r", "␍") }

// Files of testdata/secret hold Secrets db of namespace payments; NAME.sealed.yaml is what sealing makes of NAME.yaml. No comment
// is lost, and no other line changes than those that must.
func TestSealingKeepsAllThatIsNoValue(t *testing.T) {
	files, err := filepath.Glob("testdata/secret/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files, %v", err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, ".sealed.yaml") {
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			f := fileOf(t, string(text))
			for _, d := range f.Documents() {
				if Kind(d) != SecretKind {
					continue
				}
				comments := commentsOf(t, d)
				secret, err := ReadSecret(d)
				if err != nil {
					t.Fatal(err)
				}
				remarks, err := (&Sealer{Certificate: pairs[0].Certificate}).Seal(d, Scope{})
				if err != nil {
					t.Fatal(err)
				}
				if slices.Contains(remarks, RemarkUncertain) {
					t.Errorf("remarks %q", remarks)
				}
				if got := commentsOf(t, d); !slices.Equal(got, comments) {
					t.Errorf("its comments were\n%q, and are\n%q", comments, got)
				}
				values := unsealed(t, d, ring(t, pairs[0]))
				for key, value := range secret.StringData {
					if values[key] != value {
						t.Errorf("item %s is another value", key)
					}
				}
				for key, value := range secret.Data {
					if _, both := secret.StringData[key]; !both && values[key] != string(value) {
						t.Errorf("item %s is another value", key)
					}
				}
			}
			got := normal(string(f.Bytes()))
			golden := strings.TrimSuffix(path, ".yaml") + ".sealed.yaml"
			if os.Getenv("GOLDEN") != "" {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", visible(got), visible(string(want)))
			}
			if strings.Contains(got, "swordfish") {
				t.Error("a value is still there")
			}
		})
	}
}

// commentsOf are the comments of a document, sorted.
func commentsOf(t *testing.T, d *yamledit.Document) []string {
	t.Helper()
	comments, ok := d.Comments()
	if !ok {
		t.Fatalf("the comments cannot be told in\n%s", d.Text())
	}
	return slices.Sorted(slices.Values(comments))
}
