package record

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
)

// Name is the name of the record that an edit belongs to: the kind of the object and a hash of all that edits of one
// record have in common. The spec must be fitted; see Fit.
func Name(spec *v1alpha1.EditRecordSpec) string {
	// Each part with its length before it, so that no two lists of parts read the same.
	var text []byte
	add := func(parts ...string) {
		for _, part := range parts {
			text = fmt.Appendf(text, "%d:%s,", len(part), part)
		}
	}
	prefix := "user"
	add(spec.User.Name, string(spec.Decision), string(spec.Folded))
	if spec.Folded != v1alpha1.FoldedObjects {
		prefix = strings.ToLower(spec.Object.Kind)
		add(spec.Object.Group, spec.Object.Kind, spec.Object.Namespace, spec.Object.Name, spec.BreakGlass)
	}
	if spec.Folded == "" {
		add(spec.Operation, spec.Subresource, fmt.Sprint(spec.MoreFields))
		for _, field := range spec.Fields {
			add(field.Kind, field.Path)
		}
	}
	hash := sha256.Sum256(text)
	return prefix + "-" + hex.EncodeToString(hash[:10])
}
