package restore_test

import (
	"encoding/base64"
	"os"
	"strings"
	"sync"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/test/harness"
)

// notes returns the notes of the events of a reason on the app's Kustomization.
func (a *app) notes(reason string) []string {
	a.Helper()
	list := &eventsv1.EventList{}
	if err := cluster.Admin().List(a.ctx, list, client.InNamespace(a.key.Namespace)); err != nil {
		a.Fatal(err)
	}
	var notes []string
	for _, e := range list.Items {
		if e.Reason == reason && e.Regarding.Kind == "Kustomization" && e.Regarding.Name == a.key.Name {
			notes = append(notes, e.Note)
		}
	}
	return notes
}

// told waits for an event on the Kustomization that has all words.
func (a *app) told(reason string, words ...string) {
	a.Helper()
	a.eventually("an event "+reason+" that says "+strings.Join(words, ", "), func() bool {
		for _, note := range a.notes(reason) {
			missing := false
			for _, word := range words {
				missing = missing || !strings.Contains(note, word)
			}
			if !missing {
				return true
			}
		}
		return false
	})
}

// asked counts how often this controller asked Flux to reconcile the app.
func (a *app) asked() int {
	a.Helper()
	events, err := cluster.AuditEvents(func(e harness.AuditEvent) bool {
		return e.ObjectRef.Resource == "kustomizations" && e.ObjectRef.Name == a.key.Name && e.Verb == "patch" &&
			strings.Contains(e.RequestURI, "fieldManager=gitops-drift")
	})
	if err != nil {
		a.Fatal(err)
	}
	return len(events)
}

func TestFluxIsAskedToPutBackWhatIsEncrypted(t *testing.T) {
	const corpus = "../../test/e2e/corpus/testdata/"
	manifest, err := os.ReadFile(corpus + "repo/encrypted/whole.yaml")
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(corpus + "key.agekey")
	if err != nil {
		t.Fatal(err)
	}
	if err := cluster.Admin().Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: harness.FluxNamespace, Name: "age"}, Data: map[string][]byte{"key.agekey": key},
	}); err != nil {
		t.Fatal(err)
	}
	a := deploy(t, "encrypted", files(string(manifest)), func(ks *kustomizev1.Kustomization) {
		ks.Spec.Decryption = &kustomizev1.Decryption{Provider: "sops", SecretRef: &meta.LocalObjectReference{Name: "age"}}
	})
	password := func() string {
		u := a.get("v1", "Secret", "whole")
		if u == nil {
			return ""
		}
		s, _, _ := unstructured.NestedString(u.Object, "data", "password")
		return s
	}
	before := password()
	if before == "" {
		t.Fatal("Flux did not decrypt")
	}
	a.never("Flux is asked although nothing differs", func() bool { return a.asked() > 0 })
	a.kubectl("-n", a.name, "patch", "secret", "whole", "--type=merge", "-p", `{"stringData":{"password":"hunter2"}}`)
	a.restored("Flux puts the value back", func() bool { return password() == before })
	a.told("DriftReconcileRequested", "Secret encrypted/whole", "SOPS")
	if writes := a.writes(loopUser); len(writes) > 0 {
		t.Errorf("the loop writes: %v", writes)
	}
	a.never("Flux is asked more than once", func() bool { return a.asked() != 1 })
	clear, err := base64.StdEncoding.DecodeString(before)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"hunter2", string(clear), before} {
		if lines := logged.about(value); len(lines) > 0 {
			t.Errorf("the log quotes a value: %v", lines)
		}
	}
}

// unbuildable are the owners whose state is not built, as with a source that is out of reach.
var unbuildable sync.Map

func TestFluxIsAskedWhereNothingCanBeBuilt(t *testing.T) {
	t.Parallel()
	a := deploy(t, "unbuilt", files(configMap, deployment))
	unbuildable.Store(a.name, true)
	store.Delete(ownership.Owner{Kind: ownership.Kustomization, Namespace: a.key.Namespace, Name: a.key.Name})
	a.kubectl("-n", a.name, "patch", "configmap", "settings", "--type=merge", "-p", `{"data":{"level":"debug"}}`)
	a.kubectl("-n", a.name, "delete", "deployment", "api")
	a.restored("both are back by Flux", func() bool { return a.level() == "info" && memory(a.api()) == "512Mi" })
	a.told("DriftReconcileRequested", "could not be built")
	if writes := a.writes(loopUser); len(writes) > 0 {
		t.Errorf("the loop writes: %v", writes)
	}
	a.never("Flux is asked again", func() bool { return a.asked() != 1 })
}

func TestTheOwnerIsToldWhatWasDone(t *testing.T) {
	a := deploy(t, "told", files(configMap, deployment))
	a.kubectl("-n", a.name, "set", "resources", "deployment/api", "--limits=memory=1Gi")
	a.told("DriftRestored", "Deployment told/api", "limits.memory", "kubectl-set")
	a.kubectl("-n", a.name, "delete", "configmap", "settings")
	a.told("DriftRestored", "ConfigMap told/settings was gone")
	a.kubectl("-n", a.name, "annotate", "configmap", "settings", "kustomize.toolkit.fluxcd.io/reconcile=disabled")
	a.told("DriftHeld", "ConfigMap told/settings", "holds Flux off")
}

func TestAnAutoscalerOfDeclaredReplicasIsExplainedOnce(t *testing.T) {
	a := deploy(t, "autoscaled", files(deployment))
	a.kubectl("-n", a.name, "autoscale", "deployment", "api", "--min=3", "--max=5")
	count := func() int64 {
		n, _, _ := unstructured.NestedInt64(a.api().Object, "spec", "replicas")
		return n
	}
	for range 2 {
		a.kubectl("-n", a.name, "scale", "deployment", "api", "--replicas=3")
		a.eventually("the replicas of git", func() bool { return count() == 2 })
	}
	a.told("DriftAutoscaled", "HorizontalPodAutoscaler autoscaled/api", "Deployment autoscaled/api", "Remove spec.replicas from git")
	a.never("it is explained again", func() bool {
		return len(logged.about("remove spec.replicas from git", `"namespace"="autoscaled"`)) != 1
	})
}

// fights returns the value of the metric of fights with this rival and field.
func fights(t *testing.T, manager, field string) float64 {
	t.Helper()
	families, err := measured.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, pair := range metric.GetLabel() {
				labels[pair.GetName()] = pair.GetValue()
			}
			if family.GetName() == "gitops_drift_restore_fights_total" && labels["manager"] == manager && labels["field"] == field {
				return metric.GetCounter().GetValue()
			}
		}
	}
	return 0
}
