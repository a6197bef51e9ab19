package admission

import (
	"fmt"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

var (
	deploymentKind     = schema.GroupKind{Group: "apps", Kind: "Deployment"}
	serviceAccountKind = schema.GroupKind{Kind: "ServiceAccount"}
)

// podSpecs are where the kinds that make Pods keep what the Pods look like.
var podSpecs = map[schema.GroupKind][]string{
	podKind:                              {"spec"},
	deploymentKind:                       {"spec", "template", "spec"},
	replicaSetKind:                       {"spec", "template", "spec"},
	jobKind:                              {"spec", "template", "spec"},
	{Group: "apps", Kind: "StatefulSet"}: {"spec", "template", "spec"},
	{Group: "apps", Kind: "DaemonSet"}:   {"spec", "template", "spec"},
	{Kind: "ReplicationController"}:      {"spec", "template", "spec"},
	{Group: "batch", Kind: "CronJob"}:    {"spec", "jobTemplate", "spec", "template", "spec"},
}

// itself is an edit that takes on Flux's identity, or ends Flux; this controller counts as Flux.
type itself struct {
	finding           Finding
	headline, closing string
}

// upgraded is an edit of one of Flux's own Deployments.
type upgraded struct{}

func (upgraded) owner() ownership.Owner { return ownership.Owner{} }

func (upgraded) find(r *Request, facts *Facts) (found, error) {
	if facts.Managed {
		return found{}, nil
	}
	findings, err := noted(r, facts)
	return found{
		findings: findings,
		headline: fmt.Sprintf("%s is a controller that looks after what git declares", objectName(r.Object)),
		closing:  "It is not declared in git itself.",
	}, err
}

// identityReach finds who takes a token of Flux, runs a Pod as Flux, or stops it. Flux's own Deployments run as Flux, and
// may be upgraded by hand where git does not declare them; that is written down.
func identityReach(r *Request, i *Installation) reach {
	if account, ok := tokenOf(r); ok {
		return i.poses(account, r)
	}
	if reach := i.stops(r); reach != nil {
		return reach
	}
	path, ok := podSpecs[r.Object.GroupKind()]
	if !ok || r.New == nil || r.Subresource != "" && r.Subresource != "ephemeralcontainers" {
		return nil
	}
	account := runsAs(r.New, path)
	switch {
	case !i.own(r.Object.Namespace, account):
		return nil
	case i.controller(r.Object) && (r.Object.Name == account || i.flux(r.Object.Namespace, r.Object.Name)):
		if r.Old == nil || !byHand(r.User) {
			return nil
		}
		return upgraded{}
	case r.Old != nil && r.Subresource == "" && runsAs(r.Old, path) == account:
		return nil
	}
	return &itself{
		finding:  Finding{Kind: TakesIdentity},
		headline: fmt.Sprintf("%s runs as service account %s/%s, whose edits nobody judges", objectName(r.Object), r.Object.Namespace, account),
		closing:  "Only the Pods of that controller may. Use a service account of its own.",
	}
}

// tokenOf returns the service account that a request asks a token of: a TokenRequest, or a Secret that Kubernetes puts a token
// into. A Secret that has been for this account before asks for nothing.
func tokenOf(r *Request) (desired.Key, bool) {
	kind := r.Object.GroupKind()
	switch {
	case r.New == nil:
	case kind == serviceAccountKind && r.Subresource == "token":
		return r.Object, true
	case kind == secretKind && r.Subresource == "":
		if t, _, _ := unstructured.NestedString(r.New.Object, "type"); t != string(corev1.SecretTypeServiceAccountToken) {
			break
		}
		account := r.New.GetAnnotations()[corev1.ServiceAccountNameKey]
		if r.Old != nil && r.Old.GetAnnotations()[corev1.ServiceAccountNameKey] == account {
			break
		}
		return desired.Key{Kind: serviceAccountKind.Kind, Namespace: r.Object.Namespace, Name: account}, true
	}
	return desired.Key{}, false
}

// poses says whose identity a token of account gives, nil for one whose edits are judged. A token that is bound to a Pod is
// taken for that of a Pod, so in the cluster's own namespace it gives nothing away.
func (i *Installation) poses(account desired.Key, r *Request) reach {
	bound, _, _ := unstructured.NestedString(r.New.Object, "spec", "boundObjectRef", "kind")
	closing := "Flux's Pods get theirs from kubelet. To act as Flux, change git."
	switch {
	case i.own(account.Namespace, account.Name):
	case account.Namespace == clusterNamespace && bound != podKind.Kind:
		closing = "To have one for other uses, create a service account in another namespace."
	default:
		return nil
	}
	return &itself{
		finding:  Finding{Kind: TakesIdentity},
		headline: fmt.Sprintf("A token of %s lets its bearer edit as %s does, which nobody judges", objectName(account), account.Name),
		closing:  closing,
	}
}

// stops finds an edit that leaves no Pod of one of Flux's controllers, or of this one.
func (i *Installation) stops(r *Request) reach {
	if !i.controller(r.Object) {
		return nil
	}
	out := &itself{
		headline: fmt.Sprintf("%s is a controller that looks after what git declares", objectName(r.Object)),
		closing:  "Without it nothing is applied. To hold Flux off, suspend what it should leave alone.",
	}
	if r.Object.Namespace == i.Namespace && r.Object.Name == i.ServiceAccount {
		out.closing = "Without it nothing is guarded. To remove gitops-drift, delete its ValidatingWebhookConfiguration first."
	}
	switch {
	case r.Operation == admissionv1.Delete && r.Subresource == "":
		out.finding = Finding{Kind: Stopped}
	case r.Operation == admissionv1.Update && (r.Subresource == "" || r.scale()):
		before, after := replicas(r)
		if fields.Equal(before, after) || !fields.Equal(after, int64(0)) {
			return nil
		}
		out.finding = Finding{Kind: Stopped, Path: replicasPath, Old: before, New: after}
	default:
		return nil
	}
	return out
}

// own reports whether a service account is Flux's or this controller's.
func (i *Installation) own(namespace, account string) bool {
	return i.flux(namespace, account) || namespace == i.Namespace && account == i.ServiceAccount
}

// controller reports whether an object is the Deployment of one of Flux's controllers, or of this one. Shards are named
// after the controller.
func (i *Installation) controller(object desired.Key) bool {
	if object.GroupKind() != deploymentKind {
		return false
	}
	named := func(account string) bool {
		return object.Name == account || strings.HasPrefix(object.Name, account+"-")
	}
	return object.Namespace == i.FluxNamespace && slices.ContainsFunc(fluxControllers, named) ||
		slices.Contains(i.FluxControllers, types.NamespacedName{Namespace: object.Namespace, Name: object.Name}) ||
		object.Namespace == i.Namespace && object.Name == i.ServiceAccount
}

// runsAs returns the service account of the Pods that an object makes.
func runsAs(object *unstructured.Unstructured, path []string) string {
	account, _, _ := unstructured.NestedString(object.Object, append(slices.Clone(path), "serviceAccountName")...)
	if account == "" {
		// The older name of the field: a template may have only that.
		account, _, _ = unstructured.NestedString(object.Object, append(slices.Clone(path), "serviceAccount")...)
	}
	return account
}

func (t *itself) owner() ownership.Owner { return ownership.Owner{} }

func (t *itself) find(*Request, *Facts) (found, error) {
	return found{findings: []Finding{t.finding}, headline: t.headline, closing: t.closing}, nil
}
