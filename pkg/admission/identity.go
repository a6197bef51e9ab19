package admission

import (
	"cmp"
	"slices"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fluxcd/pkg/ssa"

	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// Installation says how Flux and this controller are installed in the cluster.
type Installation struct {
	// FluxNamespace is where Flux's controllers run.
	FluxNamespace string
	// FluxControllers are those beyond the ones that every Flux has: service accounts, and at the same time the names of
	// the Deployments or StatefulSets whose Pods may also run as one of Flux's usual accounts there (shards).
	FluxControllers []types.NamespacedName
	// DefaultServiceAccount is the --default-service-account of Flux's controllers, empty for none.
	DefaultServiceAccount string
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

// What the API server notes about a user beside names and groups. Plain impersonation has none of it.
const (
	// podName is read from a token that is bound to a Pod.
	podName = "authentication.kubernetes.io/pod-name"
	// credentialID is that of a client certificate (since Kubernetes 1.32) or of a token.
	credentialID = "authentication.kubernetes.io/credential-id"
)

const (
	serviceAccountPrefix = "system:serviceaccount:"
	serviceAccountsGroup = "system:serviceaccounts"
	allAuthenticated     = "system:authenticated"
	clusterNamespace     = "kube-system"
	nodesGroup           = "system:nodes"
)

// clusterUsers are the components of the control plane that log in under their own names.
var clusterUsers = []string{"system:kube-controller-manager", "system:kube-scheduler", "system:apiserver"}

// Trusts says why this writer's edits are never judged, empty if they are.
//
// Names and groups alone prove nothing, because whoever may impersonate can take them. A controller in a Pod must show
// the uid and the Pod's name that only its token carries. The controllers of kube-controller-manager use tokens of
// service accounts in kube-system that are bound to no Pod. Components of the control plane and nodes come with a
// certificate, the API server to itself with a token that has a uid.
func (i *Installation) Trusts(user authenticationv1.UserInfo) string {
	namespace, account, ok := serviceAccount(user)
	switch {
	case ok && i.flux(namespace, account) && i.inFluxPod(user, namespace, account):
		return "Flux's " + account
	case ok && namespace == i.Namespace && account == i.ServiceAccount && inPodOf(user, account):
		return "this controller"
	case ok && namespace == clusterNamespace && user.UID != "" && len(user.Extra[podName]) == 0:
		return "a controller of the cluster"
	case slices.Contains(clusterUsers, user.Username) && authenticated(user):
		return "a component of the cluster"
	case slices.Contains(user.Groups, nodesGroup) && authenticated(user):
		return "a node"
	}
	return ""
}

// flux reports whether this is a service account of one of Flux's controllers.
func (i *Installation) flux(namespace, account string) bool {
	return namespace == i.FluxNamespace && slices.Contains(fluxControllers, account) ||
		slices.Contains(i.FluxControllers, types.NamespacedName{Namespace: namespace, Name: account})
}

// inFluxPod reports whether the user came with the token of a Pod of this controller, or of one that the installation
// adds in the same namespace.
func (i *Installation) inFluxPod(user authenticationv1.UserInfo, namespace, account string) bool {
	return inPodOf(user, account) || slices.ContainsFunc(i.FluxControllers, func(c types.NamespacedName) bool {
		return c.Namespace == namespace && inPodOf(user, c.Name)
	})
}

// inPodOf reports whether the user came with the token of a Pod of this Deployment (NAME-HASH-RANDOM) or StatefulSet
// (NAME-ORDINAL). A Pod by hand can have such a name too: who may create Pods with Flux's account is Flux.
func inPodOf(user authenticationv1.UserInfo, workload string) bool {
	pod := user.Extra[podName]
	return user.UID != "" && len(pod) == 1 && strings.HasPrefix(pod[0], workload+"-")
}

// authenticated reports whether the user came with a credential of their own rather than by plain impersonation. Not all
// ways of authentication note an id of the credential: tokens from a file and many webhooks note a uid.
func authenticated(user authenticationv1.UserInfo) bool {
	return user.UID != "" || len(user.Extra[credentialID]) > 0
}

// applies reports whether this is Flux in the guise of one of the service accounts that owner names, or else of the default
// one: Flux impersonates it by name, so it comes with no more than the groups that every service account has and, unlike a
// token of that account, without a uid.
func (i *Installation) applies(user authenticationv1.UserInfo, owner ownership.Owner, accounts ...string) bool {
	namespace, name, ok := serviceAccount(user)
	if !ok || name == "" || namespace != owner.Namespace || !impersonated(user) {
		return false
	}
	usual := []string{allAuthenticated, serviceAccountsGroup, serviceAccountsGroup + ":" + namespace}
	if slices.ContainsFunc(user.Groups, func(group string) bool { return !slices.Contains(usual, group) }) {
		return false
	}
	return slices.ContainsFunc(accounts, func(account string) bool {
		return name == cmp.Or(account, i.DefaultServiceAccount)
	})
}

// impersonated reports whether nothing but names is known of the user.
func impersonated(user authenticationv1.UserInfo) bool { return user.UID == "" && len(user.Extra) == 0 }

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
