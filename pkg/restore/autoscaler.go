package restore

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// replicas is the field that autoscalers write, by the subresource scale, of every built-in kind.
const replicas = "spec.replicas"

// explainAutoscaler says once for an object that git and a HorizontalPodAutoscaler both set its replicas, if that is so.
// They go on to be put back as git says, as Flux does; only git can end that.
func (l *Loop) explainAutoscaler(ctx context.Context, o *outcome) {
	if l.tracks.isExplained(o.key) {
		return
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(schema.GroupVersionKind{Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscalerList"})
	if err := l.clients.own.List(ctx, list, client.InNamespace(o.key.Namespace)); err != nil {
		l.log(o).V(1).Info("Autoscalers cannot be listed", "error", err.Error())
		return
	}
	for i := range list.Items {
		if !scales(&list.Items[i], o) || !l.tracks.explain(o.key) {
			continue
		}
		name := list.Items[i].GetName()
		l.log(o).Info("git and an autoscaler both set the replicas; remove spec.replicas from git", "autoscaler", name)
		l.announcer.on(o, corev1.EventTypeWarning, eventAutoscaled, "Explain", fmt.Sprintf(
			"HorizontalPodAutoscaler %s/%s sets the replicas of %s, and so does git: each undoes the other. Remove spec.replicas from git.",
			o.key.Namespace, name, named(o.key)))
		return
	}
}

// scales reports whether an autoscaler is of this object.
func scales(autoscaler *unstructured.Unstructured, o *outcome) bool {
	target, _, err := unstructured.NestedStringMap(autoscaler.Object, "spec", "scaleTargetRef")
	if err != nil {
		return false
	}
	version, err := schema.ParseGroupVersion(target["apiVersion"])
	return err == nil && version.Group == o.key.Group && target["kind"] == o.key.Kind && target["name"] == o.key.Name
}
