package desired

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/meta"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// helmRelease is one whose release catalog, revision 3, Flux made.
func helmRelease() *helmv2.HelmRelease {
	return &helmv2.HelmRelease{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "catalog", Generation: 5},
		Status: helmv2.HelmReleaseStatus{StorageNamespace: "store", History: helmv2.Snapshots{
			{Name: "catalog", Namespace: "run", Version: 2, ChartVersion: "1.4.1", Status: "superseded"},
			{Name: "catalog", Namespace: "run", Version: 3, ChartVersion: "1.4.2", Status: "deployed"},
		}},
	}
}

// stored is Helm's record of a revision of it.
func stored(t *testing.T, revision string, manifest string, config map[string]any) *corev1.Secret {
	t.Helper()
	var version int
	if err := json.Unmarshal([]byte(revision), &version); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{
		"name": "catalog", "namespace": "run", "version": version, "manifest": manifest, "config": config, "info": map[string]any{"status": "deployed"},
		"hooks": []any{map[string]any{"manifest": "kind: Secret\napiVersion: v1\nstringData: {hook: hooked-value}\n", "events": []string{"pre-install"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "store", Name: "sh.helm.release.v1.catalog.v" + revision},
		Data:       map[string][]byte{"release": base64.StdEncoding.AppendEncode(nil, text)},
	}
}

const rendered = `---
# Source: catalog/templates/all.yaml
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, labels: {helm.toolkit.fluxcd.io/name: catalog}}
---
apiVersion: v1
kind: Secret
metadata: {name: token, namespace: other}
stringData: {password: swordfish}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reader}
---
apiVersion: example.com/v1
kind: Unknown
metadata: {name: x}
`

func TestTheStateOfAReleaseIsWhatFluxReleased(t *testing.T) {
	state, err := NewBuilder(newClient(t, stored(t, "3", rendered, nil)), nil).BuildRelease(t.Context(), helmRelease())
	if err != nil {
		t.Fatal(err)
	}
	if state.Revision != "1.4.2" || state.Owner.String() != "HelmRelease/shop/catalog" || state.Generation != 5 || state.ByHand != "" {
		t.Errorf("got %+v", state)
	}
	want := map[string]string{"settings": "run", "token": "other", "reader": "", "x": ""}
	if len(state.Objects) != len(want) {
		t.Fatalf("got %d objects", len(state.Objects))
	}
	for _, object := range state.Objects {
		if object.GetNamespace() != want[object.GetName()] {
			t.Errorf("%s is in namespace %q", object.GetName(), object.GetNamespace())
		}
		if object.GetLabels()["app.kubernetes.io/managed-by"] != "Helm" || object.GetAnnotations()["meta.helm.sh/release-name"] != "catalog" ||
			object.GetAnnotations()["meta.helm.sh/release-namespace"] != "run" {
			t.Errorf("%s has no metadata of Helm's: %v", object.GetName(), object.Object["metadata"])
		}
	}
	if state.Objects[0].GetLabels()["helm.toolkit.fluxcd.io/name"] != "catalog" {
		t.Error("what is rendered into the manifest is lost")
	}
}

func TestWhatIsNotFluxsReleaseIsSaidSo(t *testing.T) {
	tampered := helmRelease()
	tampered.Status.History[1].APIVersion, tampered.Status.History[1].Digest = "v2", "sha256:"+strings.Repeat("0", 64)
	busy := helmRelease()
	busy.Status.Conditions = []metav1.Condition{{Type: meta.ReconcilingCondition, Status: metav1.ConditionTrue}}
	third, fourth := stored(t, "3", rendered, nil), stored(t, "4", rendered, nil)
	for name, test := range map[string]struct {
		hr     *helmv2.HelmRelease
		stored []client.Object
		says   string
	}{
		"as Flux left it":                     {helmRelease(), []client.Object{third}, ""},
		"a newer revision":                    {helmRelease(), []client.Object{third, fourth}, "somebody else than Flux made revision 4 of release catalog; Flux made 3"},
		"a newer revision while Flux is busy": {busy, []client.Object{third, fourth}, ""},
		"another digest":                      {tampered, []client.Object{third}, "somebody else than Flux changed Helm's record of revision 3 of release catalog"},
	} {
		state, err := NewBuilder(newClient(t, test.stored...), nil).BuildRelease(t.Context(), test.hr)
		if err != nil || (test.says == "") != (state.ByHand == "") || !strings.Contains(state.ByHand, test.says) {
			t.Errorf("%s: %v, %+v", name, err, state)
		}
	}
}

func TestReleasesThatCannotBeCompared(t *testing.T) {
	never, gone, elsewhere := helmRelease(), helmRelease(), helmRelease()
	never.Status.History = nil
	gone.Status.History[1].Status = "uninstalled"
	elsewhere.Spec.KubeConfig = &meta.KubeConfigReference{}
	other := stored(t, "2", rendered, nil)
	other.Name = "sh.helm.release.v1.catalog.v3"
	for name, test := range map[string]struct {
		hr     *helmv2.HelmRelease
		stored *corev1.Secret
		is     error
		says   string
	}{
		"never installed":    {never, stored(t, "3", rendered, nil), ErrNotReleased, ""},
		"uninstalled":        {gone, stored(t, "3", rendered, nil), ErrNotReleased, ""},
		"in another cluster": {elsewhere, stored(t, "3", rendered, nil), ErrElsewhere, ""},
		"without a record":   {helmRelease(), stored(t, "2", rendered, nil), nil, "revision 3 of release catalog, which Flux made, is not in Helm's storage in namespace store"},
		"under a wrong name": {helmRelease(), other, nil, "is of another release than its name says"},
		"no YAML":            {helmRelease(), stored(t, "3", "a: [swordfish", nil), nil, "is no YAML of Kubernetes objects"},
	} {
		_, err := NewBuilder(newClient(t, test.stored), nil).BuildRelease(t.Context(), test.hr)
		if err == nil || test.is != nil && !errors.Is(err, test.is) || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), hidden) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValuesOfSecretsThatTheChartGotAreHidden(t *testing.T) {
	given := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "given"}, Data: map[string][]byte{
		"values.yaml": []byte("db: {password: new-password, port: 5432000, on: true}\n"), "key": []byte("api-key-value"), "broken": []byte("a: [b"),
	}}
	config := map[string]any{
		"db": map[string]any{"password": "old-password", "port": 5432000, "host": "db.example.com"}, "level": "verbose",
		"auth": map[string]any{"key": "old-api-key"},
	}
	all := []string{"old-password", "db.example.com", "verbose", "old-api-key"}
	reference := func(name, key, target string, optional bool) []meta.ValuesReference {
		return []meta.ValuesReference{{Kind: "ConfigMap", Name: "x"}, {Kind: "Secret", Name: name, ValuesKey: key, TargetPath: target, Optional: optional}}
	}
	for name, test := range map[string]struct {
		from          []meta.ValuesReference
		hides, leaves []string
		unknown       bool // whether Flux's messages may quote more
	}{
		"as YAML":                           {from: reference("given", "", "", false), hides: []string{"new-password", "old-password", "5432000"}, leaves: []string{"verbose", "db.example.com", "true"}},
		"for one path":                      {from: reference("given", "key", "auth.key", false), hides: []string{"api-key-value", "old-api-key"}, leaves: []string{"verbose", "old-password"}},
		"no YAML":                           {from: reference("given", "broken", "", false), hides: all, unknown: true},
		"a key that is not there":           {from: reference("given", "absent", "", false), hides: all, unknown: true},
		"a Secret that is not there":        {from: reference("absent", "", "", false), hides: all, unknown: true},
		"an optional one that is not there": {from: reference("absent", "", "", true), hides: all},
		"none":                              {leaves: all},
	} {
		hr := helmRelease()
		hr.Spec.ValuesFrom = test.from
		builder := NewBuilder(newClient(t, given, stored(t, "3", rendered, config)), nil)
		state, err := builder.BuildRelease(t.Context(), hr)
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range test.hides {
			if text := state.Hidden.Text("says " + value); strings.Contains(text, value) {
				t.Errorf("%s: %q", name, text)
			}
		}
		for _, value := range test.leaves {
			if text := state.Hidden.Text("says " + value); !strings.Contains(text, value) {
				t.Errorf("%s: %q instead of %s", name, text, value)
			}
		}
		message := "failed: swordfish, hooked-value, " + strings.Join(test.hides, ", ")
		quoted, err := builder.QuoteRelease(t.Context(), hr, message)
		if (err != nil) != test.unknown {
			t.Errorf("%s: quoted %q, %v", name, quoted, err)
		}
		for _, value := range append([]string{"swordfish", "hooked-value"}, test.hides...) {
			if strings.Contains(quoted, value) {
				t.Errorf("%s: quoted %q", name, quoted)
			}
		}
	}
}
