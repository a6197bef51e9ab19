//go:build unix

package admission

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// BenchmarkReview measures what one review costs the webhook, from the bytes of the API server's request to those of
// the answer.
func BenchmarkReview(b *testing.B) {
	deployment, definition := recorded(b, "memory"), largeDefinition(b)
	for _, bench := range []struct {
		name string
		in   *admissionv1.AdmissionRequest
		// edit is what is done to the object, nil where the request itself is an edit.
		edit func(*unstructured.Unstructured)
		want Decision
	}{
		{"ConfigMap/denied", configMap(b), func(o *unstructured.Unstructured) { set(b, o, "5", "data", "retries") }, Denied},
		{"ConfigMap/allowed", configMap(b), note, Allowed},
		{"Deployment/denied", deployment, nil, Denied},
		{"Deployment/allowed", recorded(b, "env-added-by-another-manager"), nil, Allowed},
		{"Deployment/passed", recorded(b, "flux"), nil, Passed},
		{"500KB-CRD/denied", definition, func(o *unstructured.Unstructured) {
			versions := o.Object["spec"].(map[string]any)["versions"].([]any)
			set(b, &unstructured.Unstructured{Object: versions[3].(map[string]any)}, false, "served")
		}, Denied},
		{"500KB-CRD/allowed", definition, note, Allowed},
	} {
		b.Run(bench.name, func(b *testing.B) {
			in := real(bench.in.DeepCopy())
			if bench.edit != nil {
				in.Object.Raw = bytes.Clone(in.OldObject.Raw)
				rewrite(b, &in.Object.Raw, bench.edit)
			}
			w := newWorld(b)
			if v := verdict(b, in, w); v.Decision != bench.want {
				b.Fatalf("got %s %q, want %s", v.Decision, v.lines(), bench.want)
			}
			h, _ := newHandler(b, w)
			h.Log = logr.Discard()
			body := review(b, in)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			before := cpu(b)
			for b.Loop() {
				if answer := post(h, strings.NewReader(body)); answer.Code != http.StatusOK {
					b.Fatal(answer.Body)
				}
			}
			b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
		})
	}
}

// cpu is the time that this process has computed. Unlike the time on the clock it says the same on a busy machine.
func cpu(tb testing.TB) time.Duration {
	tb.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// note adds an annotation that nobody minds.
func note(o *unstructured.Unstructured) {
	o.SetAnnotations(map[string]string{"contoso.com/seen": "yes"})
}

// updateOf is an edit of an object that Flux has applied as the set of fields says; it changes nothing yet.
func updateOf(tb testing.TB, object *unstructured.Unstructured, resource, fields string) *admissionv1.AdmissionRequest {
	tb.Helper()
	in := recorded(tb, "memory")
	gvk := object.GroupVersionKind()
	in.Kind = metav1.GroupVersionKind(gvk)
	in.Resource = metav1.GroupVersionResource{Group: gvk.Group, Version: gvk.Version, Resource: resource}
	in.Name, in.Namespace = object.GetName(), object.GetNamespace()
	object.SetManagedFields([]metav1.ManagedFieldsEntry{{
		Manager: ownership.KustomizeManager, Operation: metav1.ManagedFieldsOperationApply, APIVersion: object.GetAPIVersion(),
		FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields),
	}})
	raw, err := object.MarshalJSON()
	if err != nil {
		tb.Fatal(err)
	}
	in.OldObject.Raw, in.Object.Raw = raw, raw
	return in
}

// configMap is an update of the recorded state's ConfigMap.
func configMap(tb testing.TB) *admissionv1.AdmissionRequest {
	tb.Helper()
	want, _, ok := newWorld(tb).Desired(desired.Key{Kind: "ConfigMap", Namespace: "payments", Name: "payments-api"})
	if !ok {
		tb.Fatal("the state holds no ConfigMap")
	}
	return updateOf(tb, want.DeepCopy(), "configmaps", `{"f:data":{"f:currency":{},"f:retries":{}},`+ownerLabels+`}`)
}

const ownerLabels = `"f:metadata":{"f:labels":{"f:kustomize.toolkit.fluxcd.io/name":{},"f:kustomize.toolkit.fluxcd.io/namespace":{}}}`

// largeDefinition is an update of a CRD of 500 KB: that of HelmReleases, with more versions.
func largeDefinition(tb testing.TB) *admissionv1.AdmissionRequest {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "test", "harness", "crds", "helm.toolkit.fluxcd.io_helmreleases.yaml"))
	if err != nil {
		tb.Fatal(err)
	}
	object := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(text, &object.Object); err != nil {
		tb.Fatal(err)
	}
	object.SetLabels(map[string]string{ownership.Kustomization.NameLabel(): apps.Name, ownership.Kustomization.NamespaceLabel(): apps.Namespace})
	versions, _, err := unstructured.NestedSlice(object.Object, "spec", "versions")
	if err != nil {
		tb.Fatal(err)
	}
	for size := 0; size < 500_000; {
		next := (&unstructured.Unstructured{Object: versions[0].(map[string]any)}).DeepCopy().Object
		next["name"], next["storage"] = fmt.Sprintf("v%d", len(versions)+2), false
		versions = append(versions, next)
		set(tb, object, versions, "spec", "versions")
		raw, err := object.MarshalJSON()
		if err != nil {
			tb.Fatal(err)
		}
		size = len(raw)
	}
	return updateOf(tb, object, "customresourcedefinitions",
		`{`+ownerLabels+`,"f:spec":{"f:group":{},"f:names":{"f:kind":{},"f:listKind":{},"f:plural":{},"f:shortNames":{},"f:singular":{}},"f:scope":{},"f:versions":{}}}`)
}
