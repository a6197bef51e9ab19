package drift

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/redact"
)

// Documents are an object with findings as git has it and as it is live, without status and what the API server keeps,
// values of Secrets masked. Git is the live object with the findings undone, so defaults are in both and differ in
// neither. A missing object has no Live.
type Documents struct {
	Object    Object
	Git, Live map[string]any
}

func documents(want, live *unstructured.Unstructured, findings []Finding, hidden *redact.Values) Documents {
	object := objectOf(want)
	if live == nil {
		return Documents{Object: object, Git: document(object, want, hidden)}
	}
	out := Documents{Object: object, Live: document(object, live, hidden)}
	var git any = out.Live
	var current any = out.Live
	for _, f := range findings {
		git = fields.With(git, f.Path, f.Desired)
		// The masked live value of a finding tells that it differs; the masked object does not.
		current = fields.With(current, f.Path, f.Live)
	}
	out.Git, _ = git.(map[string]any)
	out.Live, _ = current.(map[string]any)
	return out
}

func document(object Object, u *unstructured.Unstructured, hidden *redact.Values) map[string]any {
	content := redact.Object(object.GroupKind(), compared(u))
	if masked, ok := hidden.JSON(content); ok {
		content, _ = masked.(map[string]any)
	}
	metadata := map[string]any{"name": object.Name}
	if object.Namespace != "" {
		metadata["namespace"] = object.Namespace
	}
	if kept, ok := content["metadata"].(map[string]any); ok {
		for k, v := range kept {
			metadata[k] = v
		}
	}
	content["metadata"] = metadata
	return content
}
