package reconciliations

import (
	"fmt"
	"slices"
)

// change is something that a team merges. It reports false where there was nothing to change.
type change struct {
	name string
	// share is how often it happens, beside the others.
	share int
	make  func(r *repository) bool
}

var repositoryChanges = []change{
	{"values, fields added and removed, lists reordered", 12, onResource(func(r *repository, _ *tenant, _ *app, o *resource) bool {
		o.seed = r.random.Uint64()
		return true
	})},
	{"an immutable field, with the force annotation", 3, onResource(func(_ *repository, _ *tenant, _ *app, o *resource) bool {
		o.forced = true
		o.fixed++
		return !o.held
	})},
	{"an immutable field, with spec.force", 2, onResource(func(_ *repository, _ *tenant, a *app, o *resource) bool {
		a.spec["force"] = true
		o.fixed++
		return !o.held
	})},
	{"an object added", 5, onApp(func(r *repository, t *tenant, a *app) bool {
		r.addResource(t, a)
		return len(a.resources) <= 8
	})},
	{"an object pruned", 5, onApp(func(r *repository, _ *tenant, a *app) bool {
		return len(a.resources) > 2 && r.take(a) != nil
	})},
	{"an object renamed", 3, onResource(func(r *repository, _ *tenant, _ *app, o *resource) bool {
		o.object = r.name("renamed-")
		return true
	})},
	{"an object moved to the other namespace", 2, onResource(func(_ *repository, t *tenant, _ *app, o *resource) bool {
		o.namespace = t.namespaces()[1-slices.Index(t.namespaces(), o.namespace)]
		return true
	})},
	{"an object moved to another Kustomization", 6, onApp(func(r *repository, t *tenant, a *app) bool {
		to := one(r.random, t.apps)
		if to == a || len(a.resources) < 3 {
			return false
		}
		to.resources = append(to.resources, r.take(a))
		return true
	})},
	{"objects in another order", 1, onApp(func(r *repository, _ *tenant, a *app) bool {
		r.random.Shuffle(len(a.resources), func(i, j int) { a.resources[i], a.resources[j] = a.resources[j], a.resources[i] })
		return true
	})},
	{"a finalizer added or removed", 2, onResource(func(_ *repository, _ *tenant, _ *app, o *resource) bool {
		o.held = !o.held && o.kindName == "ConfigMap" && o.fixed == 0
		return o.kindName == "ConfigMap"
	})},
	{"an object with a finalizer pruned", 2, onApp(func(_ *repository, _ *tenant, a *app) bool {
		i := slices.IndexFunc(a.resources, func(o *resource) bool { return o.held })
		if i < 0 || len(a.resources) < 2 {
			return false
		}
		a.resources = slices.Delete(a.resources, i, i+1)
		return true
	})},
	{"another service account", 5, toggle("serviceAccountName", accounts[0], accounts[1], nil)},
	{"suspended or resumed", 2, toggle("suspend", true, nil)},
	{"spec.force", 1, toggle("force", true, nil)},
	{"pruning switched", 1, toggle("prune", true, true, false)},
	{"another name prefix", 1, toggle("namePrefix", "blue-", "green-", nil, nil)},
	{"another name suffix", 1, toggle("nameSuffix", "-v1", "-v2", nil, nil)},
	{"other common metadata", 2, toggle("commonMetadata", object{"labels": object{"example.com/stage": "prod"}},
		object{"labels": object{"example.com/stage": "test"}, "annotations": object{"example.com/owner": "platform"}}, nil)},
	{"another deletion policy", 1, toggle("deletionPolicy", "MirrorPrune", "Delete", "WaitForTermination", "Orphan")},
	{"fields left alone", 2, toggle("ignore", []any{object{"paths": []any{"/spec/replicas"}, "target": object{"kind": "Deployment"}}},
		[]any{object{"paths": []any{"/data/key1"}, "target": object{"kind": "ConfigMap"}}}, nil)},
	{"another target namespace", 1, onApp(func(r *repository, t *tenant, a *app) bool {
		if _, set := a.spec["targetNamespace"]; set {
			delete(a.spec, "targetNamespace")
		} else {
			a.spec["targetNamespace"] = one(r.random, t.namespaces())
		}
		return true
	})},
	{"a Kustomization added", 2, func(r *repository) bool {
		t := one(r.random, r.tenants)
		if len(t.apps) < 4 {
			r.addApp(t)
			return true
		}
		return false
	}},
	{"a Kustomization deleted", 1, onApp(func(_ *repository, t *tenant, a *app) bool {
		t.apps = slices.DeleteFunc(t.apps, func(b *app) bool { return a == b && len(t.apps) > 1 })
		return !slices.Contains(t.apps, a)
	})},
	{"a Kustomization renamed", 2, onApp(func(r *repository, _ *tenant, a *app) bool {
		a.name = r.name("renamed-app-")
		return true
	})},
	{"a tenant added", 1, func(r *repository) bool {
		if len(r.tenants) > 3 {
			return false
		}
		r.addTenant()
		return true
	}},
	{"a tenant removed, namespaces and all", 1, func(r *repository) bool {
		if len(r.tenants) < 3 {
			return false
		}
		i := r.random.IntN(len(r.tenants))
		r.tenants = slices.Delete(r.tenants, i, i+1)
		return true
	}},
	{"a CRD and its object added or removed", 2, func(r *repository) bool {
		if len(r.extensions) > 2 {
			r.extensions = r.extensions[1:]
		} else {
			r.extensions = append(r.extensions, r.name("widget"))
		}
		return true
	}},
	{"the cluster's objects", 5, func(r *repository) bool {
		o := one(r.random, r.platform)
		switch r.random.IntN(4) {
		case 0:
			r.addPlatform()
		case 1:
			if len(r.platform) > 3 {
				r.platform = r.platform[1:]
			}
		case 2:
			o.fixed++
		case 3:
			o.seed = r.random.Uint64()
		}
		return true
	}},
}

// change makes one of repositoryChanges and returns its name.
func (r *repository) change() string {
	for i, c := range r.due {
		if c.make(r) {
			r.due = slices.Delete(r.due, i, i+1)
			return c.name
		}
	}
	total := 0
	for _, c := range repositoryChanges {
		total += c.share
	}
	for {
		n := r.random.IntN(total)
		for _, c := range repositoryChanges {
			if n -= c.share; n < 0 {
				if c.make(r) {
					return c.name
				}
				break
			}
		}
	}
}

// take removes one of the app's resources and returns it.
func (r *repository) take(a *app) *resource {
	i := r.random.IntN(len(a.resources))
	o := a.resources[i]
	a.resources = slices.Delete(a.resources, i, i+1)
	return o
}

func onApp(make func(*repository, *tenant, *app) bool) func(*repository) bool {
	return func(r *repository) bool {
		t := one(r.random, r.tenants)
		return make(r, t, one(r.random, t.apps))
	}
}

func onResource(make func(*repository, *tenant, *app, *resource) bool) func(*repository) bool {
	return onApp(func(r *repository, t *tenant, a *app) bool { return make(r, t, a, one(r.random, a.resources)) })
}

// toggle gives a field of a Kustomization's spec one of values; nil takes it away.
func toggle(field string, values ...any) func(*repository) bool {
	return onApp(func(r *repository, _ *tenant, a *app) bool {
		before := fmt.Sprint(a.spec[field])
		if value := one(r.random, values); value == nil {
			delete(a.spec, field)
		} else {
			a.spec[field] = value
		}
		return fmt.Sprint(a.spec[field]) != before
	})
}
