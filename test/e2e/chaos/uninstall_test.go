package chaos

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

func TestUninstallLeavesNothingBehind(t *testing.T) {
	for name, test := range map[string]struct {
		overlay string
		dead    bool
	}{
		"while it runs": {"enforce", false},
		"while it is dead, under failurePolicy Fail": {"enforce-fail", true},
	} {
		t.Run(name, func(t *testing.T) {
			g := install(t, test.overlay)
			must(t, "", "-n", recorded, "label", "configmap", "config-000", "touched=1", "--overwrite")
			if test.dead {
				g.kill()
			}
			remove(t, test.overlay)
			must(t, "", "delete", "-k", filepath.Join(overlay(t, test.overlay), "..", "..", "crds"))
			var left []string
			defer func() { t.Log(left) }()
			patient.Until(t, "everything is gone", func() bool {
				left = traces(t)
				return len(left) == 0
			})
			// Nobody is asked any more.
			must(t, "", "-n", denied, "patch", "configmap", "config-000", "--type=merge", `-p={"data":{"value":"uninstalled"}}`)
		})
	}
}

// remove deletes an overlay. The API server may ask a guard that is up a moment longer than its configuration is there, and
// be told that nobody stops the guard; the next try meets no guard.
func remove(t *testing.T, name string) {
	t.Helper()
	args := []string{"delete", "-k", overlay(t, name), "--ignore-not-found", "--wait=false"}
	result, err := cluster.Kubectl(patient.Context(t), harness.OnCall, "", args...)
	if err != nil {
		t.Fatal(err)
	}
	if result.Code == 0 {
		return
	}
	if !strings.Contains(result.Stderr, "delete its ValidatingWebhookConfiguration first") {
		t.Fatal(result.Stderr)
	}
	must(t, "", args...)
}

// traces lists the objects of every kind that are ours by name, or that carry anything of ours in their labels,
// annotations, finalizers or owners.
func traces(t *testing.T) []string {
	t.Helper()
	config := cluster.RESTConfig(harness.Admin)
	config.WarningHandler = rest.NoWarnings{}
	kinds, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	lists, err := kinds.ServerPreferredResources()
	if err != nil {
		t.Fatal(err)
	}
	objects, err := metadata.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, list := range discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "delete"}}, lists) {
		version, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range list.APIResources {
			if kind.Name == "events" {
				continue // they expire by themselves
			}
			found, err := objects.Resource(version.WithResource(kind.Name)).List(patient.Context(t), metav1.ListOptions{})
			if err != nil {
				t.Fatalf("%s: %v", kind.Name, err)
			}
			for _, object := range found.Items {
				object.ManagedFields = nil
				text := fmt.Sprint(object.Name, object.Labels, object.Annotations, object.Finalizers, object.OwnerReferences)
				if strings.Contains(text, "gitops-drift") {
					out = append(out, kind.Name+"/"+object.Name)
				}
			}
		}
	}
	return out
}
