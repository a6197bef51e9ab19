package sealfleet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bitnami-labs/sealed-secrets/pkg/apis/sealedsecrets/v1alpha1"

	"github.com/gitops-drift/gitops-drift/pkg/seal"
)

// Why is why an item does not open.
type Why string

const (
	// Elsewhere is an item that opens under another name, in another namespace or scope.
	Elsewhere Why = "Elsewhere"
	// AnotherKey is an item of a key that is not there.
	AnotherKey Why = "AnotherKey"
	// Damaged is an item that is no ciphertext, or not the one that was sealed.
	Damaged Why = "Damaged"
	// Template is a template that cannot be filled in; the items themselves open.
	Template Why = "Template"
	// KeyOrDamage is an item that is damaged or of another key: who has the controller alone cannot tell these apart.
	KeyOrDamage Why = "KeyOrDamage"
)

// inquirer finds out why something does not open, by asking again for parts of it and for other places. It may be used
// concurrently.
type inquirer struct {
	opener Opener
	// places are the namespaces that items may have been sealed for.
	places []string
}

// inquire returns why a SealedSecret that does not open does not.
func (q *inquirer) inquire(ctx context.Context, sealed *v1alpha1.SealedSecret) ([]Failure, error) {
	others := q.others(sealed)
	var failures []Failure
	for _, item := range slices.Sorted(maps.Keys(sealed.Spec.EncryptedData)) {
		failure, err := q.item(ctx, only(sealed, item), item, &others)
		if err != nil {
			return nil, err
		}
		if failure != nil {
			failures = append(failures, *failure)
		}
	}
	if len(failures) > 0 {
		return failures, nil
	}
	if len(sealed.Spec.Template.Data) > 0 {
		return []Failure{{Why: Template, Message: "its items open, but its template cannot be filled in with them"}}, nil
	}
	return nil, errParts
}

// item returns why one item does not open, nil if it does. Others are where it may have been sealed for; what is learned
// of them is left there for the next item, which most often is as this one.
func (q *inquirer) item(ctx context.Context, sealed *v1alpha1.SealedSecret, item string, others *[]seal.Target) (*Failure, error) {
	envelope, err := seal.Inspect(sealed.Spec.EncryptedData[item])
	if err != nil {
		return &Failure{Item: item, Why: Damaged, Message: err.Error()}, nil
	}
	if opened, err := q.opener.Opens(ctx, sealed); err != nil || opened {
		return nil, err
	}
	target := seal.TargetOf(sealed)
	for _, other := range *others {
		moved := sealed.DeepCopy()
		moved.Namespace, moved.Name = other.Namespace, other.Name
		moved.Annotations = v1alpha1.UpdateScopeAnnotations(moved.Annotations, other.Scope)
		opened, err := q.opener.Opens(ctx, moved)
		if err != nil {
			return nil, err
		}
		if opened {
			*others = []seal.Target{other}
			return &Failure{Item: item, Why: Elsewhere, Message: fmt.Sprintf("is sealed for %s, and is applied as %s", other, target)}, nil
		}
	}
	if keys, ok := q.opener.(Keys); ok {
		return atHand(keys, envelope, append(slices.Clone(*others), target), item), nil
	}
	*others = nil
	message := "is damaged, or sealed with a key that the controller does not have"
	if found := seal.Fingerprints(sealed.Annotations[seal.CertificateAnnotation]); len(found) > 0 {
		message += "; its annotation names " + strings.Join(found, ", ")
	}
	return &Failure{Item: item, Why: KeyOrDamage, Message: message}, nil
}

// atHand tells damage and another key apart: with the right key the session key opens, whatever became of the value.
func atHand(keys Keys, envelope *seal.Envelope, places []seal.Target, item string) *Failure {
	for _, place := range places {
		for fingerprint, key := range keys {
			if envelope.OpensFor(key, place) {
				return &Failure{Item: item, Why: Damaged, Message: fmt.Sprintf("is damaged: it was sealed with %s for %s, and changed since", fingerprint, place)}
			}
		}
	}
	return &Failure{Item: item, Why: AnotherKey, Message: "is sealed with another key, or for a name or namespace that this repository does not have"}
}

// guesses is how many namespaces a controller is asked about, which takes half a second each.
const guesses = 2

// others are where else the items of a SealedSecret may have been sealed for, the likely ones first.
func (q *inquirer) others(sealed *v1alpha1.SealedSecret) []seal.Target {
	target, template := seal.TargetOf(sealed), sealed.Spec.Template
	names, namespaces := []string{target.Name}, []string{target.Namespace}
	if template.Name != "" && template.Name != target.Name {
		names = append(names, template.Name)
	}
	if template.Namespace != "" {
		namespaces = append(namespaces, template.Namespace)
	}
	if _, ok := q.opener.(Keys); ok {
		namespaces = append(namespaces, q.places...)
	} else {
		namespaces = append(namespaces, q.places[:min(len(q.places), guesses)]...)
	}
	out := []seal.Target{{Namespace: target.Namespace, Name: target.Name, Scope: seal.ClusterWide}}
	for _, namespace := range namespaces {
		for _, name := range names {
			out = append(out, seal.Target{Namespace: namespace, Name: name, Scope: seal.Strict})
		}
		out = append(out, seal.Target{Namespace: namespace, Name: target.Name, Scope: seal.NamespaceWide})
	}
	tried := map[seal.Target]bool{target: true}
	return slices.DeleteFunc(out, func(other seal.Target) bool {
		again := tried[other]
		tried[other] = true
		return again
	})
}
