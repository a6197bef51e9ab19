package follow

import (
	"context"
	"errors"
	"testing"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/meta"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

var shop = ownership.Owner{Kind: ownership.HelmRelease, Namespace: "shop", Name: "web"}

// releasing is a cache of one HelmRelease and one policy, and a builder that says how often it was asked.
type releasing struct {
	client.Reader
	hr      *helmv2.HelmRelease
	restore bool
	byHand  string
	err     error
	builds  int
}

func (r *releasing) Get(_ context.Context, key client.ObjectKey, out client.Object, _ ...client.GetOption) error {
	if r.hr == nil {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "helmreleases"}, key.Name)
	}
	r.hr.DeepCopyInto(out.(*helmv2.HelmRelease))
	return nil
}

func (r *releasing) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	list.(*v1alpha1.EditPolicyList).Items = []v1alpha1.EditPolicy{{Spec: v1alpha1.EditPolicySpec{Restore: r.restore}}}
	return nil
}

func (r *releasing) BuildRelease(_ context.Context, hr *helmv2.HelmRelease) (*desired.State, error) {
	r.builds++
	return &desired.State{Owner: shop, Digest: desired.Released(hr).Digest, ByHand: r.byHand}, r.err
}

func TestReleasesAreReadWhereFluxCorrectsDriftAndAPolicyWantsItRestored(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*releasing)
		// builds counts those after the change; kept says that the store still has a state.
		builds int
		kept   bool
		again  time.Duration
	}{
		"nothing changes":               {func(*releasing) {}, 0, true, 0},
		"another release":               {func(r *releasing) { r.hr.Status.History[0].Digest = "sha256:bb" }, 1, true, 0},
		"another spec":                  {func(r *releasing) { r.hr.Generation++ }, 1, true, 0},
		"Flux is at work":               {func(r *releasing) { r.hr.Generation++; working(r.hr) }, 0, true, 0},
		"drift is only warned of":       {func(r *releasing) { r.hr.Spec.DriftDetection.Mode = helmv2.DriftDetectionWarn }, 0, false, 0},
		"drift is not looked for":       {func(r *releasing) { r.hr.Spec.DriftDetection = nil }, 0, false, 0},
		"no policy wants it":            {func(r *releasing) { r.restore = false }, 0, false, 0},
		"it is being deleted":           {func(r *releasing) { r.hr.DeletionTimestamp = &metav1.Time{Time: time.Now()} }, 0, false, 0},
		"it is gone":                    {func(r *releasing) { r.hr = nil }, 0, false, 0},
		"it goes to another cluster":    {func(r *releasing) { r.hr.Spec.KubeConfig = &meta.KubeConfigReference{} }, 0, false, 0},
		"its history is gone":           {func(r *releasing) { r.hr.Status.History = nil }, 0, false, 0},
		"it was uninstalled":            {func(r *releasing) { r.hr.Generation++; r.err = desired.ErrNotReleased }, 1, false, 0},
		"somebody else released it too": {func(r *releasing) { r.hr.Generation++; r.byHand = "by hand" }, 1, true, byHandPause},
	} {
		t.Run(name, func(t *testing.T) {
			hr := &helmv2.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Generation: 1}}
			hr.Spec.DriftDetection = &helmv2.DriftDetection{Mode: helmv2.DriftDetectionEnabled}
			hr.Status.History = helmv2.Snapshots{{Digest: "sha256:aa"}}
			world := &releasing{hr: hr, restore: true}
			releases := &Releases{Client: world, Builder: world, Store: &desired.Store{}}
			look := func() time.Duration {
				result, err := releases.Reconcile(t.Context(), reconcile.Request{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "web"}})
				if err != nil {
					t.Fatal(err)
				}
				return result.RequeueAfter
			}
			look()
			world.builds = 0
			test.change(world)
			again := look()
			if _, kept := releases.Store.State(shop); world.builds != test.builds || kept != test.kept || again != test.again {
				t.Errorf("%d builds, kept %t, again after %s", world.builds, kept, again)
			}
		})
	}
}

func working(hr *helmv2.HelmRelease) {
	hr.Status.Conditions = []metav1.Condition{{Type: meta.ReconcilingCondition, Status: metav1.ConditionTrue}}
}

func TestAReleaseThatCannotBeReadIsTriedAgainAndForgotten(t *testing.T) {
	hr := &helmv2.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
	hr.Spec.DriftDetection = &helmv2.DriftDetection{Mode: helmv2.DriftDetectionEnabled}
	hr.Status.History = helmv2.Snapshots{{Digest: "sha256:aa"}}
	world := &releasing{hr: hr, restore: true}
	releases := &Releases{Client: world, Builder: world, Store: &desired.Store{}}
	request := reconcile.Request{NamespacedName: types.NamespacedName{Namespace: "shop", Name: "web"}}
	if _, err := releases.Reconcile(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	hr.Generation++
	world.err = errors.New("forbidden")
	if _, err := releases.Reconcile(t.Context(), request); err == nil {
		t.Error("nobody tries it again")
	}
	if _, kept := releases.Store.State(shop); kept {
		t.Error("what is not known to be released is kept")
	}
}
