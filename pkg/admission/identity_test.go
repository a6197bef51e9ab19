package admission

import (
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

func TestTrusts(t *testing.T) {
	pod := func(name string) map[string]authenticationv1.ExtraValue {
		return map[string]authenticationv1.ExtraValue{podName: {name}}
	}
	certificate := map[string]authenticationv1.ExtraValue{credentialID: {"X509SHA256=5d41"}}
	const flux = "system:serviceaccount:flux-system:kustomize-controller"
	for _, test := range []struct {
		name string
		user authenticationv1.UserInfo
		want bool
	}{
		{"Flux in its Pod", authenticationv1.UserInfo{Username: flux, UID: "1", Extra: pod("kustomize-controller-6b4f-x")}, true},
		{"somebody who impersonates Flux", authenticationv1.UserInfo{Username: flux}, false},
		{"a token of Flux's account outside of a Pod", authenticationv1.UserInfo{Username: flux, UID: "1"}, false},
		{"another Pod with Flux's account", authenticationv1.UserInfo{Username: flux, UID: "1", Extra: pod("debug")}, false},
		{"a Pod whose name only contains Flux's", authenticationv1.UserInfo{Username: flux, UID: "1", Extra: pod("my-kustomize-controller-1")}, false},
		{"no uid", authenticationv1.UserInfo{Username: flux, Extra: pod("kustomize-controller-6b4f-x")}, false},
		{"two Pods", authenticationv1.UserInfo{Username: flux, UID: "1", Extra: map[string]authenticationv1.ExtraValue{podName: {"kustomize-controller-1", "debug"}}}, false},
		{"a controller of that name elsewhere", authenticationv1.UserInfo{Username: "system:serviceaccount:mine:kustomize-controller", UID: "1", Extra: pod("kustomize-controller-6b4f-x")}, false},
		{"another account in Flux's namespace", authenticationv1.UserInfo{Username: "system:serviceaccount:flux-system:default", UID: "1", Extra: pod("default-1")}, false},
		{"this controller", authenticationv1.UserInfo{Username: "system:serviceaccount:flux-system:gitops-drift", UID: "1", Extra: pod("gitops-drift-79c-y")}, true},
		{"a controller of the cluster", authenticationv1.UserInfo{Username: "system:serviceaccount:kube-system:namespace-controller", UID: "1"}, true},
		{"somebody who impersonates one", authenticationv1.UserInfo{Username: "system:serviceaccount:kube-system:namespace-controller"}, false},
		{"a Pod in kube-system", authenticationv1.UserInfo{Username: "system:serviceaccount:kube-system:addon", UID: "1", Extra: pod("addon-1")}, false},
		{"the controller manager with a certificate", authenticationv1.UserInfo{Username: "system:kube-controller-manager", Extra: certificate}, true},
		{"the controller manager with a token", authenticationv1.UserInfo{Username: "system:kube-controller-manager", UID: "1"}, true},
		{"somebody who impersonates it", authenticationv1.UserInfo{Username: "system:kube-controller-manager", Groups: []string{"system:authenticated"}}, false},
		{"the scheduler", authenticationv1.UserInfo{Username: "system:kube-scheduler", Extra: certificate}, true},
		{"somebody who impersonates the scheduler", authenticationv1.UserInfo{Username: "system:kube-scheduler"}, false},
		{"the API server", authenticationv1.UserInfo{Username: "system:apiserver", UID: "1", Groups: []string{"system:masters"}}, true},
		{"somebody who impersonates the API server", authenticationv1.UserInfo{Username: "system:apiserver", Groups: []string{"system:masters"}}, false},
		{"a node with a certificate", authenticationv1.UserInfo{Username: "system:node:a", Groups: []string{"system:nodes"}, Extra: certificate}, true},
		{"a node of a cloud that knows it by a token", authenticationv1.UserInfo{Username: "system:node:a", UID: "aws:1", Groups: []string{"system:nodes"}}, true},
		{"somebody who impersonates a node", authenticationv1.UserInfo{Username: "system:node:a", Groups: []string{"system:nodes"}}, false},
		{"an administrator", authenticationv1.UserInfo{Username: "admin", Groups: []string{"system:masters"}}, false},
	} {
		if got := installation().Trusts(test.user); (got != "") != test.want {
			t.Errorf("%s: got %q, want trusted %v", test.name, got, test.want)
		}
	}
}

func TestMoreControllersOfFlux(t *testing.T) {
	i := installation()
	i.FluxNamespace = "gitops"
	i.FluxControllers = []types.NamespacedName{
		{Namespace: "gitops", Name: "tenants-kustomize-controller"},
		{Namespace: "flux-operator", Name: "flux-operator"},
	}
	user := func(namespace, account, pod string) authenticationv1.UserInfo {
		return authenticationv1.UserInfo{
			Username: "system:serviceaccount:" + namespace + ":" + account, UID: "1",
			Extra: map[string]authenticationv1.ExtraValue{podName: {pod}},
		}
	}
	for _, test := range []struct {
		namespace, account, pod string
		want                    bool
	}{
		{"gitops", "kustomize-controller", "kustomize-controller-6b4f-x", true},
		{"gitops", "kustomize-controller", "kustomize-controller-shard1-6b4f-x", true},
		{"gitops", "kustomize-controller", "kustomize-controller-0", true},
		{"gitops", "kustomize-controller", "tenants-kustomize-controller-6b4f-x", true},
		{"gitops", "tenants-kustomize-controller", "tenants-kustomize-controller-6b4f-x", true},
		{"gitops", "kustomize-controller", "flux-operator-6b4f-x", false},
		{"flux-system", "kustomize-controller", "kustomize-controller-6b4f-x", false},
		{"flux-operator", "flux-operator", "flux-operator-6b4f-x", true},
		{"flux-operator", "flux-operator", "debug", false},
		{"flux-operator", "kustomize-controller", "kustomize-controller-6b4f-x", false},
		{"gitops", "flux-operator", "flux-operator-6b4f-x", false},
	} {
		if got := i.Trusts(user(test.namespace, test.account, test.pod)); (got != "") != test.want {
			t.Errorf("%+v: got %q", test, got)
		}
	}
}

func TestApplies(t *testing.T) {
	owner := ownership.Owner{Kind: ownership.Kustomization, Namespace: "tenant", Name: "apps"}
	as := func(name string) authenticationv1.UserInfo {
		return authenticationv1.UserInfo{Username: "system:serviceaccount:" + name, Groups: []string{"system:serviceaccounts", "system:serviceaccounts:tenant", "system:authenticated"}}
	}
	masters := as("tenant:deployer")
	masters.Groups = append(masters.Groups, "system:masters")
	withUID := as("tenant:deployer")
	withUID.UID = "1"
	for _, test := range []struct {
		name              string
		user              authenticationv1.UserInfo
		account, fallback string
		want              bool
	}{
		{"the owner's account", as("tenant:deployer"), "deployer", "", true},
		{"the owner's account, not the default", as("tenant:deployer"), "deployer", "default", true},
		{"the default where the owner names another", as("tenant:default"), "deployer", "default", false},
		{"the default", as("tenant:default"), "", "default", true},
		{"the default of another namespace", as("flux-system:default"), "", "default", false},
		{"no default", as("tenant:default"), "", "", false},
		{"an account without a name", as("tenant:"), "", "", false},
		{"somebody who takes more groups", masters, "deployer", "", false},
		{"a token of the account", withUID, "deployer", "", false},
	} {
		i := installation()
		i.DefaultServiceAccount = test.fallback
		if got := i.applies(test.user, owner, test.account); got != test.want {
			t.Errorf("%s: got %v", test.name, got)
		}
	}
}
