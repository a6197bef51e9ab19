package conformance

const (
	deleting   = "delete (any cascade), delete -l, --all"
	containers = "delete a namespace or CRD whose objects are managed"
	ending     = "finalizers removed while terminating"
	belowWay   = "ReplicaSets and Pods below a managed workload"
	subs       = "pods/resize, ephemeralcontainers"
	evicting   = "eviction, drain"
	connecting = "exec, port-forward, cp"
)

const (
	inNamespace = "system:serviceaccount:kube-system:namespace-controller"
	collector   = "system:serviceaccount:kube-system:generic-garbage-collector"
	deployments = "system:serviceaccount:kube-system:deployment-controller"
)

const (
	eviction = `{"apiVersion":"policy/v1","kind":"Eviction","metadata":{"name":"$POD","namespace":"$NS"},"deleteOptions":{"gracePeriodSeconds":0}}`
	smaller  = `{"spec":{"containers":[{"name":"main","resources":{"requests":{"cpu":"20m"}}}]}}`
	// noHost is the API server's answer when it is asked to connect to a Pod that no kubelet runs.
	noHost = 400
)

// life are the rows about objects' ends, about what is below them, and about controllers of the cluster.
var life = []row{
	{id: "delete", way: deleting, want: deny, objects: []string{"deployment"}, run: kubectl("delete", "deployment", "$NAME", "--wait=false")},
	{id: "delete-orphan", way: deleting, want: deny, objects: []string{"deployment"}, run: kubectl("delete", "deployment", "$NAME", "--cascade=orphan", "--wait=false")},
	{id: "delete-front", way: deleting, want: deny, objects: []string{"deployment"}, run: kubectl("delete", "deployment", "$NAME", "--cascade=foreground", "--wait=false")},
	{id: "delete-now", way: deleting, want: deny, objects: []string{"deployment"}, run: kubectl("delete", "deployment", "$NAME", "--force", "--wait=false")},
	{id: "delete-l", way: deleting, want: deny, objects: []string{"configmap"}, run: kubectl("delete", "configmaps", "-l", "app=$NAME")},
	{id: "delete-all", way: deleting, want: deny, apart: true, given: []string{"namespace"}, objects: []string{"service"}, run: kubectl("delete", "services", "--all")},
	{id: "delete-collection", way: deleting, want: deny, objects: []string{"configmap"}, edit: "a deletecollection (kubectl delete --raw …/configmaps?labelSelector=…)",
		run: kubectl("delete", "--raw", "/api/v1/namespaces/$NS/configmaps?labelSelector=app%3D$NAME")},
	{id: "delete-helm", way: deleting, want: deny, objects: []string{"helmrelease"}, helm: []string{"release", "released"}, run: kubectl("delete", "configmap", "$NAME")},

	{id: "namespace", way: containers, want: deny, apart: true, objects: []string{"namespace", "configmap"},
		edit: "kubectl delete namespace, which git declares", run: kubectl("delete", "namespace", "$NS", "--wait=false")},
	{id: "namespace-holding", way: containers, want: deny, apart: true, given: []string{"namespace"}, objects: []string{"configmap"},
		edit: "kubectl delete namespace, which git does not declare", run: kubectl("delete", "namespace", "$NS", "--wait=false")},
	{id: "namespace-helm", way: containers, want: deny, apart: true, given: []string{"namespace", "helmrelease"}, helm: []string{"released"},
		edit: "kubectl delete namespace, which holds objects of a HelmRelease", run: kubectl("delete", "namespace", "$NS", "--wait=false")},
	{id: "crd", way: containers, want: deny, objects: []string{"crd", "gadget"},
		edit: "kubectl delete crd, which git declares", run: kubectl("delete", "crd", "gadgets.$NAME.$NS.contoso.com", "--wait=false")},
	{id: "crd-holding", way: containers, want: deny, given: []string{"crd"}, objects: []string{"gadget"},
		edit: "kubectl delete crd, which git does not declare", run: kubectl("delete", "crd", "gadgets.$NAME.$NS.contoso.com", "--wait=false")},
	{id: "cleanup", way: "namespace controller's cleanup", want: allow, apart: true, given: []string{"namespace"}, objects: []string{"configmap", "deployment"},
		edit: "the deletecollections of a namespace's end", user: harnessAdmin, by: inNamespace, run: kubectl("delete", "namespace", "$NS")},

	{id: "ending-person", way: ending, want: record, objects: []string{"guarded"}, edit: "kubectl patch by a person",
		before: kubectl("delete", "configmap", "$NAME", "--wait=false"), run: patch("merge", "configmap", `{"metadata":{"finalizers":null}}`)},
	{id: "ending-collector", way: ending, want: allow, objects: []string{"deployment"}, edit: "the garbage collector after a delete --cascade=foreground", user: harnessAdmin, by: collector,
		run: []command{call("delete", "deployment", "$NAME", "--cascade=foreground", "--wait=false"), call("wait", "--for=delete", "deployment/$NAME", "--timeout=60s")}},
	{id: "status", way: "/status by controllers", want: allow, objects: []string{"deployment"}, edit: "the deployment controller at work", user: harnessAdmin, by: deployments,
		run: []command{patch("merge", "deployment", `{"spec":{"template":{"metadata":{"annotations":{"contoso.com/roll":"1"}}}}}`)[0],
			call("wait", "--for=jsonpath={.status.observedGeneration}=2", "deployment/$NAME", "--timeout=30s")}},

	{id: "pod-image", way: byKubectl, want: deny, objects: []string{"pod"}, edit: "kubectl set image of a Pod that git declares", run: kubectl("set", "image", "pod/$NAME", "main=busybox:1")},
	{id: "resize", way: subs, want: record, objects: []string{"pod"}, run: patch("strategic", "pod", smaller, "--subresource=resize")},
	{id: "debug", way: subs, want: record, objects: []string{"pod"}, run: kubectl("debug", "$NAME", "--image=busybox:1", "--container=debug", "--attach=false")},
	{id: "debug-below", way: subs, want: record, objects: []string{"deployment"}, run: kubectl("debug", "$POD", "--image=busybox:1", "--container=debug", "--attach=false")},
	{id: "evict", way: evicting, want: allow, objects: []string{"deployment"}, edit: "an Eviction of a Pod below a managed Deployment",
		run: call("create", "--raw", "/api/v1/namespaces/$NS/pods/$POD/eviction", "-f-").with(input{text: eviction})},
	{id: "evict-bare", way: evicting, want: allow, objects: []string{"pod"}, edit: "an Eviction of a Pod that git declares",
		run: call("create", "--raw", "/api/v1/namespaces/$NS/pods/$NAME/eviction", "-f-").with(input{text: eviction, old: "$POD", new: "$NAME"})},
	{id: "drain", way: evicting, want: allow, given: []string{"node"}, objects: []string{"scheduled"},
		run: kubectl("drain", "$NS-$NAME", "--grace-period=0", "--force", "--timeout=30s")},
	{id: "pod-delete", way: belowWay, want: record, objects: []string{"deployment"}, run: kubectl("delete", "pod", "$POD", "--wait=false")},
	{id: "pod-delete-all", way: belowWay + ", scope All", want: deny, all: true, objects: []string{"deployment"}, run: kubectl("delete", "pod", "$POD", "--wait=false")},
	{id: "pod-label", way: belowWay, want: record, objects: []string{"deployment"}, run: kubectl("label", "pod", "$POD", "team=mine")},
	{id: "set-scale", way: belowWay, want: record, objects: []string{"deployment"}, run: kubectl("scale", "replicaset", "$RS", "--replicas=2")},
	{id: "set-patch", way: belowWay, want: record, objects: []string{"deployment"},
		run: kubectl("patch", "replicaset", "$RS", "--type=merge", `-p={"spec":{"minReadySeconds":5}}`)},
	{id: "set-delete", way: belowWay, want: record, objects: []string{"deployment"}, run: kubectl("delete", "replicaset", "$RS", "--wait=false")},
	{id: "exec", way: connecting, want: allow, objects: []string{"pod"}, run: kubectl("exec", "$NAME", "--", "true"), answer: noHost},
	{id: "port-forward", way: connecting, want: allow, objects: []string{"pod"}, answer: noHost, edit: "kubectl create --raw …/portforward",
		run: kubectl("create", "--raw", "/api/v1/namespaces/$NS/pods/$NAME/portforward?ports=80", "-f-")},
	{id: "cp", way: connecting, want: allow, objects: []string{"pod"}, run: kubectl("cp", "/etc/hostname", "$NAME:/tmp/hostname"), answer: noHost},
}
