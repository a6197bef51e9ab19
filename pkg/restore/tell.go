package restore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	clientevents "k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/drift"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// The reasons of the events on owners.
const (
	eventRestored   = "DriftRestored"
	eventHeld       = "DriftHeld"
	eventFight      = "DriftFight"
	eventAutoscaled = "DriftAutoscaled"
	eventRequested  = "DriftReconcileRequested"
)

// Events are written a burst at a time, and then every other second: they are for people, the metrics count.
const (
	eventBurst    = 30
	eventInterval = 2 * time.Second
)

// maxNote is how long the API server lets an event's note be.
const maxNote = 1024

// maxNamed is how many fields one log line names.
const maxNamed = 20

// maxSaid is how many fields one event names.
const maxSaid = 5

// announcer writes events on owners. It may be used concurrently.
type announcer struct {
	recorder clientevents.EventRecorder
	limit    *rate.Limiter
}

func newAnnouncer(recorder clientevents.EventRecorder) *announcer {
	return &announcer{recorder: recorder, limit: rate.NewLimiter(rate.Every(eventInterval), eventBurst)}
}

// on writes an event on the owner of an object, about the object. Which of many events are left out is up to chance.
func (a *announcer) on(o *outcome, eventType, reason, action, note string) {
	if a.recorder == nil || !a.limit.Allow() {
		return
	}
	owner := &corev1.ObjectReference{
		APIVersion: kustomizev1.GroupVersion.String(), Kind: string(o.state.Owner.Kind),
		Namespace: o.state.Owner.Namespace, Name: o.state.Owner.Name, UID: o.uid,
	}
	if o.state.Owner.Kind == ownership.HelmRelease {
		owner.APIVersion = helmv2.GroupVersion.String()
	}
	about := &corev1.ObjectReference{
		APIVersion: o.kind.GroupVersion().String(), Kind: o.key.Kind, Namespace: o.key.Namespace, Name: o.key.Name,
	}
	a.recorder.Eventf(owner, about, eventType, reason, action, "%s", fields.Cut(note, maxNote-1))
}

// named is an object in a sentence.
func named(key desired.Key) string {
	if key.Namespace == "" {
		return key.Kind + " " + key.Name
	}
	return key.Kind + " " + key.Namespace + "/" + key.Name
}

// report says once that and why an object is left alone.
func (l *Loop) report(o *outcome, reason Reason, s standing) {
	if s.uncounted {
		count(l.metrics.drifts, o.key)
	}
	if !s.news {
		return
	}
	l.metrics.held.WithLabelValues(string(reason)).Inc()
	l.log(o).Info("The object differs from git and is left alone", "reason", reason)
	if why, ok := explained[reason]; ok {
		l.announcer.on(o, corev1.EventTypeWarning, eventHeld, "LeaveAlone", named(o.key)+" differs from git and is left alone: "+why)
	}
}

// explained are the reasons that an owner is told of. The others pass by themselves, are what the policy says, or are
// told of in another way.
var explained = map[Reason]string{
	OptedOut:  "an annotation or label holds Flux off. Remove it to have the object put back.",
	Moved:     "its labels name another Kustomization or HelmRelease that exists.",
	Immutable: "it would have to be deleted and created anew, which only Flux does, where spec.force or the annotation kustomize.toolkit.fluxcd.io/force says so.",
	Suspended: "reconciliation is suspended.",
	Failing:   "Flux's last reconciliation failed.",
	Restarted: "it was restarted by `kubectl rollout restart`. Flux strips the annotation at its next reconciliation, and so rolls it once more.",
}

// tell counts a restore, and says which fields were put back and who had changed them; no values.
func (l *Loop) tell(ctx context.Context, o *outcome) {
	now := time.Now()
	delay := l.tracks.restored(o.key, o.drift, now)
	took := now.Sub(o.drift.since)
	if !o.drift.counted {
		count(l.metrics.drifts, o.key)
	}
	count(l.metrics.restored, o.key)
	l.metrics.seconds.Observe(took.Seconds())
	log := l.log(o).WithValues("milliseconds", took.Milliseconds())
	var undone undone
	if o.live == nil {
		log.Info("Recreated the object")
		l.announcer.on(o, corev1.EventTypeNormal, eventRestored, "Restore", named(o.key)+" was gone and is back, as in "+o.state.Revision)
	} else {
		undone = l.undone(ctx, o)
		log = log.WithValues("fields", cutList(undone.fields, maxNamed), "changedBy", undone.managers)
		log.Info("Restored the object")
		l.announcer.on(o, corev1.EventTypeNormal, eventRestored, "Restore", fmt.Sprintf("%s is as in %s again: %s",
			named(o.key), o.state.Revision, undone))
	}
	if undone.replicas {
		l.explainAutoscaler(ctx, o)
	}
	if delay > 0 {
		l.metrics.fought(o.key, undone.rival)
		log.Info("The object keeps being changed, so its next restore is delayed", "delay", delay.String())
		what := "changed: " + undone.String()
		if o.live == nil {
			what = "deleted"
		}
		l.announcer.on(o, corev1.EventTypeWarning, eventFight, "Delay", fmt.Sprintf(
			"%s keeps being %s. It is put back ever more slowly, every %s at last, until that ends.", named(o.key), what, fightLongest))
	}
}

// undone is what a restore put back. It is for people: where the object is gone or changed again meanwhile, it is less
// exact.
type undone struct {
	fields, managers []string
	// rival is the first field that somebody is known to have written.
	rival rival
	// replicas says that the number of replicas was among the fields.
	replicas bool
}

// String says which fields were undone and who had changed them.
func (u undone) String() string {
	if len(u.fields) == 0 {
		return "other fields than can be named"
	}
	said := strings.Join(cutList(u.fields, maxSaid), ", ")
	if len(u.managers) > 0 {
		said += ", changed by " + strings.Join(u.managers, ", ")
	}
	return said
}

func cutList(names []string, limit int) []string {
	if len(names) <= limit {
		return names
	}
	return append(slices.Clone(names[:limit]), fmt.Sprintf("and %d more", len(names)-limit))
}

// undone names the fields that a restore changed and the managers that had written them.
func (l *Loop) undone(ctx context.Context, o *outcome) undone {
	after := &unstructured.Unstructured{}
	after.SetGroupVersionKind(o.kind)
	if err := l.clients.own.Get(ctx, client.ObjectKeyFromObject(o.live), after); err != nil {
		return undone{}
	}
	found, err := drift.Undone(o.state.Owner.Kind, o.live, after)
	if err != nil {
		return undone{}
	}
	var u undone
	for _, f := range found {
		name := fields.Name(f.Path)
		u.fields = append(u.fields, name)
		u.replicas = u.replicas || name == replicas
		if f.Manager == "" {
			continue
		}
		if u.rival.manager == "" {
			u.rival = rival{f.Manager, name}
		}
		if !slices.Contains(u.managers, f.Manager) {
			u.managers = append(u.managers, f.Manager)
		}
	}
	if u.rival.manager == "" && len(u.fields) > 0 {
		u.rival.field = u.fields[0]
	}
	return u
}

// log returns a logger that names the object, its owner and the revision.
func (l *Loop) log(o *outcome) logr.Logger {
	return l.options.Log.WithValues("group", o.key.Group, "kind", o.key.Kind, "namespace", o.key.Namespace, "name", o.key.Name,
		"owner", o.state.Owner.String(), "revision", o.state.Revision)
}
