package notify

import (
	"fmt"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	eventv1 "github.com/fluxcd/pkg/apis/event/v1beta1"
	corev1 "k8s.io/api/core/v1"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/ownership"
)

// The reasons of events.
const (
	Denied     = "EditDenied"
	Admitted   = "EditAdmitted"
	Exempted   = "EditExempted"
	BreakGlass = "EditUnderBreakGlass"
)

// controller is what reports the events.
const controller = "gitops-drift"

const (
	// maxFields bounds how many fields a message names.
	maxFields = 10
	// maxValue bounds, in characters, how much of a value it shows.
	maxValue = 120
	// maxMessage is the limit of the API, in characters.
	maxMessage = 39000
)

// event is the edit as an event about its owner, false where it names none. Its message holds no time and no count: the
// notification-controller takes equal messages about one revision for one.
func event(edit *v1alpha1.EditRecordSpec) (*eventv1.Event, bool) {
	owner, err := ownership.ParseOwner(edit.Owner)
	if err != nil {
		return nil, false
	}
	out := &eventv1.Event{
		InvolvedObject: corev1.ObjectReference{
			APIVersion: kustomizev1.GroupVersion.String(), Kind: string(owner.Kind), Namespace: owner.Namespace, Name: owner.Name,
		},
		Timestamp:           edit.LastTime,
		Message:             message(edit),
		ReportingController: controller,
	}
	if owner.Kind == ownership.HelmRelease {
		out.InvolvedObject.APIVersion = helmv2.GroupVersion.String()
	}
	out.Severity, out.Reason = classify(edit.Decision)
	if edit.Revision != "" {
		// notification-controller keeps the keys with the group of the involved object, and strips it.
		out.Metadata = map[string]string{owner.Kind.Group() + "/" + eventv1.MetaRevisionKey: edit.Revision}
	}
	return out, true
}

// classify says error where drift comes about that no rule provides for, so that Alerts for errors hear of it, and
// info where the edit was refused or provided for.
func classify(decision v1alpha1.Decision) (severity, reason string) {
	switch decision {
	case v1alpha1.Denied:
		return eventv1.EventSeverityInfo, Denied
	case v1alpha1.Exempted:
		return eventv1.EventSeverityInfo, Exempted
	case v1alpha1.UnderBreakGlass:
		return eventv1.EventSeverityInfo, BreakGlass
	}
	return eventv1.EventSeverityError, Admitted
}

func message(edit *v1alpha1.EditRecordSpec) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s", edit.User.Name, did(edit), object(edit.Object))
	if edit.Subresource != "" {
		fmt.Fprintf(&b, " (%s)", edit.Subresource)
	}
	for i, f := range edit.Fields {
		if i == maxFields {
			fmt.Fprintf(&b, "\nand %d more", int32(len(edit.Fields)-i)+edit.MoreFields)
			break
		}
		switch {
		case f.Note != "":
			fmt.Fprintf(&b, "\n%s", f.Note)
		case f.Path == "":
			fmt.Fprintf(&b, "\n%s", f.Kind)
		default:
			fmt.Fprintf(&b, "\n%s: %s → %s", f.Path, value(f.Old), value(f.New))
		}
	}
	text := []rune(b.String())
	if len(text) > maxMessage {
		text = append(text[:maxMessage-1], '…')
	}
	return string(text)
}

// did is what the user did, or tried to do, to the object.
func did(edit *v1alpha1.EditRecordSpec) string {
	verb, past := "change", "changed"
	switch edit.Operation {
	case "DELETE":
		verb, past = "delete", "deleted"
	case "CREATE":
		verb, past = "create", "created"
	}
	switch {
	case edit.Decision == v1alpha1.Denied:
		return "was refused to " + verb
	case edit.Decision == v1alpha1.Exempted:
		return "(exempt) " + past
	case edit.BreakGlass != "":
		return "(break-glass " + edit.BreakGlass + ") " + past
	}
	return past
}

func object(o v1alpha1.ObjectReference) string {
	if o.Namespace == "" {
		return o.Kind + " " + o.Name
	}
	return o.Kind + " " + o.Namespace + "/" + o.Name
}

// value shows a recorded value, which is empty for none.
func value(recorded string) string {
	if recorded == "" {
		return fields.Absent
	}
	return fields.Show(recorded, maxValue)
}
