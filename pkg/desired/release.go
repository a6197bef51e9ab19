package desired

import (
	"context"
	"errors"
	"fmt"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/fluxcd/pkg/apis/meta"
	"github.com/fluxcd/pkg/ssa/normalize"
	ssautil "github.com/fluxcd/pkg/ssa/utils"
	"github.com/opencontainers/go-digest"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/helmstorage"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
	"github.com/gitops-drift/gitops-drift/pkg/redact"
)

// ErrNotReleased is returned for a HelmRelease of which Flux has made no release, or whose release it uninstalled.
var ErrNotReleased = errors.New("Flux has not installed its release")

// The statuses of a release that is not there any more.
const (
	uninstalling = "uninstalling"
	uninstalled  = "uninstalled"
)

// BuildRelease returns the state that Flux last released for hr: the objects of the manifest in Helm's storage for the
// newest release in hr.Status.History, which is what helm-controller itself compares the cluster with, with the labels of
// Flux that are rendered into it and the label and annotations that Helm adds as it applies. Hooks, tests and the CRDs of
// a chart's crds folder are not in it. Flux keeps releases in Secrets alone.
func (b *Builder) BuildRelease(ctx context.Context, hr *helmv2.HelmRelease) (*State, error) {
	if hr.Spec.KubeConfig != nil {
		return nil, ErrElsewhere
	}
	made := Released(hr)
	if made == nil || made.Status == uninstalling || made.Status == uninstalled {
		return nil, ErrNotReleased
	}
	record, err := b.record(ctx, hr, made.Name, made.Version)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("revision %d of release %s, which Flux made, is not in Helm's storage in namespace %s any more: "+
			"somebody uninstalled it or deleted its records; Flux installs it again", made.Version, made.Name, StorageNamespace(hr))
	}
	if err != nil {
		return nil, err
	}
	state := &State{
		Owner:      ownership.Owner{Kind: ownership.HelmRelease, Namespace: hr.Namespace, Name: hr.Name},
		Revision:   made.ChartVersion,
		Generation: hr.Generation,
		Digest:     made.Digest,
		Hidden:     &redact.Values{},
	}
	b.hideValues(ctx, hr, record.Config, state.Hidden)
	if state.ByHand, err = b.byHand(ctx, hr, made, record); err != nil {
		return nil, err
	}
	state.Objects, err = b.manifest(record)
	return state, err
}

// Released is the newest release that Flux made for hr, nil if there is none.
func Released(hr *helmv2.HelmRelease) *helmv2.Snapshot {
	var newest *helmv2.Snapshot
	for _, snapshot := range hr.Status.History {
		if newest == nil || snapshot.Version > newest.Version {
			newest = snapshot
		}
	}
	return newest
}

// StorageNamespace is where Helm keeps the records of the release.
func StorageNamespace(hr *helmv2.HelmRelease) string {
	if hr.Status.StorageNamespace != "" {
		return hr.Status.StorageNamespace
	}
	return hr.GetStorageNamespace()
}

// record reads a revision of the release from Helm's storage.
func (b *Builder) record(ctx context.Context, hr *helmv2.HelmRelease, release string, revision int) (*helmstorage.Record, error) {
	key := client.ObjectKey{Namespace: StorageNamespace(hr), Name: helmstorage.Name(release, revision)}
	var secret corev1.Secret
	if err := b.client.Get(ctx, key, &secret); err != nil {
		return nil, unreadable(key, err)
	}
	record, err := helmstorage.Decode(secret.Data[helmstorage.Key])
	switch {
	case err != nil:
		return nil, fmt.Errorf("Helm's record in Secret %s cannot be read: %w", key, err)
	case record.Name != release || record.Version != revision:
		return nil, fmt.Errorf("Helm's record in Secret %s is of another release than its name says", key)
	}
	return record, nil
}

func unreadable(secret client.ObjectKey, err error) error {
	if apierrors.IsForbidden(err) {
		return fmt.Errorf("what Flux released is in Secret %s, which you may not read; ask for the right to get secrets in namespace %s: %w",
			secret.Name, secret.Namespace, err)
	}
	return fmt.Errorf("read Helm's record: %w", err)
}

// byHand says what somebody else than Flux did to the release since Flux made it, empty if nothing. While Flux works on
// the release, nobody can tell who makes the next revision.
func (b *Builder) byHand(ctx context.Context, hr *helmv2.HelmRelease, made *helmv2.Snapshot, record *helmstorage.Record) (string, error) {
	if apimeta.IsStatusConditionTrue(hr.Status.Conditions, meta.ReconcilingCondition) {
		return "", nil
	}
	key := client.ObjectKey{Namespace: StorageNamespace(hr), Name: helmstorage.Name(made.Name, made.Version+1)}
	var next metav1.PartialObjectMetadata
	next.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	switch err := b.client.Get(ctx, key, &next); {
	case err == nil:
		return fmt.Sprintf("somebody else than Flux made revision %d of release %s; Flux made %d", made.Version+1, made.Name, made.Version), nil
	case !apierrors.IsNotFound(err):
		return "", unreadable(key, err)
	}
	// Before, the digest was taken of something else (helm-controller 1.4).
	if made.APIVersion != helmv2.CurrentSnapshotAPIVersion {
		return "", nil
	}
	want, err := digest.Parse(made.Digest)
	if err != nil {
		return "", fmt.Errorf("status.history names no digest of revision %d: %w", made.Version, err)
	}
	got, err := record.Digest(want.Algorithm(), made.OCIDigest)
	if err != nil {
		return "", fmt.Errorf("digest of revision %d: %w", made.Version, err)
	}
	if got != want {
		return fmt.Sprintf("somebody else than Flux changed Helm's record of revision %d of release %s, so what is compared may not be what Flux released",
			made.Version, made.Name), nil
	}
	return "", nil
}

// manifest reads the objects of a record as helm-controller does to detect drift (helm-controller 1.6, internal/action, Diff).
func (b *Builder) manifest(record *helmstorage.Record) ([]Object, error) {
	objects, err := ssautil.ReadObjects(strings.NewReader(record.Manifest))
	if err != nil { // It would be quoted.
		return nil, fmt.Errorf("the manifest of revision %d of release %s is no YAML of Kubernetes objects", record.Version, record.Name)
	}
	if err := normalize.UnstructuredList(objects); err != nil {
		return nil, fmt.Errorf("the manifest of revision %d of release %s has an object that its kind does not allow", record.Version, record.Name)
	}
	out := make([]Object, 0, len(objects))
	for _, object := range objects {
		object.SetLabels(with(object.GetLabels(), "app.kubernetes.io/managed-by", "Helm"))
		object.SetAnnotations(with(with(object.GetAnnotations(),
			"meta.helm.sh/release-name", record.Name), "meta.helm.sh/release-namespace", record.Namespace))
		if err := b.place(object, record.Namespace); err != nil {
			return nil, err
		}
		out = append(out, Object{Unstructured: object})
	}
	return out, nil
}

func with(metadata map[string]string, key, value string) map[string]string {
	if metadata == nil {
		metadata = map[string]string{}
	}
	metadata[key] = value
	return metadata
}

// place puts an object that names no namespace into that of the release, if its kind has namespaces. One of a
// cluster-scoped kind loses its namespace, as in the API server. A kind that is not installed is left as it is.
func (b *Builder) place(object *unstructured.Unstructured, namespace string) error {
	gvk := object.GroupVersionKind()
	mapping, err := b.client.RESTMapper().RESTMapping(gvk.GroupKind(), gvk.Version)
	switch {
	case apimeta.IsNoMatchError(err):
	case err != nil:
		return fmt.Errorf("look up the scope of %s: %w", gvk.Kind, err)
	case mapping.Scope.Name() == apimeta.RESTScopeNameRoot:
		object.SetNamespace("")
	case object.GetNamespace() == "":
		object.SetNamespace(namespace)
	}
	return nil
}
