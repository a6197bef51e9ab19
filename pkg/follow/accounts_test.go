package follow

import (
	"slices"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

func TestAFormerAccountCountsUntilFluxObservesTheChange(t *testing.T) {
	meta := func(generation int64) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: "tenant", Name: "web", Generation: generation}
	}
	for kind, owner := range map[ownership.Kind]func(generation, observed int64, account string) any{
		ownership.Kustomization: func(generation, observed int64, account string) any {
			return &kustomizev1.Kustomization{ObjectMeta: meta(generation), Spec: kustomizev1.KustomizationSpec{ServiceAccountName: account},
				Status: kustomizev1.KustomizationStatus{ObservedGeneration: observed}}
		},
		ownership.HelmRelease: func(generation, observed int64, account string) any {
			return &helmv2.HelmRelease{ObjectMeta: meta(generation), Spec: helmv2.HelmReleaseSpec{ServiceAccountName: account},
				Status: helmv2.HelmReleaseStatus{ObservedGeneration: observed}}
		},
	} {
		accounts := &Accounts{}
		handler := accounts.Handler()
		who := ownership.Owner{Kind: kind, Namespace: "tenant", Name: "web"}
		last := owner(1, 1, "a")
		for _, step := range []struct {
			name    string
			next    any
			deleted bool
			want    []string
		}{
			{"another account", owner(2, 1, "b"), false, []string{"a"}},
			{"a status that has not seen it", owner(2, 1, "b"), false, []string{"a"}},
			{"yet another", owner(3, 1, "c"), false, []string{"a", "b"}},
			{"the first change is seen", owner(3, 2, "c"), false, []string{"b"}},
			{"the second is, too", owner(3, 3, "c"), false, nil},
			{"none", owner(4, 3, ""), false, []string{"c"}},
			{"deleted", toolscache.DeletedFinalStateUnknown{Obj: owner(4, 3, "")}, true, nil},
		} {
			if step.deleted {
				handler.OnDelete(step.next)
			} else {
				handler.OnUpdate(last, step.next)
				last = step.next
			}
			if got := accounts.Former(who); !slices.Equal(got, step.want) {
				t.Errorf("%s, %s: got %q, want %q", kind, step.name, got, step.want)
			}
		}
	}
}
