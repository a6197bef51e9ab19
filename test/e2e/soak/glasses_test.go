package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/test/harness"
)

// outliving is how long a BreakGlass and its hold may last beyond the end, once replicas run and one of them has taken over the
// work of one that was killed.
const outliving = 30 * time.Second

// breakGlass opens a BreakGlass for a random object, for a few seconds, or ends one by closing or deleting it. Most end by
// the clock.
func breakGlass(ctx context.Context, people client.Client, random *rand.Rand) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if random.IntN(3) > 0 {
		object := randomObject(random)
		g := &v1alpha1.BreakGlass{ObjectMeta: metav1.ObjectMeta{GenerateName: object.Name + "-"}, Spec: v1alpha1.BreakGlassSpec{
			Object:      v1alpha1.ObjectReference{Kind: "ConfigMap", Namespace: object.Namespace, Name: object.Name},
			RequestedBy: string(harness.OnCall), Reason: "soak", Duration: metav1.Duration{Duration: time.Duration(2+random.IntN(8)) * time.Second},
		}}
		if err := people.Create(ctx, g); err != nil {
			return err
		}
		// It is edited at once, held or not.
		return people.Patch(ctx, object, client.RawPatch(types.MergePatchType, []byte(`{"data":{"level":"under glass"}}`)), client.FieldOwner("kubectl-edit"))
	}
	list := &v1alpha1.BreakGlassList{}
	if err := people.List(ctx, list); err != nil || len(list.Items) == 0 {
		return err
	}
	g := &list.Items[random.IntN(len(list.Items))]
	if random.IntN(2) == 0 {
		return client.IgnoreNotFound(people.Delete(ctx, g))
	}
	return client.IgnoreNotFound(people.Patch(ctx, g, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"closed":true}}`))))
}

// randomObject is one that git declares.
func randomObject(random *rand.Rand) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Namespace: fmt.Sprintf("soak-%d", random.IntN(apps)), Name: fmt.Sprintf("c%d", random.IntN(objects)),
	}}
}

// givenBack fails where a BreakGlass or a hold is left.
func givenBack(ctx context.Context, t *testing.T, people client.Client, replicas []*harness.Instance) {
	t.Helper()
	deadline := time.Now().Add(outliving)
	for {
		left := holds(ctx, t, people)
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still there: %v\n%s", left, logs(t, replicas))
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// holds are the BreakGlasses that are not over and the objects that Flux is held off.
func holds(ctx context.Context, t *testing.T, people client.Client) []string {
	t.Helper()
	var left []string
	glasses := &v1alpha1.BreakGlassList{}
	if err := people.List(ctx, glasses); err != nil {
		t.Fatal(err)
	}
	for _, g := range glasses.Items {
		if g.Status.Ended == nil || len(g.Finalizers) > 0 {
			left = append(left, fmt.Sprintf("BreakGlass %s %+v", g.Name, g.Status))
		}
	}
	list := &corev1.ConfigMapList{}
	if err := people.List(ctx, list, client.HasLabels{ownership.Kustomization.NameLabel()}); err != nil {
		t.Fatal(err)
	}
	for _, object := range list.Items {
		for _, key := range []string{ownership.Hold, ownership.Reconcile} {
			if value, on := object.Annotations[key]; on {
				left = append(left, fmt.Sprintf("%s/%s %s=%s", object.Namespace, object.Name, key, value))
			}
		}
	}
	return left
}
