package admission

import (
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
)

func TestTrusts(t *testing.T) {
	pod := func(name string) map[string]authenticationv1.ExtraValue {
		return map[string]authenticationv1.ExtraValue{podName: {name}}
	}
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
		{"the controller manager", authenticationv1.UserInfo{Username: "system:kube-controller-manager"}, true},
		{"the API server", authenticationv1.UserInfo{Username: "system:apiserver"}, true},
		{"a node", authenticationv1.UserInfo{Username: "system:node:a", Groups: []string{"system:nodes"}}, true},
		{"an administrator", authenticationv1.UserInfo{Username: "admin", Groups: []string{"system:masters"}}, false},
	} {
		if got := installation().Trusts(test.user); (got != "") != test.want {
			t.Errorf("%s: got %q, want trusted %v", test.name, got, test.want)
		}
	}
}
