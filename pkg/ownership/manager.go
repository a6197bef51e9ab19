package ownership

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
)

// Manager is one decoded managedFields entry.
type Manager struct {
	Name        string
	Operation   metav1.ManagedFieldsOperationType
	Subresource string
	// APIVersion is the version of the object's API that Fields speaks of; other versions may name them differently.
	APIVersion string
	// Time is when the entry's set of fields or one of its values last changed; zero where the server keeps none.
	Time time.Time
	// Fields must not be changed: several Managers may share it.
	Fields *fieldpath.Set
	// encoded is what Fields was decoded from.
	encoded map[string]any
}

// Managers decodes an object's managedFields, in the object's order. Entries without fields get an empty set.
// Known are entries of another state of the object: what they have too is not decoded again.
// An entry that cannot be decoded is an error; the API server never stores one.
func Managers(object metav1.Object, known ...Manager) ([]Manager, error) {
	u, ok := object.(*unstructured.Unstructured)
	if !ok {
		return typed(object.GetManagedFields())
	}
	entries, err := entries(u)
	if err != nil {
		return nil, err
	}
	out := make([]Manager, 0, len(entries))
	for i, entry := range entries {
		m := Manager{
			Name:        text(entry, "manager"),
			Operation:   metav1.ManagedFieldsOperationType(text(entry, "operation")),
			Subresource: text(entry, "subresource"),
			APIVersion:  text(entry, "apiVersion"),
		}
		if at := text(entry, "time"); at != "" {
			if m.Time, err = time.Parse(time.RFC3339, at); err != nil {
				return nil, fmt.Errorf("managedFields entry of %q: its time is none", m.Name)
			}
		}
		m.encoded, _ = entry["fieldsV1"].(map[string]any)
		// Entries seldom move.
		if i < len(known) && m.Name == known[i].Name && fields.Equal(m.encoded, known[i].encoded) {
			m.Fields = known[i].Fields
		} else if m.Fields, err = decode(m.encoded); err != nil {
			return nil, fmt.Errorf("managedFields entry of %q: %w", m.Name, err)
		}
		out = append(out, m)
	}
	return out, nil
}

// typed decodes entries that have been decoded to a Go type already.
func typed(entries []metav1.ManagedFieldsEntry) ([]Manager, error) {
	out := make([]Manager, 0, len(entries))
	for _, entry := range entries {
		m := Manager{Name: entry.Manager, Operation: entry.Operation, Subresource: entry.Subresource, APIVersion: entry.APIVersion, Fields: fieldpath.NewSet()}
		if entry.Time != nil {
			m.Time = entry.Time.Time
		}
		if entry.FieldsV1 != nil && m.Fields.FromJSON(entry.FieldsV1.GetRawReader()) != nil {
			return nil, fmt.Errorf("managedFields entry of %q: %w", entry.Manager, errUnreadable)
		}
		out = append(out, m)
	}
	return out, nil
}

// entries returns an object's managedFields as they are.
func entries(object *unstructured.Unstructured) ([]map[string]any, error) {
	metadata, _ := object.Object["metadata"].(map[string]any)
	list, ok := metadata["managedFields"].([]any)
	if !ok && metadata["managedFields"] != nil {
		return nil, errors.New("managedFields is no list")
	}
	out := make([]map[string]any, 0, len(list))
	for _, item := range list {
		entry, ok := item.(map[string]any)
		if !ok {
			return nil, errors.New("managedFields has an entry that is no object")
		}
		out = append(out, entry)
	}
	return out, nil
}

func text(entry map[string]any, field string) string {
	s, _ := entry[field].(string)
	return s
}

// errUnreadable does not say which field it is about: its key may hold a value.
var errUnreadable = errors.New("it names a field as nobody does")

// decode makes a set of a fieldsV1. It does what fieldpath.Set.FromJSON does, without the way back to JSON.
func decode(encoded map[string]any) (*fieldpath.Set, error) {
	set, _, err := decodeSet(encoded)
	if set == nil {
		set = fieldpath.NewSet()
	}
	return set, err
}

// decodeSet returns what is in an encoded set, nil for nothing, and whether the set stands for itself too.
func decodeSet(encoded map[string]any) (set *fieldpath.Set, self bool, err error) {
	type member struct {
		key     string
		element fieldpath.PathElement
	}
	members := make([]member, 0, len(encoded))
	for key := range encoded {
		if key == "." {
			self = true
			continue
		}
		element, err := fieldpath.DeserializePathElement(key)
		switch {
		case errors.Is(err, fieldpath.ErrUnknownPathElementType):
			// A newer API server may know more.
			continue
		case err != nil:
			return nil, false, errUnreadable
		}
		members = append(members, member{key, element})
	}
	if len(members) == 0 {
		return nil, true, nil
	}
	// Inserting in order is cheap. Several keys may stand for one element.
	slices.SortFunc(members, func(a, b member) int {
		return cmp.Or(a.element.Compare(b.element), strings.Compare(a.key, b.key))
	})
	set = &fieldpath.Set{}
	for _, m := range members {
		inner, ok := encoded[m.key].(map[string]any)
		if !ok && encoded[m.key] != nil {
			return nil, false, errUnreadable
		}
		below, itself, err := decodeSet(inner)
		if err != nil {
			return nil, false, err
		}
		if itself {
			set.Members.Insert(m.element)
		}
		if below != nil {
			*set.Children.Descend(m.element) = *below
		}
	}
	return set, self, nil
}
