package record

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
)

// page is how many records are read at a time.
const page = 500

// ErrNotInstalled is returned where the cluster does not serve EditRecords.
var ErrNotInstalled = errors.New("this cluster keeps no records of edits: the CRD editrecords.gitops-drift.dev is not installed; install gitops-drift with kubectl apply --server-side -k manifests/crds, then one of its overlays")

// List returns the records of edits in a namespace, of all objects if it is empty, newest first.
func List(ctx context.Context, c client.Reader, namespace string) ([]v1alpha1.EditRecord, error) {
	options := []client.ListOption{}
	if namespace != "" {
		options = append(options, client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("spec.object.namespace", namespace)})
	}
	var out []v1alpha1.EditRecord
	err := each(ctx, c, func(r *v1alpha1.EditRecord) {
		r.ManagedFields = nil
		out = append(out, *r)
	}, options...)
	switch {
	case meta.IsNoMatchError(err), apierrors.IsNotFound(err):
		return nil, ErrNotInstalled
	case apierrors.IsForbidden(err):
		return nil, fmt.Errorf("the records of edits cannot be listed; ask for the ClusterRole gitops-drift-viewer: %w", err)
	case err != nil:
		return nil, fmt.Errorf("the records of edits cannot be listed: %w", err)
	}
	slices.SortStableFunc(out, func(a, b v1alpha1.EditRecord) int {
		if n := b.Spec.LastTime.Compare(a.Spec.LastTime.Time); n != 0 {
			return n
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out, nil
}

// each calls f for every record, page by page.
func each(ctx context.Context, c client.Reader, f func(*v1alpha1.EditRecord), options ...client.ListOption) error {
	next := ""
	for {
		list := &v1alpha1.EditRecordList{}
		if err := c.List(ctx, list, append(options, client.Limit(page), client.Continue(next))...); err != nil {
			return err
		}
		for i := range list.Items {
			f(&list.Items[i])
		}
		if next = list.Continue; next == "" {
			return nil
		}
	}
}
