package examples_test

import (
	"os"
	"path/filepath"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/policy"
)

func TestEveryPolicyCanBeRead(t *testing.T) {
	files, err := filepath.Glob("policies/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no policies: %v", err)
	}
	for _, file := range append(files, "flux/policies/production.yaml") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p := &v1alpha1.EditPolicy{}
		if err := yaml.UnmarshalStrict(text, p); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if problems := policy.Unreadable(p); len(problems) > 0 || p.Name+".yaml" != filepath.Base(file) {
			t.Errorf("%s holds EditPolicy %s: %v", file, p.Name, problems)
		}
		if p.Spec.Restore && len(p.Spec.Exempt) > 0 {
			t.Errorf("%s: the restore loop undoes what the exempt are allowed to do", file)
		}
	}
}
