package reconciliations

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/test/harness"
)

// accounts are the service accounts of every tenant that Flux may apply with.
var accounts = []string{"deployer", "reconciler"}

// repository is what the platform team and its tenants have in git, and what changes in it from round to round.
type repository struct {
	random *rand.Rand
	serial int // of the last name given
	// deck holds the kinds that are still to be used before any is used again, and due the changes that are still to be
	// made before they are left to chance.
	deck []kind
	due  []change
	// platform is what Flux applies in its own name: the cluster's objects, and the tenants with their Kustomizations.
	platform []*resource
	// extensions are CRDs, each with an object of its kind, in one Kustomization with everything of the platform.
	extensions []string
	tenants    []*tenant
}

// tenant is a namespace, a second one, and what is applied there.
type tenant struct {
	name string
	apps []*app
}

func (t *tenant) namespaces() []string { return []string{t.name, t.name + "-data"} }

// app is one Kustomization of a tenant.
type app struct {
	name      string
	spec      object // what changes in its spec; path, source and interval never do
	resources []*resource
}

// resource is one object in git.
type resource struct {
	kind
	object, namespace string
	seed              uint64
	fixed             int
	forced, held      bool
}

func newRepository(seed uint64) *repository {
	r := &repository{random: rand.New(rand.NewPCG(seed, 1)), due: slices.Clone(repositoryChanges)}
	r.random.Shuffle(len(r.due), func(i, j int) { r.due[i], r.due[j] = r.due[j], r.due[i] })
	for range 3 {
		r.addTenant()
	}
	for range 3 {
		r.addPlatform()
	}
	r.extensions = append(r.extensions, r.name("widget"))
	return r
}

func (r *repository) name(prefix string) string {
	r.serial++
	return fmt.Sprint(prefix, r.serial)
}

// one picks from list, which must not be empty.
func one[T any](random *rand.Rand, list []T) T { return list[random.IntN(len(list))] }

func (r *repository) addTenant() {
	t := &tenant{name: r.name("team-")}
	for range 2 {
		r.addApp(t)
	}
	t.apps[0].resources = append(t.apps[0].resources, &resource{
		kind: kinds[0], object: r.name("held-object-"), namespace: t.name, seed: r.random.Uint64(), held: true,
	})
	r.tenants = append(r.tenants, t)
}

func (r *repository) addApp(t *tenant) {
	a := &app{name: r.name("app-"), spec: object{"prune": true}}
	if r.random.IntN(3) > 0 {
		a.spec["serviceAccountName"] = one(r.random, accounts)
	}
	for range 4 {
		r.addResource(t, a)
	}
	t.apps = append(t.apps, a)
}

func (r *repository) addResource(t *tenant, a *app) {
	if len(r.deck) == 0 {
		r.deck = slices.Clone(kinds)
		r.random.Shuffle(len(r.deck), func(i, j int) { r.deck[i], r.deck[j] = r.deck[j], r.deck[i] })
	}
	next := r.deck[0]
	r.deck = r.deck[1:]
	a.resources = append(a.resources, &resource{
		kind: next, object: r.name("object-"), namespace: one(r.random, t.namespaces()), seed: r.random.Uint64(),
	})
}

func (r *repository) addPlatform() {
	r.platform = append(r.platform, &resource{kind: one(r.random, clusterKinds), object: r.name("platform-"), seed: r.random.Uint64(), forced: true})
}

// document is the object as git has it.
func (r *resource) document() object {
	content := r.make(r.object, rand.New(rand.NewPCG(r.seed, 0)), r.fixed)
	metadata, _ := content["metadata"].(object)
	if metadata == nil {
		metadata = object{}
	}
	metadata["name"] = r.object
	if !r.clusterScoped {
		metadata["namespace"] = r.namespace
	}
	if r.forced {
		metadata["annotations"] = object{"kustomize.toolkit.fluxcd.io/force": "enabled"}
	}
	if r.held {
		metadata["finalizers"] = []any{finalizer}
	}
	content["apiVersion"], content["kind"], content["metadata"] = r.apiVersion, r.kindName, metadata
	return content
}

// finalizer is that of an operator of the cluster.
const finalizer = "operator.example.com/hold"

// sources are the folders that change independently of each other, each published as a GitRepository of its own.
func (r *repository) sources() map[string]string {
	out := map[string]string{"platform": stream(r.platformDocuments())}
	for _, t := range r.tenants {
		for _, a := range t.apps {
			var documents []object
			for _, resource := range a.resources {
				documents = append(documents, resource.document())
			}
			out[path.Join(t.name, a.name)] = stream(documents)
		}
	}
	return out
}

func (r *repository) platformDocuments() []object {
	var out []object
	for _, resource := range r.platform {
		out = append(out, resource.document())
	}
	for _, name := range r.extensions {
		out = append(out, extension(name)...)
	}
	for _, t := range r.tenants {
		for _, namespace := range t.namespaces() {
			out = append(out, object{"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": namespace, "labels": object{"tenant": t.name}}})
			for _, account := range accounts {
				out = append(out, object{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": object{"name": account, "namespace": namespace}})
			}
		}
		for _, a := range t.apps {
			out = append(out, a.kustomization(t))
		}
	}
	return out
}

func (a *app) kustomization(t *tenant) object {
	spec := object{
		"interval": "1h", "retryInterval": "1s", "timeout": "15s", "path": "./" + a.name,
		"sourceRef": object{"kind": "GitRepository", "name": t.name, "namespace": harness.FluxNamespace},
	}
	maps.Copy(spec, a.spec)
	return object{
		"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
		"metadata": object{"name": a.name, "namespace": t.name}, "spec": spec,
	}
}

// extension is a CRD and an object of its kind.
func extension(name string) []object {
	const group = "extensions.example.com"
	return []object{
		{
			"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": object{"name": name + "s." + group},
			"spec": object{
				"group": group, "scope": "Namespaced",
				"names": object{"kind": strings.ToUpper(name[:1]) + name[1:], "plural": name + "s", "singular": name},
				"versions": []any{object{
					"name": "v1", "served": true, "storage": true, "subresources": object{"status": object{}},
					"schema": object{"openAPIV3Schema": object{"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
				}},
			},
		},
		{
			"apiVersion": group + "/v1", "kind": strings.ToUpper(name[:1]) + name[1:],
			"metadata": object{"name": name, "namespace": "default"}, "spec": object{"items": []any{object{"name": "a"}, object{"name": "b"}}},
		},
	}
}

// stream writes documents one after the other.
func stream(documents []object) string {
	var out strings.Builder
	for _, document := range documents {
		content, err := yaml.Marshal(document)
		if err != nil {
			panic(fmt.Sprintf("encode what this test makes: %v", err))
		}
		out.WriteString("---\n")
		out.Write(content)
	}
	return out.String()
}
