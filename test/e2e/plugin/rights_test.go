package plugin

import (
	"slices"
	"testing"

	"github.com/gitops-drift/gitops-drift/test/harness"
)

// team may do everything in namespace shop, and read Kustomizations and sources in flux-system, and nothing else.
const team = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: team, namespace: shop}
rules: [{apiGroups: ["*"], resources: ["*"], verbs: ["*"]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: team, namespace: shop}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: team}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: team@contoso.com}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: team, namespace: flux-system}
rules: [{apiGroups: [kustomize.toolkit.fluxcd.io, source.toolkit.fluxcd.io], resources: ["*"], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: team, namespace: flux-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: team}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: team@contoso.com}]
`

// grant gives rights for the time of a test.
func grant(t *testing.T, manifest string) {
	t.Helper()
	kubectl(t, manifest, "apply", "-f", "-")
	t.Cleanup(func() { kubectl(t, manifest, "delete", "-f", "-") })
}

func TestWhoHasRightsInOneNamespaceSeesItsDriftAndLearnsWhatElseIsMissing(t *testing.T) {
	restore(t, shop)
	grant(t, team)
	kubectl(t, "", "set", "resources", "deployment/api", "-n", "shop", "--limits=memory=1Gi")
	kubectl(t, "", "patch", "secret/token", "-n", "shop", "--type=merge", "-p", `{"stringData":{"password":"battery-staple"}}`)
	kubectl(t, "", "delete", "configmap/settings", "-n", "shop")
	// What belongs to an owner that cannot be read is there, and is not compared.
	kubectl(t, foreign, "apply", "--server-side", "--field-manager=kustomize-controller", "-f", "-")
	t.Cleanup(func() { kubectl(t, "", "delete", "configmap/foreign", "-n", "shop") })
	result := drift(t, harness.OnCall, "--as", "team@contoso.com")
	want(t, result, 2,
		"512Mi", "1Gi", "shop/secret/token", "***", "shop/configmap/settings", "recreate in ≤",
		"2 fields of 2 objects differ from git and 1 object is missing; 2 objects and 3 owners could not be checked.",
		"Orphans were not looked for among APIService.apiregistration.k8s.io, ", "and were looked for only in flux-system and shop among ",
		"error: Kustomizations: only those in flux-system can be listed, and others may manage objects too; ask for the right to list them in every namespace: ",
		`cannot list resource "kustomizations" in API group "kustomize.toolkit.fluxcd.io" at the cluster scope`,
		"error: HelmReleases: they cannot be listed; ask for the right to list them",
		"error: Kustomization/default/foreign: the object of it here cannot be compared, for it cannot be read: ",
		`cannot get resource "kustomizations" in API group "kustomize.toolkit.fluxcd.io" in the namespace "default"`,
		`error: namespace/paused of Kustomization/flux-system/paused: `,
		`User "team@contoso.com" cannot get resource "configmaps" in API group "" in the namespace "paused"`)
	// What one asks about alone, and may see, needs nothing else.
	want(t, drift(t, harness.OnCall, "--as", "team@contoso.com", "--owner", "ks/flux-system/shop", "-n", "shop"), 1,
		"2 fields of 2 objects differ from git and 1 object is missing.")
	for _, item := range decode(t, drift(t, harness.OnCall, "--as", "team@contoso.com", "-o", "json").Stdout).Unlisted {
		if item.Kind == "ConfigMap" && !slices.Equal(item.Namespaces, []string{"shop"}) {
			t.Errorf("ConfigMaps are looked for in %v", item.Namespaces)
		}
	}
}

// foreign is an object of an owner in another namespace.
const foreign = `
apiVersion: v1
kind: ConfigMap
metadata:
  name: foreign
  namespace: shop
  labels: {kustomize.toolkit.fluxcd.io/name: foreign, kustomize.toolkit.fluxcd.io/namespace: default}
`

// noSecrets may do everything but with Secrets.
const noSecrets = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: no-secrets}
rules:
  - {apiGroups: [""], resources: [configmaps, namespaces, services], verbs: ["*"]}
  - {apiGroups: [apps, kustomize.toolkit.fluxcd.io, source.toolkit.fluxcd.io, helm.toolkit.fluxcd.io], resources: ["*"], verbs: ["*"]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: no-secrets}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: no-secrets}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: blind@contoso.com}]
`

func TestWhoMayNotReadOneKindLearnsSoAndSeesTheOthers(t *testing.T) {
	restore(t, shop)
	grant(t, noSecrets)
	kubectl(t, "", "set", "resources", "deployment/api", "-n", "shop", "--limits=memory=1Gi")
	want(t, drift(t, harness.OnCall, "--as", "blind@contoso.com"), 2,
		"shop/deployment/api", "1 field of 1 object differs from git; 1 object could not be checked.",
		`error: shop/secret/token of Kustomization/flux-system/shop: secrets "token" is forbidden: `+
			`User "blind@contoso.com" cannot get resource "secrets" in API group "" in the namespace "shop"`)
}
