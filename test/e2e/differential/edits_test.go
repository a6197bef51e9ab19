package differential

import "strings"

// edit is one way in which a person changes what Flux manages.
type edit struct {
	name string
	// run is a list of kubectl command lines, or of one kubectl edit (see editor).
	run [][]string
	// stdin is given to the commands that read a manifest from -.
	stdin string
	// editor is the sed expression with which kubectl edit's editor changes the file.
	editor string
	// none says that the edit must not be reported at all.
	none bool
	// persists says that at least one finding must be predicted never to be reverted.
	persists bool
	// kustomization says that Flux can undo it on objects of Kustomizations alone: of a HelmRelease it patches the very port
	// that its dry-run gave out, which the API server refuses.
	kustomization bool
}

func kubectl(args ...string) [][]string { return [][]string{args} }

func patch(object, kind, body string, more ...string) [][]string {
	return kubectl(append([]string{"patch", object, "-n", "shop", "--type", kind, "-p", body}, more...)...)
}

const byHand = "--field-manager=flux-client-side-apply"

const debugEnv = `{"spec":{"template":{"spec":{"containers":[{"name":"api","env":[{"name":"DEBUG","value":"1"}]}]}}}}`

const serverSide = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec:
  replicas: 5
  minReadySeconds: 7
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      containers:
        - {name: api, image: "registry.example.com/api:2.0"}
`

const narrowed = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec: {podSelector: {matchLabels: {app: api}}}
`

const relabelled = `
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  namespace: shop
  labels: {kustomize.toolkit.fluxcd.io/name: shop, kustomize.toolkit.fluxcd.io/namespace: flux-system}
data: {level: info, color: blue}
`

const shaped = `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {shape: round}
`

const sameValues = `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {level: info, color: blue}
`

const clientSide = `
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {level: debug, color: blue, shape: round}
`

const secretApply = `
apiVersion: v1
kind: Secret
metadata: {name: token, namespace: shop}
stringData: {password: battery-staple, extra: leaked-value}
`

var edits = []edit{
	{name: "kubectl edit of a declared limit", run: kubectl("edit", "deployment/api", "-n", "shop"), editor: "s/memory: 512Mi/memory: 1Gi/"},
	{name: "merge patch of a declared replica count", run: patch("deployment/api", "merge", `{"spec":{"replicas":7}}`)},
	{name: "env added by strategic patch", run: patch("deployment/api", "strategic", debugEnv)},
	{name: "env added by a manager that Flux leaves alone", run: patch("deployment/api", "strategic", debugEnv, byHand), persists: true},
	{name: "declared env changed by a manager that Flux leaves alone", run: patch("deployment/api", "strategic",
		`{"spec":{"template":{"spec":{"containers":[{"name":"api","env":[{"name":"LEVEL","value":"debug"}]}]}}}}`, byHand)},
	{name: "env added, and its value changed by a manager that Flux leaves alone", run: [][]string{
		{"patch", "deployment/api", "-n", "shop", "--type", "strategic", "-p", debugEnv},
		{"patch", "deployment/api", "-n", "shop", "--type", "strategic", "-p", strings.Replace(debugEnv, `"1"`, `"2"`, 1), byHand}}},
	{name: "a struct added, and a field of it by a manager that Flux leaves alone", persists: true, run: [][]string{
		{"patch", "deployment/api", "-n", "shop", "--type", "strategic", "-p", `{"spec":{"template":{"spec":{"containers":[{"name":"api","securityContext":{"privileged":false}}]}}}}`},
		{"patch", "deployment/api", "-n", "shop", "--type", "strategic", "-p", `{"spec":{"template":{"spec":{"containers":[{"name":"api","securityContext":{"runAsUser":1000}}]}}}}`, byHand}}},
	{name: "kubectl set env adds", run: kubectl("set", "env", "deployment/api", "-n", "shop", "TRACE=on")},
	{name: "kubectl set env changes", run: kubectl("set", "env", "deployment/api", "-n", "shop", "LEVEL=debug")},
	{name: "kubectl set env removes", run: kubectl("set", "env", "deployment/api", "-n", "shop", "REGION-")},
	{name: "kubectl set image", run: kubectl("set", "image", "deployment/api", "-n", "shop", "api=registry.example.com/api:9.9")},
	{name: "kubectl set resources", run: kubectl("set", "resources", "deployment/api", "-n", "shop", "--limits=cpu=2,memory=2Gi")},
	{name: "kubectl set serviceaccount", run: kubectl("set", "serviceaccount", "deployment/api", "-n", "shop", "api")},
	{name: "kubectl set selector", run: kubectl("set", "selector", "service/api", "-n", "shop", "app=other")},
	{name: "kubectl annotate", run: kubectl("annotate", "deployment/api", "-n", "shop", "example.com/note=hello")},
	{name: "kubectl annotate overwrites", run: kubectl("annotate", "--overwrite", "deployment/api", "-n", "shop", "example.com/owner=me")},
	{name: "kubectl label", run: kubectl("label", "service/api", "-n", "shop", "team=red")},
	{name: "kubectl label removes a declared label", run: kubectl("label", "deployment/api", "-n", "shop", "tier-")},
	{name: "kubectl label removes the owner", run: kubectl("label", "configmap/settings", "-n", "shop",
		"kustomize.toolkit.fluxcd.io/name-", "kustomize.toolkit.fluxcd.io/namespace-")},
	{name: "kubectl scale of declared replicas", run: kubectl("scale", "deployment/api", "-n", "shop", "--replicas=4")},
	// The API server notes no manager for it, as for an autoscaler, and git says nothing about it: no finding.
	{name: "kubectl scale of undeclared replicas", run: kubectl("scale", "deployment/worker", "-n", "shop", "--replicas=3"), none: true},
	{name: "kubectl rollout restart", run: kubectl("rollout", "restart", "deployment/api", "-n", "shop")},
	{name: "kubectl rollout pause", run: kubectl("rollout", "pause", "deployment/api", "-n", "shop")},
	{name: "kubectl apply", run: kubectl("apply", "-f", "-"), stdin: clientSide},
	{name: "kubectl apply of a Secret", run: kubectl("apply", "-f", "-"), stdin: secretApply},
	{name: "kubectl apply --server-side --force-conflicts", run: kubectl("apply", "--server-side", "--force-conflicts", "-f", "-"), stdin: serverSide},
	{name: "kubectl apply --server-side of the same values", run: kubectl("apply", "--server-side", "-f", "-"), stdin: sameValues, none: true},
	{name: "kubectl apply --server-side as kustomize-controller", run: kubectl("apply", "--server-side", "--force-conflicts",
		"--field-manager=kustomize-controller", "-f", "-"), stdin: serverSide},
	{name: "kubectl apply --server-side by another manager", run: kubectl("apply", "--server-side", "--force-conflicts",
		"--field-manager=pipeline", "-f", "-"), stdin: serverSide, persists: true},
	{name: "kubectl replace", run: kubectl("replace", "-f", "-"), stdin: clientSide},
	{name: "json patch removes a declared field", run: patch("deployment/api", "json",
		`[{"op":"remove","path":"/spec/template/spec/containers/0/readinessProbe"}]`)},
	{name: "json patch removes a declared env item", run: patch("deployment/api", "json",
		`[{"op":"remove","path":"/spec/template/spec/containers/0/env/0"}]`)},
	{name: "json patch turns the order of env around", run: patch("deployment/api", "json",
		`[{"op":"move","from":"/spec/template/spec/containers/0/env/0","path":"/spec/template/spec/containers/0/env/1"}]`)},
	{name: "atomic list changed", run: patch("deployment/api", "json",
		`[{"op":"add","path":"/spec/template/spec/containers/0/args/-","value":"--verbose"}]`)},
	{name: "container added", run: patch("deployment/api", "strategic",
		`{"spec":{"template":{"spec":{"containers":[{"name":"debug","image":"busybox:1"}]}}}}`)},
	{name: "container added by a manager that Flux leaves alone", run: patch("deployment/api", "strategic",
		`{"spec":{"template":{"spec":{"containers":[{"name":"debug","image":"busybox:1"}]}}}}`, byHand), persists: true},
	{name: "volume added", run: patch("deployment/api", "strategic",
		`{"spec":{"template":{"spec":{"volumes":[{"name":"tmp","emptyDir":{}}]}}}}`)},
	{name: "undeclared field with a default changed", run: patch("deployment/api", "merge", `{"spec":{"revisionHistoryLimit":3}}`)},
	{name: "undeclared field set to its default", run: patch("deployment/api", "merge", `{"spec":{"revisionHistoryLimit":10}}`), none: true},
	{name: "undeclared field with a default changed by another manager", run: patch("deployment/api", "merge",
		`{"spec":{"revisionHistoryLimit":3}}`, byHand), persists: true},
	{name: "image pull policy changed", run: patch("deployment/api", "strategic",
		`{"spec":{"template":{"spec":{"containers":[{"name":"api","imagePullPolicy":"Always"}]}}}}`)},
	{name: "quantity written differently", run: patch("deployment/api", "strategic",
		`{"spec":{"template":{"spec":{"containers":[{"name":"api","resources":{"requests":{"cpu":"0.5"}}}]}}}}`), none: true},
	{name: "labels taken away, and everything applied again by another manager", run: [][]string{
		{"patch", "configmap/settings", "-n", "shop", "--type", "merge", "-p", `{"metadata":{"labels":null}}`, byHand},
		{"apply", "--server-side", "--force-conflicts", "--field-manager=pipeline", "-f", "-"}}, stdin: relabelled, none: true},
	{name: "managedFields wiped", run: patch("deployment/api", "merge", `{"metadata":{"managedFields":[{}]}}`), none: true},
	{name: "managedFields wiped after a declared change", run: [][]string{
		{"patch", "deployment/api", "-n", "shop", "--type", "merge", "-p", `{"spec":{"replicas":9}}`},
		{"patch", "deployment/api", "-n", "shop", "--type", "merge", "-p", `{"metadata":{"managedFields":[{}]}}`}}},
	{name: "managedFields wiped after an addition", run: [][]string{
		{"patch", "deployment/api", "-n", "shop", "--type", "strategic", "-p", debugEnv},
		{"patch", "deployment/api", "-n", "shop", "--type", "merge", "-p", `{"metadata":{"managedFields":[{}]}}`}}, persists: true},
	{name: "a finalizer added twice, by two", run: append(patch("configmap/settings", "json", `[{"op":"add","path":"/metadata/finalizers","value":["example.com/lock"]}]`),
		patch("configmap/settings", "json", `[{"op":"add","path":"/metadata/finalizers/1","value":"example.com/lock"},{"op":"replace","path":"/data/level","value":"trace"}]`, "--field-manager=helm")...), persists: true},
	{name: "finalizer added", run: patch("configmap/settings", "merge", `{"metadata":{"finalizers":["example.com/lock"]}}`)},
	{name: "deployment deleted", run: kubectl("delete", "deployment/api", "-n", "shop")},
	{name: "configmap deleted", run: kubectl("delete", "configmap/settings", "-n", "shop")},
	{name: "deleted and created again without labels", run: [][]string{
		{"delete", "configmap/settings", "-n", "shop"},
		{"create", "configmap", "settings", "-n", "shop", "--from-literal=level=trace"}}},
	{name: "configmap key removed", run: patch("configmap/settings", "json", `[{"op":"remove","path":"/data/color"}]`)},
	{name: "configmap key added by another manager", run: patch("configmap/settings", "merge", `{"data":{"shape":"round"}}`, byHand), persists: true},
	{name: "secret value changed", run: patch("secret/token", "merge", `{"stringData":{"password":"battery-staple"}}`)},
	{name: "service port added", run: patch("service/api", "strategic", `{"spec":{"ports":[{"name":"metrics","port":9090}]}}`)},
	{name: "service affinity changed", run: patch("service/api", "merge", `{"spec":{"sessionAffinity":"ClientIP"}}`)},
	{name: "rbac rule changed", run: patch("role/reader", "json", `[{"op":"add","path":"/rules/0/verbs/-","value":"delete"}]`)},
	{name: "ingress host changed", run: patch("ingress/api", "json", `[{"op":"replace","path":"/spec/rules/0/host","value":"evil.example.com"}]`)},
	{name: "network policy opened", run: patch("networkpolicy/deny", "merge", `{"spec":{"ingress":[{}]}}`)},
	{name: "cronjob suspended", run: patch("cronjob/report", "merge", `{"spec":{"suspend":true}}`)},
	{name: "autoscaler maximum raised", run: patch("hpa/worker", "merge", `{"spec":{"maxReplicas":50}}`)},
	{name: "custom resource: declared field changed", run: patch("widget/main", "merge", `{"spec":{"size":4}}`)},
	{name: "custom resource: unknown field added", run: patch("widget/main", "merge", `{"spec":{"weight":{"kg":4}}}`)},
	{name: "custom resource: default changed", run: patch("widget/main", "merge", `{"spec":{"finish":"gloss"}}`)},
	{name: "custom resource: atomic list changed", run: patch("widget/main", "merge", `{"spec":{"colors":["green","red"]}}`)},
	{name: "custom resource: set grown", run: patch("widget/main", "merge", `{"spec":{"tags":["a","b","c"]}}`)},
	{name: "custom resource: set grown by another manager", run: patch("widget/main", "merge", `{"spec":{"tags":["a","b","c"]}}`, byHand), persists: true},
	{name: "custom resource: keyed item added", run: patch("widget/main", "json",
		`[{"op":"add","path":"/spec/parts/-","value":{"name":"screw","material":"brass"}}]`)},
	{name: "custom resource: keyed item removed", run: patch("widget/main", "json", `[{"op":"remove","path":"/spec/parts/0"}]`)},
	{name: "all keys of a map replaced by a manager that Flux leaves alone", run: patch("configmap/settings", "json",
		`[{"op":"replace","path":"/data","value":{"shape":"round"}}]`, byHand), persists: true},
	{name: "a field added in Flux's name and by a manager that Flux leaves alone", run: [][]string{
		{"patch", "configmap/settings", "-n", "shop", "--type", "merge", "-p", `{"data":{"shape":"round"}}`, "--field-manager=kustomize-controller"},
		{"apply", "--server-side", "--field-manager=pipeline", "-f", "-"}}, stdin: shaped, persists: true},
	{name: "an empty atomic map filled by another applier", run: kubectl("apply", "--server-side", "--force-conflicts",
		"--field-manager=pipeline", "-f", "-"), stdin: narrowed},
	{name: "the only container renamed by a manager that Flux leaves alone", run: patch("deployment/worker", "json",
		`[{"op":"replace","path":"/spec/template/spec/containers/0/name","value":"renamed"}]`, byHand), persists: true},
	{name: "a declared finalizer removed", run: patch("configmap/guarded", "merge", `{"metadata":{"finalizers":null}}`, byHand), persists: true},
	{name: "a declared finalizer removed with a declared value", run: patch("configmap/guarded", "merge",
		`{"metadata":{"finalizers":null},"data":{"level":"trace"}}`, byHand)},
	{name: "the only annotation, and Flux strips it", run: kubectl("annotate", "service/api", "-n", "shop", "fluxcd.io/sync-checksum=1", byHand)},
	// The API server keeps an allocated value that nobody asks for any more.
	{name: "an allocated port chosen", run: patch("service/door", "json", `[{"op":"replace","path":"/spec/ports/0/nodePort","value":30999}]`), persists: true},
	{name: "the type of a Service changed, which takes an allocated port away", run: patch("service/door", "merge", `{"spec":{"type":"ClusterIP"}}`), kustomization: true},
	{name: "a port of a Service replaced, to which one is allocated", run: patch("service/door", "json",
		`[{"op":"replace","path":"/spec/ports/0","value":{"name":"other","port":81}}]`), kustomization: true},
	{name: "an undeclared structure with defaults changed", run: patch("statefulset/store", "strategic",
		`{"spec":{"updateStrategy":{"rollingUpdate":{"partition":2}}}}`)},
	{name: "autoscaler behaviour added", run: patch("hpa/worker", "merge", `{"spec":{"behavior":{"scaleUp":{"selectPolicy":"Min"}}}}`)},
	{name: "custom resource: a map that git has empty filled", run: patch("widget/open", "merge", `{"spec":{"free":{"a":"b"}}}`)},
	{name: "custom resource: a map added to a field without a schema, and a key of it by a manager that Flux leaves alone", run: [][]string{
		{"patch", "widget/open", "-n", "shop", "--type", "merge", "-p", `{"spec":{"free":{"a":{"b":"c"}}}}`},
		{"patch", "widget/open", "-n", "shop", "--type", "merge", "-p", `{"spec":{"free":{"a":{"d":"e"}}}}`, byHand}}},
	{name: "custom resource: a map that git has empty filled in Flux's name", run: kubectl("apply", "--server-side", "--force-conflicts",
		"--field-manager=kustomize-controller", "-f", "-"),
		stdin: `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"open","namespace":"shop"},"spec":{"free":{"a":"b"}}}`},
	{name: "custom resource: deleted and created again, with an empty list", run: [][]string{
		{"delete", "widget/open", "-n", "shop"}, {"create", "-f", "-"}},
		stdin: `{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"open","namespace":"shop"},"spec":{"parts":[],"size":1}}`},
	{name: "takeover switched off on the object", run: [][]string{
		{"annotate", "deployment/api", "-n", "shop", "kustomize.toolkit.fluxcd.io/ssa=Merge"},
		{"patch", "deployment/api", "-n", "shop", "--type", "strategic", "-p", debugEnv}}, persists: true},
}
