package sealcheck

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/gitops-drift/gitops-drift/pkg/seal"
)

const apps = "namespace: payments\nresources: [db.yaml]\n"

func TestWhatTheFileOfASealedSecretTells(t *testing.T) {
	item := regexp.MustCompile(`password: \S+`)
	for name, test := range map[string]struct {
		file string
		text func(t *testing.T) string
		want []string // file, line, kind, object and the beginning of the message
	}{
		"sealed with the shared key": {text: func(t *testing.T) string { return sealed(t, "shared", db) }},
		"sealed with a retired key":  {text: func(t *testing.T) string { return sealed(t, "old", db) }},
		"namespace-wide": {text: func(t *testing.T) string {
			return sealed(t, "shared", seal.Target{Namespace: "payments", Name: "db", Scope: seal.NamespaceWide})
		}},
		"the folder's own key": {file: "dev/db.yaml", text: func(t *testing.T) string { return sealed(t, "dev", db) }},
		"sealed with the key of one cluster": {text: func(t *testing.T) string { return sealed(t, "own", db) },
			want: []string{"db.yaml:7 UnpinnedKey SealedSecret payments/db: it was sealed with " + fingerprint("own") + ", which .gitops-seal.yaml does not pin"}},
		"another folder's key": {text: func(t *testing.T) string { return sealed(t, "dev", db) },
			want: []string{`db.yaml:7 WrongKey SealedSecret payments/db: it was sealed with certificate "dev", and its folder is to be sealed with "shared"`}},
		"not the folder's key": {file: "dev/db.yaml", text: func(t *testing.T) string { return sealed(t, "shared", db) },
			want: []string{`dev/db.yaml:7 WrongKey SealedSecret payments/db: it was sealed with certificate "shared", and dev is to be sealed with "dev"`}},
		"sealed by kubeseal": {text: func(t *testing.T) string { return without(sealed(t, "shared", db), "seal.gitops-drift.dev") },
			want: []string{"db.yaml:4 UnknownKey SealedSecret payments/db: it does not say which key it was sealed with"}},
		"sealed by kubeseal with a key of another size": {text: func(t *testing.T) string { return without(sealed(t, "large", db), "seal.gitops-drift.dev") },
			want: []string{
				"db.yaml:4 UnknownKey SealedSecret payments/db: it does not say",
				"db.yaml:9 WrongKey SealedSecret payments/db [password]: cannot have been sealed with " + fingerprint("shared") + " of 2048 bits: its key has 4096 bits",
				"db.yaml:10 WrongKey SealedSecret payments/db [user]: cannot have been sealed with",
			}},
		"an annotation that lies": {text: func(t *testing.T) string {
			return strings.ReplaceAll(sealed(t, "large", db), fingerprint("large"), fingerprint("shared"))
		},
			want: []string{
				"db.yaml:11 WrongKey SealedSecret payments/db [password]: cannot have been sealed with",
				"db.yaml:12 WrongKey SealedSecret payments/db [user]: cannot have been sealed with",
			}},
		"an item of another Secret": {text: func(t *testing.T) string {
			return item.ReplaceAllString(sealed(t, "shared", db), item.FindString(sealed(t, "shared", db)))
		},
			want: []string{"db.yaml:8 Edited SealedSecret payments/db: it was changed since"}},
		"another name": {text: func(t *testing.T) string {
			return strings.ReplaceAll(sealed(t, "shared", db), "name: db\n", "name: database\n")
		},
			want: []string{"db.yaml:8 Edited SealedSecret payments/database: it was changed since"}},
		"a wider scope": {text: func(t *testing.T) string {
			return strings.Replace(sealed(t, "shared", db), "annotations:\n", "annotations:\n    sealedsecrets.bitnami.com/cluster-wide: \"true\"\n", 1)
		},
			want: []string{"db.yaml:9 Edited SealedSecret payments/db: it was changed since"}},
		"an item cut short": {text: func(t *testing.T) string {
			text := without(sealed(t, "shared", db), "digest")
			return item.ReplaceAllString(text, item.FindString(text)[:200])
		},
			want: []string{"db.yaml:10 Edited SealedSecret payments/db [password]: is"}},
		"a value in place of an item": {text: func(t *testing.T) string {
			return item.ReplaceAllString(without(sealed(t, "shared", db), "digest"), "password: hunter2!")
		},
			want: []string{"db.yaml:10 Edited SealedSecret payments/db [password]: is no base64"}},
		"a number in place of an item": {text: func(t *testing.T) string {
			return item.ReplaceAllString(without(sealed(t, "shared", db), "digest"), "password: 12345")
		},
			want: []string{"db.yaml:10 Edited SealedSecret payments/db [password]: is no text, so the controller drops it"}},
		"the deprecated form": {text: func(*testing.T) string {
			return "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {name: db, namespace: payments}\nspec: {data: AgAX}\n"
		},
			want: []string{"db.yaml:4 Edited SealedSecret payments/db: it is in the deprecated form"}},
		"the name changed by hand": {text: func(t *testing.T) string {
			return strings.Replace(sealed(t, "shared", db), "name: db", "name: database", 1)
		},
			want: []string{
				"db.yaml:4 Renamed SealedSecret payments/database: it seems to be sealed for payments/db (strict), as its template says, and is payments/database (strict)",
				"db.yaml:8 Edited SealedSecret payments/database: it was changed since",
			}},
		"the namespace changed by hand": {text: func(t *testing.T) string {
			return strings.Replace(sealed(t, "shared", db), "namespace: payments", "namespace: shop", 1)
		},
			want: []string{"db.yaml:4 Renamed SealedSecret payments/db: it seems to be sealed for payments/db (strict)", "db.yaml:8 Edited SealedSecret payments/db: it was changed since"}},
		"JSON": {file: "db.json", text: func(*testing.T) string {
			return `{"apiVersion": "bitnami.com/v1alpha1", "kind": "SealedSecret", "metadata": {"name": "db", "namespace": "payments"}, "spec": {"encryptedData": {"password": "AgAX"}}}`
		},
			want: []string{
				"db.json:1 UnknownKey SealedSecret payments/db: ",
				"db.json:1 Edited SealedSecret payments/db [password]: is cut short",
			}},
		"in a list": {text: func(t *testing.T) string {
			return "apiVersion: v1\nkind: List\nitems:\n- " + strings.ReplaceAll(strings.TrimSpace(sealed(t, "own", db)), "\n", "\n  ") + "\n"
		},
			want: []string{"db.yaml:10 UnpinnedKey SealedSecret payments/db"}},
		"behind another document": {text: func(t *testing.T) string {
			return "# first\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n---\n" + sealed(t, "own", db)
		},
			want: []string{"db.yaml:12 UnpinnedKey SealedSecret payments/db"}},
		"no YAML": {text: func(*testing.T) string { return "kind: SealedSecret\nmetadata: [\n" },
			want: []string{"error db.yaml:"}},
	} {
		t.Run(name, func(t *testing.T) {
			if test.file == "" {
				test.file = "db.yaml"
			}
			r := newTree(t)
			r.write(test.file, test.text(t))
			expect(t, r.check(), test.want)
		})
	}
}

func without(text, part string) string {
	var out []string
	for _, line := range strings.Split(text, "\n") {
		if !strings.Contains(line, part) {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

func expect(t *testing.T, report *Report, want []string) {
	t.Helper()
	got := lines(report)
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(want):
			t.Errorf("not wanted: %s", got[i])
		case i >= len(got):
			t.Errorf("missing: %s", want[i])
		case !strings.HasPrefix(got[i], want[i]):
			t.Errorf("got  %s\nwant %s", got[i], want[i])
		}
	}
}

func TestSealedSecretsAreJudgedAsFluxAppliesThem(t *testing.T) {
	namespaceWide := seal.Target{Namespace: "payments", Name: "db", Scope: seal.NamespaceWide}
	inBase := func(t *testing.T) string { return without(sealed(t, "shared", db), "  namespace: payments\n") }
	const suffix = "db.yaml:4 Renamed SealedSecret payments/db: it is sealed for payments/db (strict), and Kustomization flux-system/apps (clusters/prod/apps.yaml:1) applies it as "
	for name, test := range map[string]struct {
		files map[string]string
		spec  string
		text  func(t *testing.T) string
		want  string
	}{
		"as they are":            {files: map[string]string{"apps/kustomization.yaml": "resources: [db.yaml]\n"}},
		"without kustomize":      {},
		"in the namespace":       {files: map[string]string{"apps/kustomization.yaml": apps}, text: inBase},
		"namePrefix":             {files: map[string]string{"apps/kustomization.yaml": apps + "namePrefix: eu-\n"}, want: "payments/eu-db (strict)"},
		"nameSuffix, namespaced": {files: map[string]string{"apps/kustomization.yaml": apps + "nameSuffix: -v2\n"}, text: func(t *testing.T) string { return sealed(t, "shared", namespaceWide) }},
		"another namespace":      {files: map[string]string{"apps/kustomization.yaml": "namespace: shop\nresources: [db.yaml]\n"}, want: "shop/db (strict)"},
		"namespace of Flux":      {spec: "targetNamespace: shop", want: "shop/db (strict)"},
		"Flux before kustomize":  {files: map[string]string{"apps/kustomization.yaml": "namespace: shop\nresources: [db.yaml]\n"}, spec: "targetNamespace: payments"},
		"prefix of Flux":         {spec: "namePrefix: eu-", want: "payments/eu-db (strict)"},
		"patch of the name": {spec: "patches:\n- target: {kind: SealedSecret}\n  patch: |\n    - {op: replace, path: /metadata/name, value: other}",
			want: "payments/other (strict)"},
		"patch of something else": {spec: "patches:\n- target: {kind: Deployment}\n  patch: |\n    - {op: replace, path: /metadata/name, value: other}"},
		"scope by an annotation": {files: map[string]string{"apps/kustomization.yaml": apps + "commonAnnotations: {sealedsecrets.bitnami.com/cluster-wide: \"true\"}\n"},
			want: "payments/db (cluster-wide)"},
		"from a base": {files: map[string]string{"apps/kustomization.yaml": "namespace: shop\nresources: [base]\n", "apps/base/kustomization.yaml": "namespace: payments\nresources: [../db.yaml]\n"},
			want: "shop/db (strict)"},
		"variables that the repository has": {files: map[string]string{"vars.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: vars, namespace: flux-system}\ndata: {team: payments}\n",
			"apps/kustomization.yaml": "namespace: ${team}\nresources: [db.yaml]\n"},
			spec: "postBuild: {substituteFrom: [{kind: ConfigMap, name: vars}]}"},
		"variables that do not matter": {files: map[string]string{"apps/kustomization.yaml": apps, "apps/other.yaml": "x"},
			spec: "postBuild: {substituteFrom: [{kind: Secret, name: vars}]}"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTree(t)
			for file, text := range test.files {
				r.write(file, text)
			}
			text := sealed(t, "shared", db)
			if test.text != nil {
				text = test.text(t)
			}
			r.write("apps/db.yaml", text)
			r.write("clusters/prod/apps.yaml", kustomization("apps", "./apps", test.spec))
			var want []string
			if test.want != "" {
				want = []string{"apps/" + suffix + test.want}
			}
			report := r.check()
			expect(t, report, want)
			if report.Sealed != 1 || report.Kustomizations != 1 {
				t.Errorf("%d SealedSecrets of %d Kustomizations, want one of one", report.Sealed, report.Kustomizations)
			}
		})
	}
}

func TestWhatCannotBeToldIsSaid(t *testing.T) {
	for name, test := range map[string]struct{ kustomization, spec, want string }{
		"a name of a variable": {"namespace: ${team}\nresources: [db.yaml]\n", "postBuild: {substituteFrom: [{kind: Secret, name: vars}]}",
			"has variables that the repository does not know"},
		"a remote base": {"namePrefix: x-\nresources: [db.yaml, 'https://git.contoso.example/base']\n", "", "cannot be built"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTree(t)
			r.write("apps/db.yaml", sealed(t, "shared", db))
			r.write("apps/kustomization.yaml", test.kustomization)
			r.write("clusters/prod/apps.yaml", kustomization("apps", "./apps", test.spec))
			got := strings.Join(lines(r.check()), "\n")
			if !strings.HasPrefix(got, "error clusters/prod/apps.yaml:1: Kustomization flux-system/apps: ") || !strings.Contains(got, test.want) {
				t.Errorf("got %s", got)
			}
			if strings.Contains(got, os.TempDir()+"/gitops-drift") {
				t.Errorf("names a folder that is gone: %s", got)
			}
		})
	}
}

func TestKustomizationsCountAsOthersApplyThem(t *testing.T) {
	r := newTree(t)
	r.write("apps/db.yaml", sealed(t, "shared", db))
	// One manifest for all clusters, whose namespace each cluster patches.
	r.write("clusters/base/apps.yaml", kustomization("apps", "./apps", ""))
	r.write("clusters/base/kustomization.yaml", "resources: [apps.yaml]\n")
	for _, cluster := range []string{"prod", "stage"} {
		r.write("clusters/"+cluster+"/kustomization.yaml", "resources: [../base]\npatches:\n- target: {kind: Kustomization}\n  patch: |\n    - {op: add, path: /spec/targetNamespace, value: "+
			map[string]string{"prod": "payments", "stage": "staging"}[cluster]+"}\n")
		r.write("flux/"+cluster+".yaml", kustomization(cluster, "./clusters/"+cluster, ""))
	}
	expect(t, r.check(), []string{"apps/db.yaml:4 Renamed SealedSecret payments/db: it is sealed for payments/db (strict), and Kustomization flux-system/apps (clusters/base/apps.yaml:1) applies it as staging/db (strict)"})
}

func TestItemsOfPatchesKeepTheirFiles(t *testing.T) {
	r := newTree(t)
	r.write("base/db.yaml", sealed(t, "shared", db))
	r.write("base/kustomization.yaml", "resources: [db.yaml]\n")
	patch := regexp.MustCompile(`(?m)^    user: .*\n`).ReplaceAllString(without(sealed(t, "own", db), "digest"), "")
	r.write("prod/db.yaml", patch)
	r.write("prod/kustomization.yaml", "namePrefix: eu-\nresources: [../base]\npatches: [{path: db.yaml}]\n")
	r.write("clusters/prod/apps.yaml", kustomization("apps", "./prod", ""))
	expect(t, r.check(), []string{
		"base/db.yaml:4 Renamed SealedSecret payments/db: it is sealed for payments/db (strict), and Kustomization flux-system/apps",
		"prod/db.yaml:4 Renamed SealedSecret payments/db: it is sealed for payments/db (strict), and Kustomization flux-system/apps",
		"prod/db.yaml:7 UnpinnedKey SealedSecret payments/db",
	})
}

func TestFluxHasToNotice(t *testing.T) {
	r := newTree(t)
	r.write("apps/db.yaml", sealed(t, "shared", db))
	r.write("other/config.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: x}\n")
	r.write("clusters/prod/all.yaml", strings.Replace(kustomization("other", "./other", ""), "wait: true", "wait: false", 1)+"---\n"+
		strings.Replace(kustomization("apps", "./apps", ""), "wait: true", "wait: false", 1))
	expect(t, r.check(), []string{"clusters/prod/all.yaml:19 Unnoticed Kustomization flux-system/apps: Flux does not notice if its SealedSecrets do not open: it checks no health: spec.wait is not true"})
}

func TestPlainSecretsAreFoundAndNotQuoted(t *testing.T) {
	const canary = "Tr0ub4dor&3"
	r := newTree(t)
	for file, text := range map[string]string{
		"plain.yaml":     "apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: payments}\nstringData:\n  password: " + canary + "\n  empty: ''\n  later: ${PASSWORD}\ndata:\n  token: VHIwdWI0ZG9yJjM=\n",
		"sops.yaml":      "apiVersion: v1\nkind: Secret\nmetadata: {name: sops}\nstringData:\n  password: ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]\nsops: {mac: x}\n",
		"halfsops.yaml":  "apiVersion: v1\nkind: Secret\nmetadata: {name: half}\nstringData:\n  password: ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]\n  extra: " + canary + "\nsops: {mac: x}\n",
		"list.yaml":      "apiVersion: v1\nkind: SecretList\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: one}\n  stringData: {password: " + canary + "}\n",
		"inline.json":    `{"kind":"Secret","apiVersion":"v1","metadata":{"name":"json"},"stringData":{"password":"` + canary + `"}}`,
		"reference.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {volumes: [{name: x, secret: {secretName: db}}]}\n",
		"quoted.yaml":    "apiVersion: v1\n'kind': \"Secret\"\nmetadata: {name: quoted}\nstringData:\n  \"password\": " + canary + "\n",
		"generated/kustomization.yaml": "secretGenerator:\n- name: db\n  literals:\n  - password=" + canary + "\n  - later=${PASSWORD}\n  envs: [db.env, sops.env]\n" +
			"  files: [cert.pem, key=sops.env, missing.pem]\n",
		"generated/maker.yaml":     "kind: ConfigMap\n---\napiVersion: builtin\nkind: SecretGenerator\nmetadata: {name: made}\nliterals:\n- password=" + canary + "\nenvs: [db.env]\n",
		"generated/db.env":         "password=" + canary + "\n",
		"generated/sops.env":       "password=ENC[AES256_GCM,data:x]\nsops_mac=ENC[AES256_GCM,x]\n",
		"generated/cert.pem":       canary,
		"chart/Chart.yaml":         "name: x\n",
		"chart/templates/all.yaml": "kind: Secret\nmetadata:\n  {{ include \"x\" . }}\n",
		"annotated.yaml": strings.Replace(sealed(t, "shared", db), "  annotations:\n",
			"  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: '{\"kind\":\"Secret\",\"stringData\":{\"password\":\""+canary+"\"}}'\n", 1),
	} {
		r.write(file, text)
	}
	report := r.check()
	expect(t, report, []string{
		"annotated.yaml:3 Plaintext SealedSecret payments/db: the annotation kubectl.kubernetes.io/last-applied-configuration in its metadata quotes",
		"generated/kustomization.yaml:4 Plaintext secretGenerator db [password]: is in plain text",
		"generated/kustomization.yaml:6 Plaintext secretGenerator db: is in plain text in generated/db.env",
		"generated/kustomization.yaml:7 Plaintext secretGenerator db: is in plain text in generated/cert.pem",
		"generated/maker.yaml:7 Plaintext secretGenerator made [password]: is in plain text",
		"generated/maker.yaml:8 Plaintext secretGenerator made: is in plain text in generated/db.env",
		"halfsops.yaml:6 Plaintext Secret half [extra]: is in plain text",
		"inline.json:1 Plaintext Secret json [password]",
		"list.yaml:7 Plaintext Secret one [password]",
		"plain.yaml:5 Plaintext Secret payments/db [password]: is in plain text",
		"plain.yaml:9 Plaintext Secret payments/db [token]: is in plain text",
		"quoted.yaml:5 Plaintext Secret quoted [password]",
	})
	if all := fmt.Sprintf("%+v", report); strings.Contains(all, canary) || strings.Contains(all, "VHIwdWI0ZG9yJjM") {
		t.Errorf("a value is told: %s", all)
	}
}

func TestOnlyWhatIsAskedForIsTold(t *testing.T) {
	r := newTree(t)
	r.write("a/db.yaml", sealed(t, "own", db))
	r.write("ab/db.yaml", sealed(t, "own", db))
	for paths, want := range map[string]int{"": 2, "a": 1, "a/db.yaml": 1, "a ab/db.yaml": 2, ".": 2, "b": 0} {
		report := r.check(strings.Fields(paths)...)
		if len(report.Findings) != want || report.Sealed != want {
			t.Errorf("of %q %d findings of %d SealedSecrets, want %d", paths, len(report.Findings), report.Sealed, want)
		}
	}
}

func TestWhatGitIgnoresIsNotInTheRepository(t *testing.T) {
	r := newTree(t)
	r.write(".gitignore", "*.local.yaml\n")
	r.write("db.local.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData: {a: b}\n")
	r.write("deleted.yaml", sealed(t, "own", db))
	r.write("new.yaml", sealed(t, "own", db))
	for _, args := range [][]string{{"init", "-q"}, {"add", "deleted.yaml", sealedConfig}} {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = r.root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v: %s", args[0], err, out)
		}
	}
	if err := os.Remove(filepath.Join(r.root, "deleted.yaml")); err != nil {
		t.Fatal(err)
	}
	expect(t, r.check(), []string{"new.yaml:7 UnpinnedKey"})
}

const sealedConfig = ".gitops-seal.yaml"
