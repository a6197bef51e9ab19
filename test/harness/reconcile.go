package harness

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ErrNotReady is in the error of [Cluster.Reconcile] when Flux handled the request and failed.
var ErrNotReady = errors.New("not ready")

// Reconcile makes the real Flux reconcile a Kustomization and returns it once this very request is handled,
// with the revision that its GitRepository has now. Where Flux failed, the error wraps [ErrNotReady] and
// carries its message; the Kustomization is returned too. Flux does not reconcile what is suspended: an error.
func (c *Cluster) Reconcile(ctx context.Context, key client.ObjectKey) (*kustomizev1.Kustomization, error) {
	token := time.Now().Format(time.RFC3339Nano) + "-" + rand.Text()
	owner := &kustomizev1.Kustomization{}
	owner.Namespace, owner.Name = key.Namespace, key.Name
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, meta.ReconcileRequestAnnotation, token)
	if err := c.admin.Patch(ctx, owner, client.RawPatch(types.MergePatchType, []byte(patch)), installer); err != nil {
		return nil, fmt.Errorf("request reconciliation of Kustomization %s: %w", key, err)
	}
	if owner.Spec.Suspend {
		return owner, fmt.Errorf("reconcile Kustomization %s: it is suspended", key)
	}
	revision, err := c.sourceRevision(ctx, owner)
	if err != nil {
		return owner, err
	}
	for {
		if err := c.admin.Get(ctx, key, owner); err != nil {
			return nil, err
		}
		done, err := settled(owner, token, revision)
		if done {
			return owner, err
		}
		// Somebody else's request came between, and Flux handled that: ask again.
		if last := owner.Annotations[meta.ReconcileRequestAnnotation]; last != token && last == owner.Status.GetLastHandledReconcileRequest() {
			if err := c.admin.Patch(ctx, owner, client.RawPatch(types.MergePatchType, []byte(patch)), installer); err != nil {
				return nil, fmt.Errorf("request reconciliation of Kustomization %s again: %w", key, err)
			}
		}
		if timeout := pause(ctx); timeout != nil {
			return owner, fmt.Errorf("reconcile Kustomization %s: %w (%w)", key, timeout, err)
		}
	}
}

// settled tells whether the request is handled and, in the error, how it failed or what is awaited.
func settled(owner *kustomizev1.Kustomization, token, revision string) (bool, error) {
	ready := apimeta.FindStatusCondition(owner.Status.Conditions, meta.ReadyCondition)
	if ready == nil {
		return false, errors.New("no Ready condition")
	}
	state := fmt.Errorf("reconcile Kustomization %s: %w: %s: %s", client.ObjectKeyFromObject(owner), ErrNotReady, ready.Reason, ready.Message)
	if owner.Status.GetLastHandledReconcileRequest() != token || ready.ObservedGeneration != owner.Generation {
		return false, state
	}
	switch ready.Status {
	case metav1.ConditionTrue:
		// The controller's cache may show it the request before the new artifact.
		if revision != "" && owner.Status.LastAppliedRevision != revision {
			return false, fmt.Errorf("revision %s is applied, %s is awaited", owner.Status.LastAppliedRevision, revision)
		}
		return true, nil
	case metav1.ConditionFalse:
		// A reconciliation that was canceled for a newer one is followed by it at once, and one before the
		// controller's cache knew the source or its artifact is retried.
		unseen := revision != "" && ready.Reason == meta.ArtifactFailedReason && strings.HasSuffix(ready.Message, `" not found`) ||
			revision != "" && strings.HasPrefix(ready.Message, "Source artifact not found")
		return ready.Reason != meta.HealthCheckCanceledReason && !unseen, state
	default:
		return false, state
	}
}

// sourceRevision returns the revision of the artifact of the owner's GitRepository; "" if there is none.
func (c *Cluster) sourceRevision(ctx context.Context, owner *kustomizev1.Kustomization) (string, error) {
	ref := owner.Spec.SourceRef
	if ref.Kind != sourcev1.GitRepositoryKind {
		return "", nil
	}
	key := client.ObjectKey{Namespace: ref.Namespace, Name: ref.Name}
	if key.Namespace == "" {
		key.Namespace = owner.Namespace
	}
	source := &sourcev1.GitRepository{}
	if err := c.admin.Get(ctx, key, source); client.IgnoreNotFound(err) != nil {
		return "", err
	}
	if source.Status.Artifact == nil {
		return "", nil
	}
	return source.Status.Artifact.Revision, nil
}
