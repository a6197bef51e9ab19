package conformance

import "github.com/gitops-drift/gitops-drift/test/harness"

const harnessAdmin = harness.Admin

const (
	steering   = "suspend, delete or change a Kustomization, HelmRelease, source"
	forging    = "forge a status of Flux"
	requesting = "reconcile requests"
	helming    = "helm upgrade or rollback by hand, its release Secret"
	likeness   = "create a look-alike with Flux's labels"
	posing     = "impersonate Flux's service account"
	borrowing  = "a token for, or a Pod with, Flux's service account"
	silencing  = "scale Flux or this controller to 0"
	itself     = "Flux at work"
	beyond     = "out of reach"
)

const (
	kustomizer = "system:serviceaccount:flux-system:kustomize-controller"
	helmer     = "system:serviceaccount:flux-system:helm-controller"
)

const (
	suspended  = `{"spec":{"suspend":true}}`
	ready      = `{"status":{"conditions":[{"type":"Ready","status":"True","reason":"Forged","message":"by hand","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}`
	withFlux   = `--overrides={"spec":{"serviceAccountName":"kustomize-controller"}}`
	imageOfOne = "main=registry.contoso.com/main:9"
)

// flux are the rows about Flux's own objects and about who Flux is.
var flux = []row{
	{id: "suspend", way: steering, want: deny, objects: []string{"child"}, run: patch("merge", "kustomization", suspended)},
	{id: "flux-suspend", way: steering, want: deny, objects: []string{"child"}, edit: "flux suspend kustomization (its field manager)",
		run: patch("merge", "kustomization", suspended, "--field-manager=flux")},
	{id: "root-suspend", way: steering, want: deny, given: []string{"child"}, edit: "flux suspend of a Kustomization that git does not declare",
		run: patch("merge", "kustomization", suspended, "--field-manager=flux")},
	{id: "ks-delete", way: steering, want: deny, objects: []string{"child"}, run: kubectl("delete", "kustomization", "$NAME", "--wait=false")},
	{id: "root-delete", way: steering, want: deny, given: []string{"child"}, edit: "kubectl delete of a Kustomization that git does not declare",
		run: kubectl("delete", "kustomization", "$NAME", "--wait=false")},
	{id: "ks-path", way: steering, want: deny, objects: []string{"child"}, run: patch("merge", "kustomization", `{"spec":{"path":"./other"}}`)},
	{id: "root-path", way: steering, want: deny, given: []string{"child"}, edit: "another path for a Kustomization that git does not declare",
		run: patch("merge", "kustomization", `{"spec":{"path":"./other"}}`)},
	{id: "ks-source", way: steering, want: deny, objects: []string{"child"}, run: patch("merge", "kustomization", `{"spec":{"sourceRef":{"name":"other"}}}`)},
	{id: "ks-ignore", way: steering, want: deny, objects: []string{"child"},
		run: patch("merge", "kustomization", `{"spec":{"ignore":[{"paths":["/data"]}]}}`, "--field-manager=pipeline")},
	{id: "ks-patches", way: steering, want: deny, objects: []string{"child"},
		run: patch("merge", "kustomization", `{"spec":{"patches":[{"patch":"{op: remove, path: /data}"}]}}`, "--field-manager=pipeline")},
	{id: "source-url", way: steering, want: deny, objects: []string{"gitrepository", "consumer"}, run: patch("merge", "gitrepository", `{"spec":{"url":"https://git.contoso.com/mine.git"}}`)},
	{id: "source-suspend", way: steering, want: deny, objects: []string{"gitrepository", "consumer"}, run: patch("merge", "gitrepository", suspended, "--field-manager=flux")},
	{id: "root-source-url", way: steering, want: deny, given: []string{"gitrepository", "consumer"}, edit: "another URL for a GitRepository that git does not declare",
		run: patch("merge", "gitrepository", `{"spec":{"url":"https://git.contoso.com/mine.git"}}`)},
	{id: "source-delete", way: steering, want: deny, objects: []string{"gitrepository", "consumer"}, run: kubectl("delete", "gitrepository", "$NAME", "--wait=false")},
	{id: "charts-url", way: steering, want: deny, objects: []string{"helmrepository", "chart-consumer"}, run: patch("merge", "helmrepository", `{"spec":{"url":"https://mine.contoso.com"}}`)},
	{id: "hr-suspend", way: steering, want: deny, objects: []string{"helmrelease"}, helm: []string{"release", "released"}, run: patch("merge", "helmrelease", suspended, "--field-manager=flux")},
	{id: "root-hr-suspend", way: steering, want: deny, given: []string{"helmrelease"}, helm: []string{"release", "released"}, edit: "flux suspend of a HelmRelease that git does not declare",
		run: patch("merge", "helmrelease", suspended, "--field-manager=flux")},
	{id: "hr-delete", way: steering, want: deny, objects: []string{"helmrelease"}, helm: []string{"release", "released"}, run: kubectl("delete", "helmrelease", "$NAME", "--wait=false")},
	{id: "hr-values", way: steering, want: deny, objects: []string{"helmrelease"}, helm: []string{"release", "released"}, run: patch("merge", "helmrelease", `{"spec":{"values":{"replicas":9}}}`)},
	{id: "hr-chart", way: steering, want: deny, objects: []string{"helmrelease"}, helm: []string{"release", "released"}, run: patch("merge", "helmrelease", `{"spec":{"chart":{"spec":{"version":"9.9.9"}}}}`)},
	{id: "hr-ignore", way: steering, want: deny, objects: []string{"helmrelease"}, helm: []string{"release", "released"},
		run: patch("merge", "helmrelease", `{"spec":{"driftDetection":{"ignore":[{"paths":["/data"]}]}}}`, "--field-manager=pipeline")},
	{id: "ks-status", way: forging, want: deny, objects: []string{"child"}, run: patch("merge", "kustomization", ready, "--subresource=status")},
	{id: "source-status", way: forging, want: deny, objects: []string{"gitrepository", "consumer"}, run: patch("merge", "gitrepository", ready, "--subresource=status")},
	{id: "hr-status", way: forging, want: deny, objects: []string{"helmrelease"}, helm: []string{"release", "released"}, run: patch("merge", "helmrelease", ready, "--subresource=status")},
	{id: "ks-request", way: requesting, want: allow, objects: []string{"child"}, run: request("kustomization", "reconcile.fluxcd.io/requestedAt=2026-01-01")},
	{id: "root-request", way: requesting, want: allow, given: []string{"child"}, run: request("kustomization", "reconcile.fluxcd.io/requestedAt=2026-01-01")},
	{id: "source-request", way: requesting, want: allow, objects: []string{"gitrepository", "consumer"},
		run: request("gitrepository", "reconcile.fluxcd.io/requestedAt=2026-01-01", "--field-manager=flux")},
	{id: "hr-request", way: requesting, want: allow, objects: []string{"helmrelease"}, helm: []string{"release", "released"},
		run: request("helmrelease", "reconcile.fluxcd.io/requestedAt=2026-01-01", "reconcile.fluxcd.io/forceAt=2026-01-01", "reconcile.fluxcd.io/resetAt=2026-01-01")},

	{id: "helm-object", way: helming, want: deny, objects: []string{"helmrelease"}, helm: []string{"release", "released"}, edit: "what helm upgrade applies to an object of the release",
		run: call("apply", "--server-side", "--force-conflicts", "--field-manager=helm", "-f-").with(input{template: "released", old: "EUR", new: "USD"})},
	{id: "helm-next", way: helming, want: deny, objects: []string{"helmrelease"}, helm: []string{"release", "released"}, edit: "the release Secret of the next version is created",
		run: call("create", "-f-").with(input{template: "release", old: "$NAME.v1", new: "$NAME.v2"})},
	{id: "helm-status", way: helming, want: deny, objects: []string{"helmrelease"}, helm: []string{"release", "released"}, edit: "the release Secret is marked superseded",
		run: kubectl("label", "--overwrite", "secret", "sh.helm.release.v1.$NAME.v1", "status=superseded")},
	{id: "helm-forget", way: helming, want: deny, objects: []string{"helmrelease"}, helm: []string{"release", "released"}, edit: "the release Secret is deleted",
		run: kubectl("delete", "secret", "sh.helm.release.v1.$NAME.v1")},
	{id: "helm-own", way: helming, want: allow, edit: "helm install of a release that Flux does not know",
		run: call("create", "-f-").with(input{template: "release"})},

	{id: "look-alike", way: likeness, want: deny, edit: "kubectl create configmap with the labels of a Kustomization",
		run: call("create", "-f-").with(input{template: "look-alike"})},
	{id: "look-alike-later", way: likeness, want: deny, edit: "kubectl label of an object that Flux does not manage", given: []string{"configmap"},
		run: kubectl("label", "configmap", "$NAME", "kustomize.toolkit.fluxcd.io/name=deny", "kustomize.toolkit.fluxcd.io/namespace=flux-system")},

	{id: "impersonate", way: posing, want: deny, objects: []string{"deployment"}, run: kubectl("set", "image", "deployment/$NAME", imageOfOne, "--as="+kustomizer)},
	{id: "impersonate-groups", way: posing, want: deny, objects: []string{"deployment"},
		run: kubectl("set", "image", "deployment/$NAME", imageOfOne, "--as="+kustomizer, "--as-group=system:serviceaccounts", "--as-group=system:serviceaccounts:flux-system", "--as-group=system:authenticated", "--as-group=oncall")},
	{id: "impersonate-uid", way: posing, want: deny, objects: []string{"deployment"},
		run: kubectl("set", "image", "deployment/$NAME", imageOfOne, "--as="+kustomizer, "--as-uid=11111111-1111-1111-1111-111111111111")},
	{id: "impersonate-cluster", way: posing, want: deny, objects: []string{"deployment"}, edit: "the same as a controller of the cluster",
		run: kubectl("set", "image", "deployment/$NAME", imageOfOne, "--as="+deployments, "--as-group=oncall")},
	{id: "impersonate-component", way: posing, want: deny, objects: []string{"deployment"}, edit: "the same as a component of the control plane",
		run: kubectl("set", "image", "deployment/$NAME", imageOfOne, "--as=system:kube-controller-manager", "--as-group=oncall")},
	{id: "impersonate-node", way: posing, want: deny, objects: []string{"deployment"}, edit: "the same as a node",
		run: kubectl("set", "image", "deployment/$NAME", imageOfOne, "--as=system:node:one", "--as-group=system:nodes", "--as-group=oncall")},
	{id: "token-used", way: borrowing, want: deny, objects: []string{"deployment"}, by: kustomizer, edit: "an edit with a token of Flux's service account that no Pod has",
		run: kubectl("set", "image", "deployment/$NAME", imageOfOne, "--token=$UNBOUND")},
	{id: "token", way: borrowing, want: deny, run: kubectl("create", "token", "kustomize-controller", "-n", "flux-system")},
	{id: "token-bound", way: borrowing, want: deny, edit: "kubectl create token bound to a Pod of Flux",
		run: kubectl("create", "token", "kustomize-controller", "-n", "flux-system", "--bound-object-kind=Pod", "--bound-object-name=$FLUXPOD")},
	{id: "token-own", way: borrowing, want: deny, edit: "kubectl create token for this controller", run: kubectl("create", "token", "gitops-drift", "-n", "flux-system")},
	{id: "token-cluster", way: borrowing, want: deny, edit: "kubectl create token for a controller of the cluster",
		run: kubectl("create", "token", "deployment-controller", "-n", "kube-system")},
	{id: "token-secret", way: borrowing, want: deny, edit: "kubectl create of a Secret that is given a token of Flux's", run: call("create", "-f-", "-n", "flux-system").with(input{template: "token-secret"})},
	{id: "token-other", way: borrowing, want: allow, edit: "kubectl create token for another account", run: kubectl("create", "token", "default")},
	{id: "pod-of-flux", way: borrowing, want: deny, run: kubectl("run", "kustomize-controller-$NAME-$NS", "-n", "flux-system", "--image=busybox:1", withFlux)},
	{id: "job-of-flux", way: borrowing, want: deny, edit: "kubectl create of a Job whose Pods have Flux's service account", run: call("create", "-f-", "-n", "flux-system").with(input{template: "job-of-flux"})},
	{id: "pod-of-others", way: borrowing, want: allow, edit: "kubectl run in Flux's namespace with another service account",
		run: kubectl("run", "$NAME-$NS", "-n", "flux-system", "--image=busybox:1")},

	{id: "flux-zero", way: silencing, want: deny, run: kubectl("scale", "deployment", "kustomize-controller", "-n", "flux-system", "--replicas=0", "--dry-run=server")},
	{id: "flux-zero-patch", way: silencing, want: deny,
		run: kubectl("patch", "deployment", "kustomize-controller", "-n", "flux-system", "--dry-run=server", `-p={"spec":{"replicas":0}}`)},
	{id: "flux-deleted", way: silencing, want: deny, run: kubectl("delete", "deployment", "kustomize-controller", "-n", "flux-system", "--dry-run=server")},
	{id: "own-zero", way: silencing, want: deny, run: kubectl("scale", "deployment", "gitops-drift", "-n", "flux-system", "--replicas=0", "--dry-run=server")},
	{id: "own-deleted", way: silencing, want: deny, run: kubectl("delete", "deployment", "gitops-drift", "-n", "flux-system", "--dry-run=server")},

	{id: "flux-applies", way: itself, want: allow, user: harnessAdmin, by: kustomizer, objects: []string{"child"}, edit: "kustomize-controller puts its objects back",
		run: []command{call("wait", "--for=condition=Ready", "kustomization/$NAME", "--timeout=30s"), call("delete", "configmap", "$NAME-settings"),
			call("annotate", "kustomization", "$NAME", "reconcile.fluxcd.io/requestedAt=now"), call("wait", "--for=create", "configmap/$NAME-settings", "--timeout=30s")}},
	{id: "tenant-applies", way: itself, want: allow, user: harnessAdmin, by: kustomizer, objects: []string{"tenant"}, edit: "the same in the name of spec.serviceAccountName",
		run: []command{call("wait", "--for=condition=Ready", "kustomization/$NAME", "--timeout=30s"), call("delete", "configmap", "$NAME-settings"),
			call("annotate", "kustomization", "$NAME", "reconcile.fluxcd.io/requestedAt=now"), call("wait", "--for=create", "configmap/$NAME-settings", "--timeout=30s")}},
	{id: "helm-applies", way: itself, want: allow, by: helmer, objects: []string{"helmrelease"}, helm: []string{"release", "released"},
		edit: "what helm-controller's Pod applies for an upgrade, its release Secrets included", run: []command{
			{args: []string{"apply", "--server-side", "--force-conflicts", "--field-manager=helm-controller", "--token=$HELM", "-f-"}, in: input{template: "released", old: "EUR", new: "USD"}},
			{args: []string{"create", "--token=$HELM", "-f-"}, in: input{template: "release", old: "$NAME.v1", new: "$NAME.v2"}},
			{args: []string{"label", "--overwrite", "secret", "sh.helm.release.v1.$NAME.v1", "status=superseded", "--token=$HELM"}},
		}},
}

// unreachable are the ways around any webhook, with what closes them. Whoever may do everything may do these, too.
var unreachable = []row{
	{id: "webhook", way: beyond, want: reach, edit: "delete the webhook configuration", closing: "RBAC on admissionregistration.k8s.io", closed: harness.Dev,
		run: kubectl("delete", "validatingwebhookconfiguration", "gitops-drift", "--dry-run=server")},
	{id: "policy", way: beyond, want: reach, edit: "loosen the EditPolicy", closing: "RBAC on editpolicies", closed: harness.Dev,
		run: kubectl("patch", "editpolicy", "enforce", "--type=merge", `-p={"spec":{"action":"Record"}}`, "--dry-run=server")},
	{id: "extra", way: beyond, want: reach, objects: []string{"deployment"}, edit: "forge extra user information while impersonating",
		closing: "RBAC: impersonate on uids, userextras", closed: harness.Dev,
		run: kubectl("set", "image", "deployment/$NAME", imageOfOne, "--as="+kustomizer, "--as-group=oncall",
			"--as-uid=11111111-1111-1111-1111-111111111111", "--as-user-extra=authentication.kubernetes.io/pod-name=$FLUXPOD")},
	{id: "orphan", way: beyond, want: reach, objects: []string{"configmap"}, edit: "edit an object whose labels an admitted edit has removed, before Flux's next apply",
		closing: "the restore loop", before: kubectl("label", "configmap", "$NAME", "kustomize.toolkit.fluxcd.io/name-", "kustomize.toolkit.fluxcd.io/namespace-"),
		run: patch("merge", "configmap", `{"data":{"retries":"9"}}`)},
	{id: "etcd", way: beyond, want: reach, edit: "write to etcd", closing: "access to the machines"},
	{id: "tenant-posed", way: beyond, want: reach, objects: []string{"tenant"}, edit: "impersonate the service account that the owner names, as Flux does",
		closing: "RBAC: impersonate on serviceaccounts", before: kubectl("wait", "--for=create", "configmap/$NAME-settings", "--timeout=30s"),
		run: kubectl("patch", "configmap", "$NAME-settings", "--type=merge", `-p={"data":{"level":"debug"}}`, "--as=system:serviceaccount:$NS:$NAME")},
}

func request(resource string, more ...string) []command {
	return kubectl(append([]string{"annotate", "--overwrite", resource, "$NAME"}, more...)...)
}
