package policy

import (
	"context"
	"fmt"
	"path"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
)

// Reasons of the condition Accepted.
const (
	// ReasonValid is that of a policy that can be read.
	ReasonValid = "Valid"
	// ReasonUnreadable is that of a policy with a pattern or a selector that cannot be read.
	ReasonUnreadable = "Unreadable"
)

// Unreadable names the patterns and selectors of a policy that cannot be read, each with what it means; none if it is all
// right.
func Unreadable(policy *v1alpha1.EditPolicy) []string {
	var out []string
	patterns := func(field string, list []string) {
		for i, pattern := range list {
			if _, err := path.Match(pattern, ""); err != nil {
				out = append(out, fmt.Sprintf("spec.match.%s[%d]: %q is no pattern that can be read, so it matches nothing but this very text", field, i, pattern))
			}
		}
	}
	patterns("namespaces", policy.Spec.Match.Namespaces)
	patterns("owners", policy.Spec.Match.Owners)
	if _, err := metav1.LabelSelectorAsSelector(policy.Spec.Match.NamespaceSelector); err != nil {
		out = append(out, fmt.Sprintf("spec.match.namespaceSelector: %v; so the policy matches nothing", err))
	}
	return out
}

// Acceptor sets the condition Accepted of every policy.
type Acceptor struct {
	Client client.Client
}

// SetupWithManager registers the acceptor, which runs on the leader.
func (a *Acceptor) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("editpolicy").
		For(&v1alpha1.EditPolicy{}).
		Complete(a)
}

// Reconcile sets the condition of one policy.
func (a *Acceptor) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	policy := &v1alpha1.EditPolicy{}
	if err := a.Client.Get(ctx, req.NamespacedName, policy); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	before := policy.DeepCopy()
	apimeta.SetStatusCondition(&policy.Status.Conditions, accepted(policy))
	if equality.Semantic.DeepEqual(before.Status, policy.Status) {
		return reconcile.Result{}, nil
	}
	err := a.Client.Status().Patch(ctx, policy, client.MergeFrom(before))
	return reconcile.Result{}, client.IgnoreNotFound(err)
}

func accepted(policy *v1alpha1.EditPolicy) metav1.Condition {
	condition := metav1.Condition{
		Type: v1alpha1.ConditionAccepted, Status: metav1.ConditionTrue, ObservedGeneration: policy.Generation,
		Reason: ReasonValid, Message: "Every pattern can be read",
	}
	if problems := Unreadable(policy); len(problems) > 0 {
		condition.Status, condition.Reason = metav1.ConditionFalse, ReasonUnreadable
		condition.Message = strings.Join(problems, "; ")
	}
	return condition
}
