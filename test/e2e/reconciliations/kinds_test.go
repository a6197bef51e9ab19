package reconciliations

import (
	"fmt"
	"math/rand/v2"
)

type object = map[string]any

// kind is one of the kinds of object in git. make writes an object's content: what random decides may change between two
// rounds; what fixed decides cannot be changed in place, so that Flux has to recreate the object.
type kind struct {
	apiVersion, kindName string
	clusterScoped        bool
	make                 func(name string, random *rand.Rand, fixed int) object
}

// kinds are what tenants put into their namespaces.
var kinds = []kind{
	{"v1", "ConfigMap", false, configMap},
	{"v1", "ConfigMap", false, immutableConfigMap},
	{"v1", "Secret", false, secret},
	{"v1", "Service", false, service},
	{"v1", "Service", false, service},
	{"v1", "ServiceAccount", false, serviceAccount},
	{"v1", "PersistentVolumeClaim", false, claim},
	{"v1", "ResourceQuota", false, quota},
	{"v1", "LimitRange", false, limitRange},
	{"apps/v1", "Deployment", false, deployment},
	{"apps/v1", "Deployment", false, deployment},
	{"apps/v1", "Deployment", false, deployment},
	{"apps/v1", "StatefulSet", false, statefulSet},
	{"apps/v1", "DaemonSet", false, daemonSet},
	{"batch/v1", "Job", false, job},
	{"batch/v1", "CronJob", false, cronJob},
	{"autoscaling/v2", "HorizontalPodAutoscaler", false, autoscaler},
	{"policy/v1", "PodDisruptionBudget", false, disruptionBudget},
	{"networking.k8s.io/v1", "Ingress", false, ingress},
	{"networking.k8s.io/v1", "NetworkPolicy", false, networkPolicy},
	{"rbac.authorization.k8s.io/v1", "Role", false, role},
	{"rbac.authorization.k8s.io/v1", "RoleBinding", false, roleBinding},
	{"helm.toolkit.fluxcd.io/v2", "HelmRelease", false, helmRelease},
	{"helm.toolkit.fluxcd.io/v2", "HelmRelease", false, helmRelease},
}

// clusterKinds are what the platform team adds to the cluster.
var clusterKinds = []kind{
	{"rbac.authorization.k8s.io/v1", "ClusterRole", true, clusterRole},
	{"rbac.authorization.k8s.io/v1", "ClusterRole", true, aggregate},
	{"rbac.authorization.k8s.io/v1", "ClusterRoleBinding", true, roleBinding},
	{"scheduling.k8s.io/v1", "PriorityClass", true, priorityClass},
	{"storage.k8s.io/v1", "StorageClass", true, storageClass},
}

func selector(name string, fixed int) object {
	return object{"app": name, "generation": fmt.Sprint("g", fixed)}
}

// some returns name: value pairs, a random part of n.
func some(random *rand.Rand, n int, prefix string) object {
	out := object{prefix: "always"}
	for i := range n {
		if random.IntN(2) == 0 {
			out[fmt.Sprint(prefix, i)] = fmt.Sprint("value-", random.IntN(1000))
		}
	}
	return out
}

// shuffled puts a list into another order.
func shuffled(random *rand.Rand, list []any) []any {
	random.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

func containers(random *rand.Rand) []any {
	var out []any
	for _, name := range []string{"main", "proxy", "metrics"} {
		if name != "main" && random.IntN(3) > 0 {
			continue
		}
		var env []any
		for i := range 4 {
			if random.IntN(2) == 0 {
				env = append(env, object{"name": fmt.Sprint("VARIABLE_", i), "value": fmt.Sprint(random.IntN(100))})
			}
		}
		container := object{"name": name, "image": fmt.Sprint("registry.example.com/", name, ":", random.IntN(50)), "env": shuffled(random, env)}
		if random.IntN(2) == 0 {
			container["resources"] = object{"limits": object{"memory": fmt.Sprint(random.IntN(4)+1, "Gi"), "cpu": []any{"500m", "0.5", 1}[random.IntN(3)]}}
		}
		if random.IntN(2) == 0 {
			container["ports"] = []any{object{"containerPort": 8000 + random.IntN(3), "name": "http"}}
		}
		out = append(out, container)
	}
	return shuffled(random, out)
}

func template(name string, random *rand.Rand, fixed int, restart string) object {
	spec := object{"containers": containers(random)}
	if restart != "" {
		spec["restartPolicy"] = restart
	}
	metadata := object{"labels": selector(name, fixed)}
	if random.IntN(3) == 0 {
		metadata["annotations"] = some(random, 2, "example.com-note")
	}
	return object{"metadata": metadata, "spec": spec}
}

func configMap(_ string, random *rand.Rand, _ int) object {
	return object{"data": some(random, 6, "key")}
}

func immutableConfigMap(_ string, _ *rand.Rand, fixed int) object {
	return object{"immutable": true, "data": object{"fixed": fmt.Sprint(fixed)}}
}

func secret(_ string, random *rand.Rand, fixed int) object {
	return object{"type": fmt.Sprint("example.com/v", fixed), "stringData": some(random, 4, "key")}
}

func service(name string, random *rand.Rand, fixed int) object {
	ports := []any{object{"name": "http", "port": 80, "targetPort": 8000 + random.IntN(3)}}
	if random.IntN(2) == 0 {
		ports = append(ports, object{"name": "dns", "port": 53, "protocol": "UDP"})
	}
	spec := object{"selector": selector(name, 0), "ports": shuffled(random, ports)}
	if fixed%2 == 1 {
		spec["clusterIP"] = "None"
	}
	return object{"spec": spec}
}

func serviceAccount(_ string, random *rand.Rand, _ int) object {
	return object{"automountServiceAccountToken": random.IntN(2) == 0}
}

func claim(_ string, _ *rand.Rand, fixed int) object {
	return object{"spec": object{
		"accessModes":      []any{[]any{"ReadWriteOnce", "ReadWriteMany"}[fixed%2]},
		"storageClassName": "none",
		"resources":        object{"requests": object{"storage": "1Gi"}},
	}}
}

func quota(_ string, random *rand.Rand, _ int) object {
	return object{"spec": object{"hard": object{"pods": fmt.Sprint(400 + random.IntN(100)), "count/jobs.batch": 1000}}}
}

func limitRange(_ string, random *rand.Rand, _ int) object {
	return object{"spec": object{"limits": []any{object{"type": "Container", "default": object{"cpu": fmt.Sprint(1+random.IntN(4), "")}}}}}
}

func deployment(name string, random *rand.Rand, fixed int) object {
	spec := object{"selector": object{"matchLabels": selector(name, fixed)}, "template": template(name, random, fixed, "")}
	if random.IntN(3) > 0 {
		spec["replicas"] = random.IntN(4)
	}
	if random.IntN(2) == 0 {
		spec["strategy"] = object{"type": "RollingUpdate", "rollingUpdate": object{"maxSurge": "50%", "maxUnavailable": 0}}
	} else if random.IntN(2) == 0 {
		spec["strategy"] = object{"type": "Recreate", "rollingUpdate": nil}
	}
	if random.IntN(4) == 0 {
		spec["paused"] = true
	}
	return object{"spec": spec}
}

func statefulSet(name string, random *rand.Rand, fixed int) object {
	return object{"spec": object{
		"serviceName": name, "replicas": random.IntN(3), "podManagementPolicy": []any{"Parallel", "OrderedReady"}[fixed%2],
		"selector": object{"matchLabels": selector(name, fixed)}, "template": template(name, random, fixed, ""),
		"volumeClaimTemplates": []any{object{"metadata": object{"name": "data"}, "spec": object{
			"accessModes": []any{"ReadWriteOnce"}, "storageClassName": "none", "resources": object{"requests": object{"storage": fmt.Sprint(1+fixed, "Gi")}},
		}}},
	}}
}

func daemonSet(name string, random *rand.Rand, fixed int) object {
	return object{"spec": object{"selector": object{"matchLabels": selector(name, fixed)}, "template": template(name, random, fixed, "")}}
}

func job(name string, random *rand.Rand, fixed int) object {
	// All of a Job's template is fixed once it is there.
	same := rand.New(rand.NewPCG(uint64(fixed), 0))
	spec := object{"completions": 1 + fixed%2, "template": template(name, same, fixed, "Never")}
	if random.IntN(2) == 0 {
		spec["ttlSecondsAfterFinished"] = random.IntN(3)
	}
	return object{"spec": spec}
}

func cronJob(name string, random *rand.Rand, fixed int) object {
	return object{"spec": object{
		"schedule": "* * * * *", "suspend": random.IntN(3) == 0, "successfulJobsHistoryLimit": random.IntN(2),
		"jobTemplate": object{"spec": object{"ttlSecondsAfterFinished": 1, "template": template(name, random, fixed, "OnFailure")}},
	}}
}

func autoscaler(name string, random *rand.Rand, _ int) object {
	return object{"spec": object{
		"scaleTargetRef": object{"apiVersion": "apps/v1", "kind": "Deployment", "name": name}, "minReplicas": 2 + random.IntN(2), "maxReplicas": 4 + random.IntN(4),
		"metrics": []any{object{"type": "Resource", "resource": object{"name": "cpu", "target": object{"type": "Utilization", "averageUtilization": 50 + random.IntN(40)}}}},
	}}
}

func disruptionBudget(name string, random *rand.Rand, fixed int) object {
	return object{"spec": object{"maxUnavailable": []any{1, "50%"}[random.IntN(2)], "selector": object{"matchLabels": selector(name, fixed)}}}
}

func ingress(name string, random *rand.Rand, _ int) object {
	var rules []any
	for i := range 1 + random.IntN(3) {
		rules = append(rules, object{"host": fmt.Sprint(name, i, ".example.com"), "http": object{"paths": []any{
			object{"path": "/", "pathType": "Prefix", "backend": object{"service": object{"name": name, "port": object{"number": 80}}}},
		}}})
	}
	return object{"spec": object{"rules": shuffled(random, rules)}}
}

func networkPolicy(name string, random *rand.Rand, _ int) object {
	return object{"spec": object{
		"podSelector": object{"matchLabels": object{"app": name}}, "policyTypes": shuffled(random, []any{"Ingress", "Egress"}),
		"ingress": []any{object{"ports": []any{object{"port": 8000 + random.IntN(9)}}}},
	}}
}

func rules(random *rand.Rand) []any {
	return []any{object{"apiGroups": []any{""}, "resources": shuffled(random, []any{"configmaps", "services", "pods"}), "verbs": []any{"get", "list"}[:1+random.IntN(2)]}}
}

func role(_ string, random *rand.Rand, _ int) object { return object{"rules": rules(random)} }

func roleBinding(name string, random *rand.Rand, fixed int) object {
	return object{
		"roleRef":  object{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": []any{"view", "edit"}[fixed%2]},
		"subjects": []any{object{"kind": "ServiceAccount", "namespace": "default", "name": fmt.Sprint(name, random.IntN(9))}},
	}
}

func clusterRole(_ string, random *rand.Rand, _ int) object {
	return object{"metadata": object{"labels": object{"example.com/aggregate": "true"}}, "rules": rules(random)}
}

func aggregate(_ string, random *rand.Rand, _ int) object {
	selectors := []any{object{"matchLabels": object{"example.com/aggregate": "true"}}}
	if random.IntN(2) == 0 {
		selectors = append(selectors, object{"matchLabels": object{"rbac.authorization.k8s.io/aggregate-to-view": "true"}})
	}
	return object{"aggregationRule": object{"clusterRoleSelectors": selectors}}
}

func priorityClass(_ string, random *rand.Rand, fixed int) object {
	return object{"value": 1000 + fixed, "description": fmt.Sprint("description ", random.IntN(9))}
}

func storageClass(_ string, random *rand.Rand, fixed int) object {
	return object{"provisioner": fmt.Sprint("example.com/disk-", fixed), "allowVolumeExpansion": random.IntN(2) == 0}
}

func helmRelease(name string, random *rand.Rand, fixed int) object {
	spec := object{
		"interval": "1h", "timeout": "20s",
		"chart": object{"spec": object{
			"chart": "web", "version": versions[random.IntN(len(versions))],
			"sourceRef": object{"kind": "HelmRepository", "name": "charts"},
		}},
		"values":         object{"replicas": random.IntN(3), "color": fmt.Sprint("color-", random.IntN(3)), "extra": random.IntN(2) == 0},
		"install":        object{"disableWait": random.IntN(3) > 0},
		"upgrade":        object{"disableWait": true, "remediation": object{"retries": 1}},
		"rollback":       object{"disableWait": true, "cleanupOnFail": true},
		"uninstall":      object{"disableWait": true, "deletionPropagation": []any{"background", "foreground", "orphan"}[random.IntN(3)], "keepHistory": false},
		"driftDetection": object{"mode": []any{"enabled", "warn", "disabled"}[random.IntN(3)]},
		"test":           object{"enable": random.IntN(3) == 0},
		"maxHistory":     1 + random.IntN(3),
	}
	if random.IntN(3) == 0 {
		spec["commonMetadata"] = object{"labels": object{"example.com/team": fmt.Sprint("team-", random.IntN(3))}}
	}
	if random.IntN(2) == 0 {
		spec["serviceAccountName"] = accounts[random.IntN(len(accounts))]
	}
	if fixed%2 == 1 {
		spec["releaseName"] = fmt.Sprint(name, "-", random.IntN(2))
	}
	if random.IntN(8) == 0 {
		spec["suspend"] = true
	}
	return object{"spec": spec}
}
