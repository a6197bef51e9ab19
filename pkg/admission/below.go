package admission

import (
	"fmt"
	"regexp"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

var (
	podKind        = schema.GroupKind{Kind: "Pod"}
	replicaSetKind = schema.GroupKind{Group: "apps", Kind: "ReplicaSet"}
	jobKind        = schema.GroupKind{Group: "batch", Kind: "Job"}
)

// scheduled is the number that a CronJob gives each Job's name: the minutes since 1970.
var scheduled = regexp.MustCompile(`^(.+)-\d{8,}$`)

// below is an edit of what a managed workload has made: its controller made it, not Flux, and makes it anew.
type below struct {
	workload Workload
	parent   desired.Key
}

// belowReach follows the chain of owners from a Pod, ReplicaSet or Job. The names in the chain are enough; no Pod is kept.
func belowReach(r *Request, lookups Lookups) reach {
	switch r.Object.GroupKind() {
	case podKind, replicaSetKind, jobKind:
	default:
		return nil
	}
	if r.Old == nil || !byHand(r.User) {
		return nil
	}
	for _, parent := range ancestors(r) {
		if w, ok := workload(lookups, parent); ok {
			return &below{w, parent}
		}
	}
	return nil
}

// ancestors returns what may have made the object, the nearest first.
func ancestors(r *Request) []desired.Key {
	if r.scale() {
		// A Scale does not name the owner of what it scales; the names of a Deployment's ReplicaSets begin with its own.
		if i := strings.LastIndexByte(r.Object.Name, '-'); i > 0 {
			return []desired.Key{{Group: "apps", Kind: "Deployment", Namespace: r.Object.Namespace, Name: r.Object.Name[:i]}}
		}
		return nil
	}
	controller := metav1.GetControllerOf(r.Old)
	if controller == nil {
		return nil
	}
	group, _, _ := strings.Cut(controller.APIVersion, "/")
	if !strings.Contains(controller.APIVersion, "/") {
		group = ""
	}
	parent := desired.Key{Group: group, Kind: controller.Kind, Namespace: r.Object.Namespace, Name: controller.Name}
	chain := []desired.Key{parent}
	switch parent.GroupKind() {
	case replicaSetKind:
		hash := r.Old.GetLabels()["pod-template-hash"]
		if name, ok := strings.CutSuffix(parent.Name, "-"+hash); ok && hash != "" {
			chain = append(chain, desired.Key{Group: "apps", Kind: "Deployment", Namespace: parent.Namespace, Name: name})
		}
	case jobKind:
		if name := scheduled.FindStringSubmatch(parent.Name); name != nil {
			chain = append(chain, desired.Key{Group: "batch", Kind: "CronJob", Namespace: parent.Namespace, Name: name[1]})
		}
	}
	return chain
}

func (b *below) owner() ownership.Owner { return b.workload.Owner }

func (b *below) find(r *Request, facts *Facts) (found, error) {
	// A Pod or ReplicaSet that git declares is judged as any other object.
	if facts.Managed {
		return found{}, nil
	}
	out := found{
		headline: fmt.Sprintf("%s belongs to %s, which is managed by Flux %s", objectName(r.Object), objectName(b.parent), fluxName(b.workload.Owner)),
		closing:  fmt.Sprintf("Flux does not see this edit; it lasts until %s makes the %s anew.", objectName(b.parent), r.Object.Kind),
	}
	if r.Operation == admissionv1.Delete {
		out.findings = []Finding{{Kind: Noted}}
		return out, nil
	}
	if r.scale() {
		if before, after := replicas(r); !fields.Equal(before, after) {
			out.findings = []Finding{{Kind: Noted, Path: replicasPath, Old: before, New: after}}
		}
		return out, nil
	}
	var err error
	out.findings, err = noted(r, facts)
	return out, err
}

// noted lists what a person's update changes as what is only written down: that of a Pod in use, through its resize and
// ephemeralcontainers, or of what is not declared in git itself.
func noted(r *Request, facts *Facts) ([]Finding, error) {
	if !byHand(r.User) {
		return nil, nil
	}
	changes, err := changed(r)
	if err != nil {
		return nil, err
	}
	j := judge{request: r, facts: facts}
	var found []Finding
	for _, c := range changes {
		found = append(found, j.finding(Noted, c))
	}
	return found, nil
}

// changed lists what an update changes of what an edit can change.
func changed(r *Request) ([]fields.Change, error) {
	before, after, err := r.managers()
	if err != nil {
		return nil, err
	}
	return fields.Diff(content(r, r.Old), content(r, r.New), ownership.Shape(before, after)), nil
}
