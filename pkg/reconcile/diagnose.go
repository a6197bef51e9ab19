package reconcile

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	kstatus "github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/apis/meta"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	// diagnosing bounds the look for what is wrong, also when the wait itself is over.
	diagnosing = 5 * time.Second
	// told is how many culprits are told, and how many events of each.
	told = 3
	// examined is how many objects of an inventory are read to find out which is not ready.
	examined = 100
	// listedEvents is how many events of a namespace are read.
	listedEvents = 500
)

// Flux names the objects that are not healthy: kustomize-controller as "Deployment/payments/api status: 'Failed'", helm-controller, in
// Helm's words, as "resource Deployment/payments/api not ready".
var unhealthy = regexp.MustCompile(`\b([A-Z][A-Za-z0-9]*)/(?:([a-z0-9.-]+)/)?([A-Za-z0-9.:_-]+) (?:status: '|not ready)`)

// diagnose adds to a result the objects that keep it from being ready. What cannot be read is left out: the result has a
// reason without it.
func (p *plan) diagnose(ctx context.Context, seen observed, result *Result) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return // nobody waits any more
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), diagnosing)
	defer cancel()
	names := p.named(ctx, seen)
	if len(names) > told {
		names = names[:told]
	}
	for _, object := range names {
		if slices.ContainsFunc(result.Culprits, func(c Culprit) bool { return c.Object == object }) {
			continue
		}
		result.Culprits = append(result.Culprits, p.examine(ctx, object))
	}
	// The failures of an upgrade are told as events of the HelmRelease itself.
	if seen.object.isRelease() && result.State == StateFailed && len(names) == 0 {
		events := p.events(ctx, seen.object, nil)
		switch i := slices.IndexFunc(result.Culprits, func(c Culprit) bool { return c.Object == seen.object }); {
		case i >= 0:
			result.Culprits[i].Events = events
		case len(events) > 0:
			result.Culprits = append(result.Culprits, Culprit{Object: seen.object, Events: events})
		}
	}
}

// named are the objects that Flux says are not healthy or, while it waits for them, those that are not.
func (p *plan) named(ctx context.Context, seen observed) []Object {
	ready := seen.condition(meta.ReadyCondition)
	if ready == nil {
		return nil
	}
	inventory := seen.inventory()
	var out []Object
	for _, match := range unhealthy.FindAllStringSubmatch(ready.Message, -1) {
		object := Object{Kind: match[1], Namespace: match[2], Name: match[3]}
		i := slices.IndexFunc(inventory, func(o Object) bool {
			return o.Kind == object.Kind && o.Namespace == object.Namespace && o.Name == object.Name
		})
		if i >= 0 {
			object = inventory[i]
		} else if object.Group = workloadGroup(object.Kind); object.Group == "" && object.Kind != "Pod" {
			continue
		}
		if !slices.Contains(out, object) {
			out = append(out, object)
		}
	}
	checking := seen.condition(meta.ReconcilingCondition)
	if len(out) > 0 || ready.Status != metav1.ConditionUnknown || checking == nil || !strings.HasPrefix(checking.Message, "Running health checks") {
		return out
	}
	for _, object := range inventory[:min(len(inventory), examined)] {
		if u, err := p.get(ctx, object); err == nil {
			if computed, err := kstatus.Compute(u); err == nil && computed.Status != kstatus.CurrentStatus {
				out = append(out, object)
			}
		}
	}
	return out
}

// workloadGroup is the group of a kind that Helm waits for.
func workloadGroup(kind string) string {
	switch kind {
	case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet":
		return "apps"
	case "Job", "CronJob":
		return "batch"
	}
	return ""
}

func (p *plan) get(ctx context.Context, object Object) (*unstructured.Unstructured, error) {
	mapping, err := p.Mapper.RESTMapping(object.groupKind())
	if err != nil {
		return nil, err
	}
	return p.Client.Resource(mapping.Resource).Namespace(object.Namespace).Get(ctx, object.Name, metav1.GetOptions{})
}

// examine says what is wrong with an object.
func (p *plan) examine(ctx context.Context, object Object) Culprit {
	c := Culprit{Object: object}
	if object.groupKind() == corev1.SchemeGroupVersion.WithKind("Secret").GroupKind() {
		return c // what is told of it might quote it
	}
	u, err := p.get(ctx, object)
	if err != nil {
		return c
	}
	if Requestable(object.groupKind()) {
		if seen, err := observe(u); err == nil {
			if ready := seen.condition(meta.ReadyCondition); ready != nil {
				c.Reason, c.Message = ready.Reason, ready.Message
			}
		}
	} else if computed, err := kstatus.Compute(u); err == nil && computed.Status != kstatus.CurrentStatus {
		c.Message = computed.Message
	}
	pods := p.pods(ctx, u)
	for _, pod := range pods {
		if reason, message := trouble(pod); reason != "" {
			c.Reason, c.Message = reason, message
			break
		}
	}
	c.Events = p.events(ctx, object, pods)
	return c
}

var podsResource = corev1.SchemeGroupVersion.WithResource("pods")

// pods are those of a workload, or the object itself if it is one.
func (p *plan) pods(ctx context.Context, u *unstructured.Unstructured) []*corev1.Pod {
	if u.GroupVersionKind() == corev1.SchemeGroupVersion.WithKind("Pod") {
		if pod, err := asPod(u); err == nil {
			return []*corev1.Pod{pod}
		}
	}
	raw, found, err := unstructured.NestedMap(u.Object, "spec", "selector")
	if !found || err != nil || workloadGroup(u.GetKind()) == "" {
		return nil
	}
	var selector metav1.LabelSelector
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw, &selector); err != nil {
		return nil
	}
	s, err := metav1.LabelSelectorAsSelector(&selector)
	if err != nil || s.Empty() {
		return nil
	}
	list, err := p.Client.Resource(podsResource).Namespace(u.GetNamespace()).List(ctx, metav1.ListOptions{LabelSelector: s.String(), Limit: examined})
	if err != nil {
		return nil
	}
	var out []*corev1.Pod
	for i := range list.Items {
		if pod, err := asPod(&list.Items[i]); err == nil {
			out = append(out, pod)
		}
	}
	return out
}

func asPod(u *unstructured.Unstructured) (*corev1.Pod, error) {
	pod := &corev1.Pod{}
	return pod, runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, pod)
}

// trouble is why a Pod does not start or stay: of its first container that says so, or of the scheduler.
func trouble(pod *corev1.Pod) (reason, message string) {
	for _, c := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		waiting, ended := c.State.Waiting, c.State.Terminated
		switch {
		case waiting != nil && waiting.Reason != "" && waiting.Reason != "ContainerCreating" && waiting.Reason != "PodInitializing":
			return waiting.Reason, waiting.Message
		case ended != nil && ended.ExitCode != 0:
			return ended.Reason, ended.Message
		}
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return c.Reason, c.Message
		}
	}
	return "", ""
}

var eventsResource = schema.GroupVersionResource{Version: "v1", Resource: "events"}

// events are the last ones about an object, its ReplicaSets and its Pods, warnings rather than others.
func (p *plan) events(ctx context.Context, object Object, pods []*corev1.Pod) []ObjectEvent {
	namespace := object.Namespace
	if namespace == "" {
		namespace = metav1.NamespaceDefault // where those of cluster-scoped objects are
	}
	options := metav1.ListOptions{Limit: listedEvents}
	if len(pods) == 0 && object.Kind != "Deployment" {
		options.FieldSelector = fields.AndSelectors(
			fields.OneTermEqualSelector("involvedObject.kind", object.Kind), fields.OneTermEqualSelector("involvedObject.name", object.Name)).String()
	}
	list, err := p.Client.Resource(eventsResource).Namespace(namespace).List(ctx, options)
	if err != nil {
		return nil
	}
	var warnings, others []ObjectEvent
	for i := range list.Items {
		var event corev1.Event
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(list.Items[i].Object, &event); err != nil || !concerns(&event, object, pods) {
			continue
		}
		about := event.InvolvedObject
		out := ObjectEvent{
			Time: lastTime(&event), Type: event.Type, Reason: event.Reason, Message: strings.TrimSpace(event.Message),
			Object: Object{Group: about.GroupVersionKind().Group, Kind: about.Kind, Namespace: about.Namespace, Name: about.Name},
		}
		if event.Type == corev1.EventTypeWarning {
			warnings = append(warnings, out)
		} else {
			others = append(others, out)
		}
	}
	if len(warnings) > 0 {
		others = warnings
	}
	slices.SortStableFunc(others, func(a, b ObjectEvent) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Message, b.Message)) })
	return others[max(0, len(others)-told):]
}

func concerns(event *corev1.Event, object Object, pods []*corev1.Pod) bool {
	about := event.InvolvedObject
	switch {
	case about.Kind == object.Kind && about.Name == object.Name:
		return true
	case about.Kind == "ReplicaSet":
		return object.Kind == "Deployment" && strings.HasPrefix(about.Name, object.Name+"-")
	case about.Kind == "Pod":
		return slices.ContainsFunc(pods, func(pod *corev1.Pod) bool { return pod.Name == about.Name })
	}
	return false
}

func lastTime(event *corev1.Event) time.Time {
	switch {
	case !event.LastTimestamp.IsZero():
		return event.LastTimestamp.Time
	case event.Series != nil:
		return event.Series.LastObservedTime.Time
	case !event.EventTime.IsZero():
		return event.EventTime.Time
	}
	return event.CreationTimestamp.Time
}
