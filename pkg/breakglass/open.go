package breakglass

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
)

// looking is the time between two looks at a BreakGlass that is awaited.
const looking = 100 * time.Millisecond

// errNotInstalled is returned where the cluster does not serve BreakGlasses.
var errNotInstalled = errors.New("nobody can break glass in this cluster: the CRD breakglasses.gitops-drift.dev is not installed; install gitops-drift with kubectl apply --server-side -k manifests/crds, then one of its overlays")

// notInName is what an object's name may have and that of a BreakGlass may not.
var notInName = regexp.MustCompile(`[^a-z0-9.-]+`)

// Open creates a BreakGlass in the name of the user that c logs in as, named after its object. The error is for that user;
// what the webhook says against it is among it.
func Open(ctx context.Context, c client.Client, spec v1alpha1.BreakGlassSpec) (*v1alpha1.BreakGlass, error) {
	who := &authenticationv1.SelfSubjectReview{}
	if err := c.Create(ctx, who); err != nil {
		return nil, fmt.Errorf("ask the API server who you are: %w", err)
	}
	spec.RequestedBy = who.Status.UserInfo.Username
	stem := strings.Trim(notInName.ReplaceAllString(strings.ToLower(spec.Object.Name), "-"), ".-")
	g := &v1alpha1.BreakGlass{ObjectMeta: metav1.ObjectMeta{GenerateName: stem[:min(len(stem), 50)] + "-"}, Spec: spec}
	if err := c.Create(ctx, g); err != nil {
		return nil, explain(err, "create")
	}
	return g, nil
}

// List returns all BreakGlasses, the newest first.
func List(ctx context.Context, c client.Reader) ([]v1alpha1.BreakGlass, error) {
	list := &v1alpha1.BreakGlassList{}
	if err := c.List(ctx, list); err != nil {
		return nil, explain(err, "list")
	}
	slices.SortStableFunc(list.Items, func(a, b v1alpha1.BreakGlass) int { return b.CreationTimestamp.Compare(a.CreationTimestamp.Time) })
	return list.Items, nil
}

// Close ends a BreakGlass before its time. One that has ended stays as it is.
func Close(ctx context.Context, c client.Client, name string) (*v1alpha1.BreakGlass, error) {
	g := &v1alpha1.BreakGlass{ObjectMeta: metav1.ObjectMeta{Name: name}}
	err := c.Patch(ctx, g, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"closed":true}}`)), client.FieldOwner("gitops-drift"))
	if apierrors.IsNotFound(err) && !strings.Contains(err.Error(), "requested resource") {
		return nil, fmt.Errorf("there is no BreakGlass %s", name)
	}
	if err != nil {
		return nil, explain(err, "patch")
	}
	return g, nil
}

// Await reads a BreakGlass again until done says that it is as awaited, and reports whether it was before ctx ended or it was
// gone.
func Await(ctx context.Context, c client.Reader, g *v1alpha1.BreakGlass, done func(*v1alpha1.BreakGlass) bool) (bool, error) {
	for !done(g) {
		select {
		case <-ctx.Done():
			return false, nil
		case <-time.After(looking):
		}
		fresh := &v1alpha1.BreakGlass{}
		err := c.Get(ctx, client.ObjectKeyFromObject(g), fresh)
		switch {
		case ctx.Err() != nil, apierrors.IsNotFound(err):
			return false, nil
		case err != nil:
			return false, explain(err, "get")
		}
		*g = *fresh
	}
	return true, nil
}

// explain is an error of the API server for the user who asked for verb.
func explain(err error, verb string) error {
	_, refusal, refused := strings.Cut(err.Error(), "denied the request: ")
	switch {
	case apimeta.IsNoMatchError(err), apierrors.IsNotFound(err) && verb != "get":
		return errNotInstalled
	case refused:
		return errors.New(refusal)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("you may not %s BreakGlasses; ask for the ClusterRole gitops-drift-break-glass: %w", verb, err)
	}
	return fmt.Errorf("%s the BreakGlass: %w", verb, err)
}
