package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	apiwatch "k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/test/harness"
)

var (
	deployments = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	configMaps  = schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}
)

// manifests are n objects of one Kustomization: o0, o2, … are Deployments, o1, o3, … ConfigMaps. No Pods are wanted;
// they would only load the machine.
func manifests(namespace string, n int) string {
	var out strings.Builder
	for i := range n {
		if i%2 == 0 {
			fmt.Fprintf(&out, `---
apiVersion: apps/v1
kind: Deployment
metadata: {name: o%[1]d, namespace: %[2]s, labels: {team: payments}}
spec:
  replicas: 0
  selector: {matchLabels: {app: o%[1]d}}
  template:
    metadata: {labels: {app: o%[1]d}}
    spec:
      containers:
      - {name: api, image: "contoso/api:1", resources: {limits: {memory: 512Mi}}}
`, i, namespace)
		} else {
			fmt.Fprintf(&out, `---
apiVersion: v1
kind: ConfigMap
metadata: {name: o%d, namespace: %s, labels: {team: payments}}
data: {level: info}
`, i, namespace)
		}
	}
	return out.String()
}

// edit is what somebody does to an object.
type edit struct {
	what   string
	object id
	// patch is a strategic merge patch; none: the object is deleted.
	patch string
	// back reports whether nothing is left of it.
	back func(*unstructured.Unstructured) bool
}

type id struct {
	kind            schema.GroupVersionKind
	namespace, name string
}

// String returns Kind namespace/name.
func (i id) String() string { return i.kind.Kind + " " + i.namespace + "/" + i.name }

// randomEdit is an edit of object number i.
func randomEdit(random *rand.Rand, namespace string, i int) edit {
	name := "o" + strconv.Itoa(i)
	kind, choices := configMaps, []edit{
		{what: "a changed value", patch: `{"data":{"level":"debug"}}`,
			back: func(u *unstructured.Unstructured) bool { return text(u, "data", "level") == "info" }},
		{what: "an added key", patch: `{"data":{"extra":"by hand"}}`,
			back: func(u *unstructured.Unstructured) bool { return text(u, "data", "extra") == "" }},
		{what: "a removed label", patch: `{"metadata":{"labels":{"team":null}}}`, back: labelled},
		{what: "a deletion", back: func(*unstructured.Unstructured) bool { return true }},
	}
	if i%2 == 0 {
		kind, choices = deployments, []edit{
			{what: "a raised memory limit", patch: `{"spec":{"template":{"spec":{"containers":[{"name":"api","resources":{"limits":{"memory":"1Gi"}}}]}}}}`,
				back: func(u *unstructured.Unstructured) bool { return strings.Contains(container(u), "memory:512Mi") }},
			{what: "an added variable", patch: `{"spec":{"template":{"spec":{"containers":[{"name":"api","env":[{"name":"DEBUG","value":"1"}]}]}}}}`,
				back: func(u *unstructured.Unstructured) bool { return !strings.Contains(container(u), "DEBUG") }},
			{what: "a pause", patch: `{"spec":{"paused":true}}`,
				back: func(u *unstructured.Unstructured) bool {
					_, ok, _ := unstructured.NestedBool(u.Object, "spec", "paused")
					return !ok
				}},
			{what: "a removed label", patch: `{"metadata":{"labels":{"team":null}}}`, back: labelled},
		}
	}
	chosen := choices[random.IntN(len(choices))]
	chosen.object = id{kind, namespace, name}
	return chosen
}

func labelled(u *unstructured.Unstructured) bool { return u.GetLabels()["team"] == "payments" }

func text(u *unstructured.Unstructured, path ...string) string {
	s, _, _ := unstructured.NestedString(u.Object, path...)
	return s
}

// container is a Deployment's containers as text.
func container(u *unstructured.Unstructured) string {
	list, _, _ := unstructured.NestedSlice(u.Object, "spec", "template", "spec", "containers")
	return fmt.Sprint(list)
}

// make does the edit with kubectl's requests. It returns what tells that an object is the restored one.
func (e edit) make(ctx context.Context, c client.Client) (func(*unstructured.Unstructured) bool, error) {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(e.object.kind)
	u.SetNamespace(e.object.namespace)
	u.SetName(e.object.name)
	if e.patch == "" {
		if err := c.Get(ctx, client.ObjectKeyFromObject(u), u); err != nil {
			return nil, err
		}
		deleted := u.GetUID()
		return func(u *unstructured.Unstructured) bool { return u.GetUID() != deleted && e.back(u) }, c.Delete(ctx, u)
	}
	err := c.Patch(ctx, u, client.RawPatch(types.StrategicMergePatchType, []byte(e.patch)), client.FieldOwner("kubectl-patch"))
	if err != nil {
		return nil, err
	}
	if e.back(u) {
		return nil, fmt.Errorf("%s of %s changed nothing", e.what, e.object)
	}
	edited, err := version(u)
	return func(u *unstructured.Unstructured) bool {
		v, err := version(u)
		return err == nil && v > edited && e.back(u)
	}, err
}

// version is the resource version, whose order Kubernetes guarantees since 1.35.
func version(u *unstructured.Unstructured) (uint64, error) {
	return strconv.ParseUint(u.GetResourceVersion(), 10, 64)
}

// watched keeps what happened to the objects of a namespace, and when it was heard of.
type watched struct {
	watches []apiwatch.Interface
	mu      sync.Mutex
	seen    map[id][]sighting
	news    chan struct{}
}

type sighting struct {
	at     time.Time
	object *unstructured.Unstructured
}

func watch(ctx context.Context, cluster *harness.Cluster, namespace string) (*watched, error) {
	w := &watched{seen: map[id][]sighting{}, news: make(chan struct{})}
	for _, kind := range []schema.GroupVersionKind{deployments, configMaps} {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		// From now on: else the watch begins with all that is there, and what is measured waits behind that.
		if err := cluster.Admin().List(ctx, list, client.Limit(1)); err != nil {
			w.stop()
			return nil, err
		}
		from := &client.ListOptions{Namespace: namespace, Raw: &metav1.ListOptions{ResourceVersion: list.GetResourceVersion()}}
		events, err := cluster.Admin().Watch(ctx, list, from)
		if err != nil {
			w.stop()
			return nil, err
		}
		w.watches = append(w.watches, events)
		go w.listen(kind, events)
	}
	return w, nil
}

func (w *watched) listen(kind schema.GroupVersionKind, events apiwatch.Interface) {
	for event := range events.ResultChan() {
		u, ok := event.Object.(*unstructured.Unstructured)
		if !ok || event.Type == apiwatch.Deleted {
			continue
		}
		key := id{kind, u.GetNamespace(), u.GetName()}
		w.mu.Lock()
		w.seen[key] = append(w.seen[key], sighting{time.Now(), u})
		close(w.news)
		w.news = make(chan struct{})
		w.mu.Unlock()
	}
}

// await returns when an object was first seen as it should be.
func (w *watched) await(ctx context.Context, object id, restored func(*unstructured.Unstructured) bool, patience time.Duration) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		w.mu.Lock()
		seen, news := w.seen[object], w.news
		w.mu.Unlock()
		for _, s := range seen {
			if restored(s.object) {
				return s.at, nil
			}
		}
		select {
		case <-news:
		case <-ctx.Done():
			return time.Time{}, errors.New("it still lasts")
		}
	}
}

func (w *watched) stop() {
	for _, events := range w.watches {
		events.Stop()
	}
}
