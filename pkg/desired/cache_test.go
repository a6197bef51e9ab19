package desired

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// plain builds a ConfigMap whose level is a variable.
func plain(t *testing.T) folder {
	t.Helper()
	return folder{dir: t.TempDir(), files: map[string]string{"app/config.yaml": `apiVersion: v1
kind: ConfigMap
metadata:
  name: app
  namespace: shop
data:
  level: ${LEVEL:=info}
`}}
}

func TestAKeptStateIsTheOneThatWasBuilt(t *testing.T) {
	ownTemp(t)
	fetcher := &counted{Fetcher: plain(t)}
	c := newClient(t, source(revision))
	ks := kustomization("app", nil)
	cache := &Cache{Dir: filepath.Join(t.TempDir(), "gitops-drift"), Program: "1"}
	builder := NewBuilder(c, fetcher).WithCache(cache)
	built, err := builder.Build(t.Context(), ks)
	if err != nil {
		t.Fatal(err)
	}
	sharing, done := builder.Sharing()
	kept, err := sharing.Build(t.Context(), ks)
	if err := errors.Join(err, done()); err != nil {
		t.Fatal(err)
	}
	if n := fetcher.calls.Load(); n != 1 {
		t.Errorf("the artifact was fetched %d times", n)
	}
	if kept.Digest != built.Digest || kept.Revision != built.Revision || kept.Owner != built.Owner || len(kept.Objects) != 1 ||
		!equality.Semantic.DeepEqual(kept.Objects[0], built.Objects[0]) {
		t.Errorf("kept %+v, built %+v", kept, built)
	}
	if got := kept.Fields(kept.Objects[0]).Declared(); got.File != "app/config.yaml" || got.Line != 1 {
		t.Errorf("it is declared in %v", got)
	}
}

func TestAStateIsBuiltAgainIfWhatItIsBuiltFromHasChanged(t *testing.T) {
	variables := func(level string) *corev1.ConfigMap {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "flux-system", Name: "variables"}, Data: map[string]string{"LEVEL": level}}
	}
	ks := func(change func(*kustomizev1.Kustomization)) *kustomizev1.Kustomization {
		return kustomization("app", func(ks *kustomizev1.Kustomization) {
			ks.Spec.PostBuild = &kustomizev1.PostBuild{SubstituteFrom: []kustomizev1.SubstituteReference{{Kind: "ConfigMap", Name: "variables"}}}
			if change != nil {
				change(ks)
			}
		})
	}
	for name, test := range map[string]struct {
		objects []client.Object
		program string
		ks      *kustomizev1.Kustomization
		again   bool
	}{
		"nothing":          {[]client.Object{source(revision), variables("warn")}, "1", ks(nil), false},
		"a variable":       {[]client.Object{source(revision), variables("debug")}, "1", ks(nil), true},
		"the program":      {[]client.Object{source(revision), variables("warn")}, "2", ks(nil), true},
		"the spec":         {[]client.Object{source(revision), variables("warn")}, "1", ks(func(ks *kustomizev1.Kustomization) { ks.Spec.NamePrefix = "x-" }), true},
		"the owner's name": {[]client.Object{source(revision), variables("warn")}, "1", ks(func(ks *kustomizev1.Kustomization) { ks.Name = "other" }), true},
		"the revision": {[]client.Object{source("main@sha1:b"), variables("warn")}, "1",
			ks(func(ks *kustomizev1.Kustomization) { ks.Status.LastAppliedRevision = "main@sha1:b" }), true},
	} {
		t.Run(name, func(t *testing.T) {
			ownTemp(t)
			fetcher, dir := &counted{Fetcher: plain(t)}, t.TempDir()
			first := NewBuilder(newClient(t, source(revision), variables("warn")), fetcher).WithCache(&Cache{Dir: dir, Program: "1"})
			if _, err := first.Build(t.Context(), ks(nil)); err != nil {
				t.Fatal(err)
			}
			if _, err := NewBuilder(newClient(t, test.objects...), fetcher).WithCache(&Cache{Dir: dir, Program: test.program}).Build(t.Context(), test.ks); err != nil {
				t.Fatal(err)
			}
			if again := fetcher.calls.Load() == 2; again != test.again {
				t.Errorf("built again: %t", again)
			}
		})
	}
}

func TestValuesOfSecretsAreNotKept(t *testing.T) {
	const secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: shop}\nstringData: {password: " + hidden + "}\n"
	config := plain(t).files["app/config.yaml"]
	for name, files := range map[string]map[string]string{
		"a manifest":              {"app/secret.yaml": secret},
		"a manifest in a list":    {"app/list.yaml": "apiVersion: v1\nkind: List\nitems:\n- " + strings.ReplaceAll(strings.TrimSpace(secret), "\n", "\n  ") + "\n"},
		"a generator":             {"app/kustomization.yaml": "resources: [config.yaml]\nsecretGenerator:\n- name: s\n  literals: [password=" + hidden + "]\n"},
		"one that a patch drops":  {"app/kustomization.yaml": "resources: [config.yaml, secret.yaml]\npatches:\n- patch: |\n    $patch: delete\n    apiVersion: v1\n    kind: Secret\n    metadata: {name: s, namespace: shop}\n", "app/secret.yaml": secret},
		"a value that is changed": {"app/kustomization.yaml": "resources: [config.yaml, secret.yaml]\npatches:\n- target: {kind: Secret}\n  patch: '[{\"op\": \"remove\", \"path\": \"/stringData\"}]'\n", "app/secret.yaml": secret},
		"a manifest in JSON":      {"app/secret.json": `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"shop"},"stringData":{"password":"` + hidden + `"}}`, "app/kustomization.yaml": "resources: [config.yaml, secret.json]\n"},
	} {
		t.Run(name, func(t *testing.T) {
			ownTemp(t)
			files["app/config.yaml"] = config
			fetcher := &counted{Fetcher: folder{dir: t.TempDir(), files: files}}
			dir := t.TempDir()
			builder := NewBuilder(newClient(t, source(revision)), fetcher).WithCache(&Cache{Dir: dir, Program: "1"})
			for range 2 {
				if _, err := builder.Build(t.Context(), kustomization("app", nil)); err != nil {
					t.Fatal(err)
				}
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 || fetcher.calls.Load() != 2 {
				t.Errorf("kept %v, %v", entries, err)
			}
		})
	}
	t.Run("a variable", func(t *testing.T) {
		ownTemp(t)
		dir := t.TempDir()
		ks := kustomization("app", func(ks *kustomizev1.Kustomization) {
			ks.Spec.PostBuild = &kustomizev1.PostBuild{SubstituteFrom: []kustomizev1.SubstituteReference{{Kind: "Secret", Name: "variables"}}}
		})
		variables := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "flux-system", Name: "variables"}, Data: map[string][]byte{"LEVEL": []byte(hidden)}}
		if _, err := NewBuilder(newClient(t, source(revision), variables), plain(t)).WithCache(&Cache{Dir: dir, Program: "1"}).Build(t.Context(), ks); err != nil {
			t.Fatal(err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
			t.Errorf("kept %v, %v", entries, err)
		}
	})
}

// TestWhatIsLearntFromTheClusterIsNotKept has a label whose value is the version of the Flux that runs there.
func TestWhatIsLearntFromTheClusterIsNotKept(t *testing.T) {
	ownTemp(t)
	dir := t.TempDir()
	ks := kustomization("app", func(ks *kustomizev1.Kustomization) {
		ks.Spec.BuildMetadata = []kustomizev1.BuildMetadataOption{"managedByLabel"}
		ks.Status.Inventory = &kustomizev1.ResourceInventory{Entries: []kustomizev1.ResourceRef{{ID: "shop_app__ConfigMap", Version: "v1"}}}
	})
	for _, version := range []string{"kustomize-v1", "kustomize-v2"} {
		applied := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: "app", Labels: map[string]string{"app.kubernetes.io/managed-by": version},
			ManagedFields: []metav1.ManagedFieldsEntry{{
				Manager: "kustomize-controller", Operation: metav1.ManagedFieldsOperationApply, APIVersion: "v1", FieldsType: "FieldsV1",
				FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:labels":{"f:app.kubernetes.io/managed-by":{}}}}`),
			}},
		}}
		state, err := NewBuilder(newClient(t, source(revision), applied), plain(t)).WithCache(&Cache{Dir: dir, Program: "1"}).Build(t.Context(), ks)
		if err != nil {
			t.Fatal(err)
		}
		if got := state.Objects[0].GetLabels()["app.kubernetes.io/managed-by"]; got != version {
			t.Errorf("the label is %q where Flux wrote %q", got, version)
		}
	}
}

func TestAReferenceToASecretKeepsNothingFromTheCache(t *testing.T) {
	ownTemp(t)
	files := map[string]string{"app/release.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app, namespace: shop}\ndata: {ref: x}\n" +
		"# valuesFrom: [{kind: Secret, name: s}]\n"}
	dir := t.TempDir()
	builder := NewBuilder(newClient(t, source(revision)), folder{dir: t.TempDir(), files: files}).WithCache(&Cache{Dir: dir, Program: "1"})
	if _, err := builder.Build(t.Context(), kustomization("app", nil)); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("kept %v, %v", entries, err)
	}
}

func TestADamagedCacheIsNoCache(t *testing.T) {
	ownTemp(t)
	fetcher, dir := &counted{Fetcher: plain(t)}, t.TempDir()
	builder := NewBuilder(newClient(t, source(revision)), fetcher).WithCache(&Cache{Dir: dir, Program: "1"})
	ks := kustomization("app", nil)
	if _, err := builder.Build(t.Context(), ks); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("kept %v, %v", files, err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v, %v", info.Mode(), err)
	}
	for name, text := range map[string][]byte{"empty": {}, "cut": whole[:len(whole)/2], "changed": bytes.Replace(whole, []byte("info"), []byte("warn"), 1)} {
		fetched := fetcher.calls.Load()
		if err := os.WriteFile(files[0], text, 0o600); err != nil {
			t.Fatal(err)
		}
		state, err := builder.Build(t.Context(), ks)
		if err != nil {
			t.Fatal(err)
		}
		if level := state.Objects[0].Object["data"].(map[string]any)["level"]; level != "${LEVEL:=info}" || fetcher.calls.Load() != fetched+1 {
			t.Errorf("%s: the level is %v", name, level)
		}
	}
}

func TestWhatNobodyAsksForIsRemovedInTime(t *testing.T) {
	ownTemp(t)
	dir := t.TempDir()
	old := filepath.Join(dir, "old"+suffix)
	if err := os.WriteFile(old, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-cacheLife - time.Hour)
	if err := os.Chtimes(old, past, past); err != nil {
		t.Fatal(err)
	}
	if _, err := NewBuilder(newClient(t, source(revision)), plain(t)).WithCache(&Cache{Dir: dir, Program: "1"}).Build(t.Context(), kustomization("app", nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}
