package sealcheck

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// secretive are files in which values of Secrets stand in every way that a build reads, and that must not be in its copy.
func secretive(canary, encoded string) map[string]string {
	return map[string]string{
		"apps/kustomization.yaml": `namePrefix: eu-
resources: [db.yaml, plain.yaml, list.yaml]
secretGenerator: # of values
- name: literals
  literals: [password=` + canary + `, "quoted=` + canary + `"]
- {name: files, files: [cert.pem, key=other.pem], envs: [db.env]}
generators: [generator.yaml, maker.yaml]
transformers: [transformer.yaml]
patches:
- target: {kind: Secret, name: plain}
  patch: |
    - {op: add, path: /stringData/a, value: ` + canary + `}
    - {op: add, path: /data, value: {b: ` + encoded + `}}
- patch: |
    apiVersion: v1
    kind: Secret
    metadata: {name: plain}
    stringData: {c: ` + canary + `}
- path: patch.yaml
  target: {kind: Secret, name: plain}
- path: merge.yaml
`,
		"apps/plain.yaml":       "apiVersion: v1\nkind: Secret\nmetadata: {name: plain}\nstringData:\n  password: " + canary + "\ndata:\n  token: " + encoded + "\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: kept}\n",
		"apps/list.yaml":        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: listed}\n  stringData: &x\n    password: " + canary + "\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: other}\n  stringData: {<<: *x, two: " + canary + "}\n",
		"apps/cert.pem":         canary,
		"apps/other.pem":        canary,
		"apps/db.env":           "password=" + canary + "\n",
		"apps/patch.yaml":       "- op: add\n  path: /stringData\n  value:\n    password: " + canary + "\n",
		"apps/merge.yaml":       "apiVersion: v1\nkind: Secret\nmetadata: {name: plain}\nstringData: {d: " + canary + "}\n",
		"apps/generator.yaml":   "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: generated}\nfiles: [page.html]\n",
		"apps/maker.yaml":       "apiVersion: builtin\nkind: SecretGenerator\nmetadata: {name: made}\nliterals: [password=" + canary + "]\nenvs: [made.env]\n",
		"apps/made.env":         "password=" + canary + "\n",
		"apps/transformer.yaml": "apiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: transformed}\npath: third.txt\ntarget: {kind: ConfigMap}\n",
		"apps/page.html":        "<p>",
		"apps/third.txt":        "- {op: add, path: /metadata/labels, value: {a: b}}\n",
		"apps/unread.bin":       canary,
	}
}

func TestBuildsGetNoValueOfASecret(t *testing.T) {
	const canary, encoded = "Tr0ub4dor&3", "VHIwdWI0ZG9yJjM="
	r := newTree(t)
	for file, text := range secretive(canary, encoded) {
		r.write(file, text)
	}
	r.write("apps/db.yaml", sealed(t, "shared", db))
	r.write("clusters/prod/apps.yaml", kustomization("apps", "./apps", "patches:\n- patch: |\n    apiVersion: v1\n    kind: Secret\n    metadata: {name: plain}\n    stringData: {e: "+canary+"}\n  target: {kind: Secret, name: plain}"))
	repository, err := Read(t.Context(), r.root, WorkingTree(r.root))
	if err != nil {
		t.Fatal(err)
	}
	w := &renderer{Repository: repository, dir: t.TempDir(), origins: map[string]origin{}}
	if err := w.copy(t.Context()); err != nil {
		t.Fatal(err)
	}
	copied := 0
	if err := filepath.WalkDir(w.dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		copied++
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), canary) || strings.Contains(string(text), encoded[:12]) {
			t.Errorf("%s has a value:\n%s", path, text)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if copied < 14 {
		t.Errorf("only %d files are copied", copied)
	}
	// What is built of it is what counts: the name.
	report := r.check()
	got := strings.Join(lines(report), "\n")
	if !strings.Contains(got, "apps/db.yaml:4 Renamed SealedSecret payments/db: it is sealed for payments/db (strict), and Kustomization flux-system/apps (clusters/prod/apps.yaml:1) applies it as payments/eu-db (strict)") ||
		len(report.Errors) > 0 || strings.Contains(got, canary) {
		t.Errorf("got %s", got)
	}
}
