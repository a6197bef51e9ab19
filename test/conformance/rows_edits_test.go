package conformance

import "slices"

const (
	byKubectl = "edit, patch, apply, replace"
	spoofing  = "the same with a spoofed field manager"
	setting   = "set image, env, resources, serviceaccount, selector"
	adding    = "add what git does not declare"
	labels    = "remove Flux's labels, also through /status"
	optOuts   = "opt-out annotations"
)

const (
	moreMemory = `[{"op":"replace","path":"/spec/template/spec/containers/0/resources/limits/memory","value":"1Gi"}]`
	twoMore    = `{"spec":{"replicas":3}}`
	debugEnv   = `{"spec":{"template":{"spec":{"containers":[{"name":"main","env":[{"name":"DEBUG","value":"1"}]}]}}}}`
)

// values are edits of what git declares, as people make them.
var values = []row{
	{id: "edit", way: byKubectl, want: deny, objects: []string{"deployment"},
		run: []command{{args: []string{"edit", "deployment", "$NAME"}, editor: "s/memory: 512Mi/memory: 1Gi/"}}},
	{id: "json", way: byKubectl, want: deny, objects: []string{"deployment"}, run: patch("json", "deployment", moreMemory)},
	{id: "merge", way: byKubectl, want: deny, objects: []string{"deployment"}, run: patch("merge", "deployment", twoMore)},
	{id: "strategic", way: byKubectl, want: deny, objects: []string{"deployment"}, run: patch("strategic", "deployment", debugEnv)},
	{id: "apply", way: byKubectl, want: deny, objects: []string{"deployment"},
		run: call("apply", "-f-").with(input{template: "deployment", old: "512Mi", new: "1Gi"})},
	{id: "ssa", way: byKubectl, want: deny, objects: []string{"deployment"},
		run: call("apply", "-f-", "--server-side", "--force-conflicts").with(input{template: "deployment", old: "512Mi", new: "1Gi"})},
	{id: "replace", way: byKubectl, want: deny, objects: []string{"deployment"},
		run: call("replace", "-f-").with(input{live: "deployment/$NAME", old: "512Mi", new: "1Gi"})},
	{id: "secret", way: byKubectl, want: deny, objects: []string{"secret"}, run: patch("merge", "secret", `{"stringData":{"password":"by-hand"}}`)},
	{id: "removal", way: byKubectl, want: deny, objects: []string{"configmap"}, run: patch("json", "configmap", `[{"op":"remove","path":"/data/retries"}]`)},
}

// spoofed makes the edits in the name of Flux's field manager.
func spoofed(rows []row) []row {
	rows = slices.Clone(rows)
	for i := range rows {
		r := &rows[i]
		r.id, r.way = r.id+"-spoofed", spoofing
		r.run = slices.Clone(r.run)
		for j := range r.run {
			r.run[j].args = append(slices.Clone(r.run[j].args), "--field-manager=kustomize-controller")
		}
	}
	return rows
}

// edits are the rows about fields and metadata of managed objects.
var edits = []row{
	{id: "second-edit", way: byKubectl, want: deny, edit: "another edit of a field whose owner an admitted edit has changed", objects: []string{"configmap"},
		before: patch("merge", "configmap", `{"data":{"retries":"9"}}`), run: patch("merge", "configmap", `{"data":{"retries":"10"}}`)},
	{id: "put-back", way: byKubectl, want: allow, edit: "an edit that sets a field to what git says", objects: []string{"configmap"},
		before: patch("merge", "configmap", `{"data":{"retries":"9"}}`), run: patch("merge", "configmap", `{"data":{"retries":"3"}}`)},
	{id: "quantity", way: byKubectl, want: allow, edit: "the same quantity, written as 0.5 for 500m", objects: []string{"deployment"},
		run: patch("strategic", "deployment", `{"spec":{"template":{"spec":{"containers":[{"name":"main","resources":{"requests":{"cpu":"0.5"}}}]}}}}`)},
	{id: "exempt", way: byKubectl, want: allow, edit: "any edit by a subject that the policy exempts", user: harnessAdmin, objects: []string{"deployment"},
		run: patch("json", "deployment", moreMemory)},
	{id: "own", way: byKubectl, want: allow, edit: "an object that Flux does not manage: create, patch, delete", run: []command{
		call("create", "configmap", "$NAME", "--from-literal=a=b"), patch("merge", "configmap", `{"data":{"a":"c"}}`)[0], call("delete", "configmap", "$NAME")}},
	{id: "older", way: "an older API version", want: deny, objects: []string{"autoscaler"}, run: patch("merge", "hpa.v1.autoscaling", `{"spec":{"maxReplicas":9}}`),
		edit: "kubectl patch hpa.v1.autoscaling, declared as autoscaling/v2"},
	{id: "older-custom", way: "an older API version", want: deny, objects: []string{"widget"}, run: patch("merge", "widgets.v1beta1.conformance.contoso.com", `{"spec":{"teeth":13}}`)},

	{id: "same", way: "server-side apply of the same values", want: allow, objects: []string{"deployment"},
		run: call("apply", "-f-", "--server-side", "--field-manager=pipeline").with(input{template: "deployment"})},
	{id: "same-forced", way: "server-side apply of the same values", want: allow, objects: []string{"configmap"},
		run: call("apply", "-f-", "--server-side", "--force-conflicts").with(input{template: "configmap"})},

	{id: "replace-force", way: "replace --force", want: deny, objects: []string{"configmap"},
		run: call("replace", "--force", "-f-").with(input{live: "configmap/$NAME", old: "EUR", new: "USD"})},

	{id: "scale", way: "scale", want: deny, objects: []string{"deployment"}, run: kubectl("scale", "deployment", "$NAME", "--replicas=3")},
	{id: "scale-zero", way: "scale", want: deny, objects: []string{"statefulset"}, run: kubectl("scale", "statefulset", "$NAME", "--replicas=0")},
	{id: "scale-custom", way: "scale", want: deny, edit: "kubectl scale of a custom resource that declares replicas", objects: []string{"scaled-widget"},
		run: kubectl("scale", "widget", "$NAME", "--replicas=3")},
	{id: "scale-patch", way: "scale", want: deny, objects: []string{"deployment"}, run: patch("merge", "deployment", twoMore, "--subresource=scale")},
	{id: "scale-free", way: "scale", want: allow, edit: "kubectl scale where git does not declare replicas", objects: []string{"worker"},
		run: kubectl("scale", "deployment", "$NAME", "--replicas=3")},
	{id: "autoscale", way: "autoscale on declared replicas", want: record, objects: []string{"deployment"},
		run: kubectl("autoscale", "deployment", "$NAME", "--min=1", "--max=5", "--cpu=80%")},
	{id: "autoscale-all", way: "autoscale on declared replicas, scope All", want: deny, all: true, objects: []string{"deployment"},
		run: kubectl("autoscale", "deployment", "$NAME", "--min=1", "--max=5", "--cpu=80%")},

	{id: "set-image", way: setting, want: deny, objects: []string{"deployment"}, run: kubectl("set", "image", "deployment/$NAME", "main=registry.contoso.com/main:9")},
	{id: "set-env", way: setting, want: deny, objects: []string{"deployment"}, run: kubectl("set", "env", "deployment/$NAME", "DEBUG=1")},
	{id: "set-env-change", way: setting, want: deny, objects: []string{"deployment"}, run: kubectl("set", "env", "deployment/$NAME", "LEVEL=debug")},
	{id: "set-env-remove", way: setting, want: deny, objects: []string{"deployment"}, run: kubectl("set", "env", "deployment/$NAME", "LEVEL-")},
	{id: "set-resources", way: setting, want: deny, objects: []string{"deployment"}, run: kubectl("set", "resources", "deployment/$NAME", "--limits=cpu=2")},
	{id: "set-account", way: setting, want: deny, objects: []string{"deployment"}, run: kubectl("set", "serviceaccount", "deployment/$NAME", "other")},
	{id: "set-selector", way: setting, want: deny, objects: []string{"service"}, run: kubectl("set", "selector", "service/$NAME", "app=other")},

	{id: "restart", way: "rollout restart", want: record, told: true, objects: []string{"deployment"}, run: kubectl("rollout", "restart", "deployment/$NAME")},
	{id: "restart-all", way: "rollout restart, scope All", want: deny, told: true, all: true, objects: []string{"deployment"}, run: kubectl("rollout", "restart", "deployment/$NAME")},
	{id: "undo", way: "rollout undo, pause", want: deny, revised: true, objects: []string{"deployment"}, run: kubectl("rollout", "undo", "deployment/$NAME")},
	{id: "pause", way: "rollout undo, pause", want: deny, objects: []string{"deployment"}, run: kubectl("rollout", "pause", "deployment/$NAME")},

	{id: "label", way: adding, want: deny, objects: []string{"configmap"}, run: kubectl("label", "configmap", "$NAME", "team=mine")},
	{id: "annotate", way: adding, want: deny, objects: []string{"configmap"}, run: kubectl("annotate", "configmap", "$NAME", "contoso.com/note=mine")},
	{id: "container", way: adding, want: deny, objects: []string{"deployment"},
		run: patch("strategic", "deployment", `{"spec":{"template":{"spec":{"containers":[{"name":"debug","image":"busybox:1"}]}}}}`)},
	{id: "foreign", way: adding, want: allow, edit: "kubectl annotate by a manager that Flux leaves alone", objects: []string{"configmap"},
		run: kubectl("annotate", "configmap", "$NAME", "contoso.com/note=mine", "--field-manager=pipeline")},
	{id: "foreign-all", way: adding + ", scope All", want: deny, all: true, edit: "kubectl annotate by a manager that Flux leaves alone", objects: []string{"configmap"},
		run: kubectl("annotate", "configmap", "$NAME", "contoso.com/note=mine", "--field-manager=pipeline")},
	{id: "finalizer", way: "finalizers and ownerReferences added", want: deny, objects: []string{"configmap"},
		run: patch("merge", "configmap", `{"metadata":{"finalizers":["contoso.com/hold"]}}`)},
	{id: "finalizer-foreign", way: "finalizers and ownerReferences added", want: deny, objects: []string{"configmap"},
		run: patch("merge", "configmap", `{"metadata":{"finalizers":["contoso.com/hold"]}}`, "--field-manager=pipeline")},
	{id: "owner-reference", way: "finalizers and ownerReferences added", want: deny, objects: []string{"configmap"},
		run: patch("merge", "configmap", `{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"kube-root-ca.crt","uid":"11111111-1111-1111-1111-111111111111"}]}}`)},

	{id: "unlabel", way: labels, want: deny, objects: []string{"configmap"}, run: kubectl("label", "configmap", "$NAME", "kustomize.toolkit.fluxcd.io/name-")},
	{id: "relabel", way: labels, want: deny, objects: []string{"configmap"},
		run: kubectl("label", "--overwrite", "configmap", "$NAME", "kustomize.toolkit.fluxcd.io/name=other")},
	{id: "unlabel-both", way: labels, want: deny, objects: []string{"configmap"},
		run: kubectl("label", "configmap", "$NAME", "kustomize.toolkit.fluxcd.io/name-", "kustomize.toolkit.fluxcd.io/namespace-", "--field-manager=pipeline")},
	{id: "unlabel-status", way: labels, want: deny, apart: true, objects: []string{"namespace"},
		run: kubectl("patch", "namespace", "$NS", "--subresource=status", "--type=merge", `-p={"metadata":{"labels":{"kustomize.toolkit.fluxcd.io/name":null}}}`)},
	{id: "unlabel-helm", way: labels, want: deny, objects: []string{"helmrelease"}, helm: []string{"release", "released"},
		run: kubectl("label", "configmap", "$NAME", "helm.toolkit.fluxcd.io/name-")},

	{id: "reconcile", way: optOuts, want: deny, objects: []string{"configmap"}, run: optOut("kustomize.toolkit.fluxcd.io/reconcile=disabled")},
	{id: "reconcile-foreign", way: optOuts, want: deny, objects: []string{"configmap"},
		run: optOut("kustomize.toolkit.fluxcd.io/reconcile=disabled", "--field-manager=flux-client-side-apply")},
	{id: "ssa-ignore", way: optOuts, want: deny, objects: []string{"configmap"}, run: optOut("kustomize.toolkit.fluxcd.io/ssa=Ignore")},
	{id: "ssa-merge", way: optOuts, want: deny, objects: []string{"configmap"}, run: optOut("kustomize.toolkit.fluxcd.io/ssa=Merge")},
	{id: "prune", way: optOuts, want: deny, objects: []string{"configmap"}, run: optOut("kustomize.toolkit.fluxcd.io/prune=disabled")},
	{id: "force", way: optOuts, want: deny, objects: []string{"configmap"}, run: optOut("kustomize.toolkit.fluxcd.io/force=enabled")},
	{id: "opt-out-status", way: optOuts, want: deny, objects: []string{"deployment"},
		run: patch("merge", "deployment", `{"metadata":{"annotations":{"kustomize.toolkit.fluxcd.io/reconcile":"disabled"}}}`, "--subresource=status")},
	{id: "drift-detection", way: optOuts, want: deny, objects: []string{"helmrelease"}, helm: []string{"release", "released"},
		run: optOut("helm.toolkit.fluxcd.io/driftDetection=disabled")},
	{id: "drift-label", way: optOuts, want: deny, objects: []string{"helmrelease"}, helm: []string{"release", "released"},
		run: kubectl("label", "configmap", "$NAME", "helm.toolkit.fluxcd.io/driftDetection=disabled")},

	{id: "wipe", way: "wipe managedFields", want: deny, objects: []string{"configmap"}, run: patch("merge", "configmap", `{"metadata":{"managedFields":[{}]}}`)},
	{id: "dry-run", way: "dry-run", want: deny, objects: []string{"deployment"}, edit: "kubectl set image --dry-run=server",
		run: kubectl("set", "image", "deployment/$NAME", "main=registry.contoso.com/main:9", "--dry-run=server")},
	{id: "dry-delete", way: "dry-run", want: deny, objects: []string{"configmap"}, run: kubectl("delete", "configmap", "$NAME", "--dry-run=server")},
}

func optOut(annotation string, more ...string) []command {
	return kubectl(append([]string{"annotate", "configmap", "$NAME", annotation}, more...)...)
}
