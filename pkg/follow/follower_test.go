package follow

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// cluster is a cache of one Kustomization and a builder that says how often it was asked.
type cluster struct {
	client.Reader
	ks     *kustomizev1.Kustomization
	err    error
	builds int
}

func (c *cluster) Get(_ context.Context, key client.ObjectKey, out client.Object, _ ...client.GetOption) error {
	if c.ks == nil {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "kustomizations"}, key.Name)
	}
	c.ks.DeepCopyInto(out.(*kustomizev1.Kustomization))
	return nil
}

func (c *cluster) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	if c.ks != nil {
		list.(*kustomizev1.KustomizationList).Items = []kustomizev1.Kustomization{*c.ks}
	}
	return nil
}

func (c *cluster) Build(_ context.Context, ks *kustomizev1.Kustomization) (*desired.State, error) {
	c.builds++
	if c.err != nil {
		return nil, c.err
	}
	return &desired.State{Owner: owner, Revision: ks.Status.LastAppliedRevision}, nil
}

var owner = ownership.Owner{Kind: ownership.Kustomization, Namespace: "flux-system", Name: "apps"}

func applied1() *kustomizev1.Kustomization {
	ks := &kustomizev1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: owner.Namespace, Name: owner.Name, UID: "1", Generation: 1}}
	ks.Status.ObservedGeneration = 1
	ks.Status.LastAppliedRevision = "main@sha1:1"
	ks.Status.History = meta.History{{Digest: "sha256:1"}}
	ks.Status.Conditions = []metav1.Condition{{Type: meta.ReadyCondition, Status: metav1.ConditionTrue}}
	return ks
}

func TestFollower(t *testing.T) {
	for _, test := range []struct {
		name string
		// change is what happens after revision 1 was built.
		change func(c *cluster)
		// builds counts those after the change; revision is what the store then holds, empty for nothing.
		builds   int
		revision string
		wantErr  bool
	}{
		{"nothing", func(*cluster) {}, 0, "main@sha1:1", false},
		{"another revision", func(c *cluster) { c.ks.Status.LastAppliedRevision = "main@sha1:2" }, 1, "main@sha1:2", false},
		{"other variables", func(c *cluster) { c.ks.Status.History[0].Digest = "sha256:2" }, 1, "main@sha1:1", false},
		{"a new spec that Flux has not seen", func(c *cluster) { c.ks.Generation = 2 }, 0, "main@sha1:1", false},
		{"a new spec that Flux has applied", func(c *cluster) { c.ks.Generation, c.ks.Status.ObservedGeneration = 2, 2 }, 1, "main@sha1:1", false},
		{"Flux at work", func(c *cluster) {
			c.ks.Generation = 2
			c.ks.Status.Conditions[0].Status = metav1.ConditionUnknown
		}, 0, "main@sha1:1", false},
		{"suspended", func(c *cluster) { c.ks.Generation, c.ks.Spec.Suspend = 2, true }, 0, "main@sha1:1", false},
		{"a source that is ahead of what Flux applied", func(c *cluster) {
			c.ks.Status.LastAppliedRevision = "main@sha1:2"
			c.err = &desired.RevisionError{Applied: "main@sha1:2", Available: "main@sha1:3"}
		}, 1, "", false},
		{"a revision that does not build", func(c *cluster) {
			c.ks.Status.LastAppliedRevision = "main@sha1:2"
			c.err = errors.New("remote base")
		}, 1, "", true},
		{"a spec that does not build", func(c *cluster) {
			c.ks.Generation, c.ks.Status.ObservedGeneration = 2, 2
			c.err = errors.New("no path")
		}, 1, "", true},
		{"deleted", func(c *cluster) { c.ks = nil }, 0, "", false},
		{"being deleted", func(c *cluster) { now := metav1.Now(); c.ks.DeletionTimestamp = &now }, 0, "", false},
		{"moved to another cluster", func(c *cluster) { c.ks.Spec.KubeConfig = &meta.KubeConfigReference{} }, 0, "", false},
		{"made anew", func(c *cluster) { c.ks.UID = "2" }, 1, "main@sha1:1", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &cluster{ks: applied1()}
			f := &Follower{Client: c, Builder: c, Store: &desired.Store{}}
			req := reconcile.Request{NamespacedName: client.ObjectKey{Namespace: owner.Namespace, Name: owner.Name}}
			if _, err := f.Reconcile(t.Context(), req); err != nil || len(f.Store.States()) != 1 {
				t.Fatalf("nothing was built: %v", err)
			}
			c.builds = 0
			test.change(c)
			result, err := f.Reconcile(t.Context(), req)
			if (err != nil) != test.wantErr {
				t.Errorf("error is %v", err)
			}
			if moved := (*desired.RevisionError)(nil); errors.As(c.err, &moved) && result.RequeueAfter == 0 {
				t.Error("nobody looks again")
			}
			if c.builds != test.builds {
				t.Errorf("%d builds, want %d", c.builds, test.builds)
			}
			revision := ""
			if state, ok := f.Store.State(owner); ok {
				revision = state.Revision
			}
			if revision != test.revision {
				t.Errorf("the store holds %q, want %q", revision, test.revision)
			}
		})
	}
}

func TestASuspendedKustomizationIsBuiltOnce(t *testing.T) {
	c := &cluster{ks: applied1()}
	c.ks.Spec.Suspend, c.ks.Generation = true, 2
	f := &Follower{Client: c, Builder: c, Store: &desired.Store{}}
	req := reconcile.Request{NamespacedName: client.ObjectKey{Namespace: owner.Namespace, Name: owner.Name}}
	for range 3 {
		if _, err := f.Reconcile(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	if c.builds != 1 {
		t.Errorf("%d builds", c.builds)
	}
}

func TestReadyOnceEveryKustomizationHasBeenLookedAt(t *testing.T) {
	for name, c := range map[string]*cluster{
		"built":           {ks: applied1()},
		"cannot be built": {ks: applied1(), err: errors.New("no such source")},
	} {
		f := &Follower{Client: c, Builder: c, Store: &desired.Store{}}
		probe := httptest.NewRequest(http.MethodGet, "/readyz", nil)
		if err := f.Ready(probe); err == nil || !strings.Contains(err.Error(), "1 of 1 Kustomizations") {
			t.Errorf("%s: before: %v", name, err)
		}
		_, err := f.Reconcile(t.Context(), reconcile.Request{NamespacedName: client.ObjectKeyFromObject(c.ks)})
		if (err != nil) != (c.err != nil) {
			t.Fatal(err)
		}
		if err := f.Ready(probe); err != nil {
			t.Errorf("%s: after: %v", name, err)
		}
		c.ks.Name = "another"
		if err := f.Ready(probe); err != nil {
			t.Errorf("%s: with a new Kustomization: %v", name, err)
		}
	}
	c := &cluster{ks: applied1()}
	waited := &Follower{Client: c, Builder: c, Store: &desired.Store{}, since: time.Now().Add(-2 * catchUp)}
	if err := waited.Ready(httptest.NewRequest(http.MethodGet, "/readyz", nil)); err != nil {
		t.Errorf("after a long time: %v", err)
	}
}
