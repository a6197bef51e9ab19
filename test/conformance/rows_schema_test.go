package conformance

const (
	custom = "a custom resource"
	spread = "a cluster-scoped object"
)

// schemas are rows about what a schema can ask for, and about kinds that the guard has never seen.
var schemas = []row{
	{id: "value", way: custom, want: deny, objects: []string{"widget"}, run: patch("merge", "widget", `{"spec":{"teeth":13}}`)},
	{id: "custom-delete", way: custom, want: deny, objects: []string{"widget"}, run: kubectl("delete", "widget", "$NAME")},
	{id: "custom-status", way: custom, want: allow, objects: []string{"widget"}, run: patch("merge", "widget", `{"status":{"phase":"Turning"}}`, "--subresource=status")},
	{id: "unknown-changed", way: custom + ": x-kubernetes-preserve-unknown-fields", want: deny, objects: []string{"widget"},
		run: patch("merge", "widget", `{"spec":{"free":{"shape":"square"}}}`)},
	{id: "unknown-added", way: custom + ": x-kubernetes-preserve-unknown-fields", want: deny, objects: []string{"widget"},
		run: patch("merge", "widget", `{"spec":{"free":{"weight":{"kg":4}}}}`)},
	{id: "null-added", way: custom + ": null against absent", want: deny, objects: []string{"widget"},
		run: patch("json", "widget", `[{"op":"add","path":"/spec/remark","value":null}]`)},
	{id: "null-removed", way: custom + ": null against absent", want: deny, objects: []string{"widget"},
		run: patch("json", "widget", `[{"op":"remove","path":"/spec/note"}]`)},
	{id: "null-changed", way: custom + ": null against a value", want: deny, objects: []string{"widget"},
		run: patch("merge", "widget", `{"spec":{"note":"mine"}}`)},
	{id: "set-grown", way: custom + ": a set", want: deny, objects: []string{"widget"}, run: patch("json", "widget", `[{"op":"add","path":"/spec/tags/-","value":"c"}]`)},
	{id: "set-shrunk", way: custom + ": a set", want: deny, objects: []string{"widget"}, run: patch("json", "widget", `[{"op":"remove","path":"/spec/tags/0"}]`)},
	{id: "atomic-grown", way: custom + ": an atomic list", want: deny, objects: []string{"widget"},
		run: patch("json", "widget", `[{"op":"add","path":"/spec/colors/-","value":"blue"}]`)},
	{id: "atomic-turned", way: custom + ": an atomic list", want: deny, objects: []string{"widget"}, run: patch("merge", "widget", `{"spec":{"colors":["green","red"]}}`)},
	{id: "atomic-foreign", way: custom + ": an atomic list", want: deny, objects: []string{"widget"},
		run: patch("merge", "widget", `{"spec":{"colors":["red","green","blue"]}}`, "--field-manager=pipeline")},
	{id: "keyed-changed", way: custom + ": a list with keys", want: deny, objects: []string{"widget"},
		run: patch("json", "widget", `[{"op":"replace","path":"/spec/parts/1/material","value":"tin"}]`)},
	{id: "keyed-added", way: custom + ": a list with keys", want: deny, objects: []string{"widget"},
		run: patch("json", "widget", `[{"op":"add","path":"/spec/parts/-","value":{"name":"screw"}}]`)},
	{id: "keyed-removed", way: custom + ": a list with keys", want: deny, objects: []string{"widget"}, run: patch("json", "widget", `[{"op":"remove","path":"/spec/parts/0"}]`)},
	{id: "keyed-foreign", way: custom + ": a list with keys", want: allow, edit: "kubectl patch that adds an item by a manager that Flux leaves alone", objects: []string{"widget"},
		run: patch("json", "widget", `[{"op":"add","path":"/spec/parts/-","value":{"name":"screw"}}]`, "--field-manager=pipeline")},
	{id: "fresh", way: custom + " of a CRD installed a second ago", want: deny, before: []command{
		{args: []string{"apply", "--server-side", "-f-"}, in: input{template: "crd"}},
		call("wait", "--for=condition=Established", "crd/gadgets.$NAME.$NS.contoso.com"),
		{args: []string{"apply", "--server-side", "-f-"}, in: input{template: "fresh"}},
		call("wait", "--for=condition=Ready", "kustomization/$NAME", "--timeout=30s"),
	}, run: kubectl("patch", "gadgets.$NAME.$NS.contoso.com", "$NAME", "--type=merge", `-p={"spec":{"size":4}}`), edit: "kubectl patch gadget"},
	{id: "cluster-scoped", way: spread, want: deny, objects: []string{"clusterrole"},
		run: kubectl("patch", "clusterrole", "$NS-$NAME", "--type=json", `-p=[{"op":"add","path":"/rules/0/verbs/-","value":"delete"}]`)},
	{id: "cluster-deleted", way: spread, want: deny, objects: []string{"clusterrole"}, run: kubectl("delete", "clusterrole", "$NS-$NAME")},
}
