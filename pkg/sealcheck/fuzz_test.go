package sealcheck

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitops-drift/gitops-drift/pkg/sealconfig"
	"github.com/gitops-drift/gitops-drift/pkg/sealkey"
)

// FuzzCheck judges whatever stands in a file: there may be errors, and no panic.
func FuzzCheck(f *testing.F) {
	tree := newTree(f)
	config, err := sealconfig.Load(filepath.Join(tree.root, sealconfig.FileName))
	if err != nil {
		f.Fatal(err)
	}
	text := sealed(f, "shared", db)
	for _, seed := range []string{
		text, "# x\n---\n" + text, "apiVersion: v1\nkind: List\nitems:\n- " + strings.ReplaceAll(text, "\n", "\n  "),
		"apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {a: b, c: ${D}, e: 1}\n",
		"apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nspec: {encryptedData: {a: 1, b: null, c: AgA=}}\n",
		kustomization("apps", "./apps", ""), "kind: Secret\n<<: &a [*a]\n", `{"kind":"SealedSecret","apiVersion":"bitnami.com/v1alpha1","spec":{"data":"AgA="}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := &Repository{root: tree.root, texts: map[string][]byte{}, kustomizations: map[string]string{}, others: map[schema.GroupKind][]*document{}}
		for _, part := range parts([]byte(text)) {
			r.document("fuzz.yaml", part)
		}
		report := &Report{}
		j := &judge{config: config, keys: map[string]*sealkey.Certificate{}, report: report}
		for _, s := range r.Sealed {
			choice, err := config.For(filepath.Join(config.Root(), "fuzz.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			j.sealed(s, choice)
			j.renamed(s, choice)
		}
		for _, secret := range r.secrets {
			r.plaintext(secret, report)
		}
		for _, finding := range report.Findings {
			if finding.Line < 1 || finding.Line > strings.Count(text, "\n")+1+strings.Count(text, "\r") {
				t.Errorf("line %d of %d: %+v", finding.Line, strings.Count(text, "\n")+1, finding)
			}
		}
	})
}

func TestNoValueOfASecretIsInTheCopyThatIsBuilt(t *testing.T) {
	const canary = "Tr0ub4dor&3"
	r := newTree(t)
	r.write("apps/db.yaml", sealed(t, "shared", db))
	r.write("apps/plain.yaml", "# "+canary+"\napiVersion: v1\nkind: Secret\nmetadata: {name: plain, namespace: payments}\nstringData:\n  password: "+canary+"\n")
	r.write("apps/kustomization.yaml", "namePrefix: eu-\nresources: [db.yaml, plain.yaml]\n")
	r.write("clusters/prod/apps.yaml", kustomization("apps", "./apps", ""))
	repository, err := Read(t.Context(), r.root, WorkingTree(r.root))
	if err != nil {
		t.Fatal(err)
	}
	w := &renderer{Repository: repository, dir: t.TempDir(), origins: map[string]origin{}}
	if err := w.copy(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(w.dir, "apps", "plain.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), canary) || !strings.Contains(string(text), `"name":"plain"`) {
		t.Errorf("got %s", text)
	}
	// It is built all the same.
	if got := lines(r.check()); len(got) != 2 || !strings.Contains(got[0], "applies it as payments/eu-db") || !strings.Contains(got[1], "[password]: is in plain text") {
		t.Errorf("got %s", strings.Join(got, "\n"))
	}
}
