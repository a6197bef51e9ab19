package install

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/fluxcd/pkg/apis/meta"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// dump is every object of every kind that the API server lists, events apart, by kind, namespace and name.
type dump map[string]string

// everything reads it.
func everything(t *testing.T) dump {
	t.Helper()
	config := cluster.RESTConfig(harness.Admin)
	config.WarningHandler = rest.NoWarnings{}
	kinds, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	// Groups that are on their way out are an error beside the others.
	lists, err := kinds.ServerPreferredResources()
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) {
		t.Fatal(err)
	}
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	out := dump{}
	for _, list := range discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list"}}, lists) {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range list.APIResources {
			if kind.Name == "events" {
				continue // they expire by themselves
			}
			found, err := objects.Resource(version.WithResource(kind.Name)).List(patient.Context(t), metav1.ListOptions{})
			if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) {
				continue // gone meanwhile
			}
			if err != nil {
				t.Fatalf("list %s: %v", kind.Name, err)
			}
			for i := range found.Items {
				out[strings.Join([]string{kind.Name + "." + version.Group, found.Items[i].GetNamespace(), found.Items[i].GetName()}, " ")] = lasting(t, &found.Items[i])
			}
		}
	}
	return out
}

// lasting is what of an object does not change by itself, managedFields apart: those tell of writers, not of anything that is left.
func lasting(t *testing.T, object *unstructured.Unstructured) string {
	t.Helper()
	for _, path := range [][]string{
		{"status"}, {"metadata", "managedFields"}, {"metadata", "resourceVersion"}, {"metadata", "generation"},
		// Flux is asked to reconcile as everybody asks it.
		{"metadata", "annotations", meta.ReconcileRequestAnnotation},
	} {
		unstructured.RemoveNestedField(object.Object, path...)
	}
	if object.GetKind() == "Lease" {
		unstructured.RemoveNestedField(object.Object, "spec")
	}
	if len(object.GetAnnotations()) == 0 {
		unstructured.RemoveNestedField(object.Object, "metadata", "annotations")
	}
	text, err := yaml.Marshal(object.Object)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// against lists what is other than before.
func (d dump) against(before dump) []string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(d)) {
		was, known := before[key]
		switch {
		case !known:
			out = append(out, key+" is left")
		case was != d[key]:
			out = append(out, fmt.Sprintf("%s is other than before:\n%s\nand was\n%s", key, d[key], was))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(before)) {
		if _, there := d[key]; !there {
			out = append(out, key+" is gone")
		}
	}
	return out
}

// nothingIsLeft waits until all is as it was before.
func nothingIsLeft(t *testing.T, before dump) {
	t.Helper()
	var left []string
	defer func() {
		if t.Failed() {
			t.Log(strings.Join(left, "\n"))
		}
	}()
	patient.Until(t, "all is as it was before", func() bool {
		left = everything(t).against(before)
		return len(left) == 0
	})
	if refused := edit(t, "settings", "unguarded"); refused != "" {
		t.Errorf("somebody still guards: %s", refused)
	}
	if _, err := cluster.Reconcile(patient.Context(t), apps); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"settings", "payments-api"} {
		if value := must(t, "kubectl -n payments get configmap "+name+" -o jsonpath='{.data.value}'"); value != "git" {
			t.Errorf("Flux does not look after %s: its value is %s", name, value)
		}
	}
}
