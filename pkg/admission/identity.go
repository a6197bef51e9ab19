package admission

import (
	"slices"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/fluxcd/pkg/ssa"

	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// Installation says how Flux and this controller are installed in the cluster.
type Installation struct {
	// FluxNamespace is where Flux's controllers run.
	FluxNamespace string
	// Namespace and ServiceAccount are this controller's own.
	Namespace, ServiceAccount string
	// Takeover lists the managers that Flux takes over from; see ownership.Takeover.
	Takeover []ssa.FieldManager
}

// fluxControllers are the service accounts, and at the same time the Deployments, of Flux.
var fluxControllers = []string{
	"kustomize-controller", "helm-controller", "source-controller", "notification-controller",
	"image-reflector-controller", "image-automation-controller", "source-watcher",
}

// podName is the extra user information that the API server reads from a token bound to a Pod.
const podName = "authentication.kubernetes.io/pod-name"

const (
	serviceAccountPrefix = "system:serviceaccount:"
	clusterNamespace     = "kube-system"
	nodesGroup           = "system:nodes"
)

// clusterUsers are the components of the control plane that log in under their own names.
var clusterUsers = []string{"system:kube-controller-manager", "system:kube-scheduler", "system:apiserver"}

// Trusts says why this writer's edits are never judged, empty if they are.
//
// Names alone prove little, because whoever may impersonate can take one: a controller in a Pod must show the uid and
// the Pod's name that only its token carries (plain impersonation has neither). The controllers of
// kube-controller-manager use tokens of service accounts in kube-system that are bound to no Pod.
func (i *Installation) Trusts(user authenticationv1.UserInfo) string {
	namespace, account, ok := serviceAccount(user)
	switch {
	case ok && namespace == i.FluxNamespace && slices.Contains(fluxControllers, account) && inPodOf(user, account):
		return "Flux's " + account
	case ok && namespace == i.Namespace && account == i.ServiceAccount && inPodOf(user, account):
		return "this controller"
	case ok && namespace == clusterNamespace && user.UID != "" && len(user.Extra[podName]) == 0:
		return "a controller of the cluster"
	case slices.Contains(clusterUsers, user.Username):
		return "a component of the cluster"
	case slices.Contains(user.Groups, nodesGroup):
		return "a node"
	}
	return ""
}

// inPodOf reports whether the user came with the token of a Pod of this Deployment.
func inPodOf(user authenticationv1.UserInfo, deployment string) bool {
	pod := user.Extra[podName]
	return user.UID != "" && len(pod) == 1 && strings.HasPrefix(pod[0], deployment+"-")
}

// applies reports whether this is Flux in the guise of the service account that owner names: Flux impersonates it, so
// it comes with a name and groups but, unlike a token of that account, without a uid.
func applies(user authenticationv1.UserInfo, owner ownership.Owner, account string) bool {
	namespace, name, ok := serviceAccount(user)
	return ok && account != "" && namespace == owner.Namespace && name == account && user.UID == "" && len(user.Extra) == 0
}

// person reports whether this is a human or a pipeline that logs in as one.
func person(user authenticationv1.UserInfo) bool {
	_, _, ok := serviceAccount(user)
	return !ok
}

func serviceAccount(user authenticationv1.UserInfo) (namespace, name string, ok bool) {
	rest, ok := strings.CutPrefix(user.Username, serviceAccountPrefix)
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, ":")
}
