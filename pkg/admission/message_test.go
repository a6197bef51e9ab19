package admission

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/origin"
)

func TestMessages(t *testing.T) {
	w := newWorld(t)
	state, _ := w.State(apps)
	at := desired.ShortRevision(state.Revision)
	for name, want := range map[string]string{
		"memory": `Deployment payments/payments-api is managed by Flux Kustomization flux-system/apps at ` + at + `
  declared in payments-api/deployment.yaml
  spec.template.spec.containers[name=payments-api].resources.limits.memory: 512Mi → 1Gi
Flux would undo this edit. Change the file in git.`,
		"deleted": `Deployment payments/payments-api is managed by Flux Kustomization flux-system/apps at ` + at + `
  declared in payments-api/deployment.yaml
Flux would recreate it. To remove it, delete it in git.`,
		"look-alike": `ConfigMap payments/mine carries the labels of Flux Kustomization flux-system/apps
  metadata.labels["kustomize.toolkit.fluxcd.io/name"]: – → apps
Kustomization flux-system/apps does not declare it. Leave the labels out, or declare the object in git.`,
		"opted-out": `Deployment payments/payments-api is managed by Flux Kustomization flux-system/apps at ` + at + `
  declared in payments-api/deployment.yaml
  metadata.annotations["kustomize.toolkit.fluxcd.io/reconcile"]: – → disabled
This would keep Flux from looking after the object as git says. Change the file in git.`,
	} {
		if got := verdict(t, recorded(t, name), w).Message(); got != want {
			t.Errorf("%s\n got %s\nwant %s", name, got, want)
		}
	}
	if at == state.Revision {
		t.Errorf("%s is not short", at)
	}
}

// TestADenialNamesTheLineOfEachField asks the text that a build leaves in memory, when its files are long gone.
func TestADenialNamesTheLineOfEachField(t *testing.T) {
	w := newWorld(t)
	built, _ := w.State(apps)
	state := *built.State
	root := t.TempDir()
	lines := map[string]int{}
	for _, packed := range built.Packed {
		object := packed.Object()
		state.Objects = append(state.Objects, object)
		if object.GetKind() != "Deployment" {
			continue
		}
		text, err := yaml.Marshal(object.Object)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(root, filepath.FromSlash(object.File))
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, append([]byte("# The API.\n"), text...), 0o600)); err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			lines[strings.TrimSpace(line)] = i + 2
		}
	}
	var err error
	if state.Sources, err = origin.Collect(root, ".", origin.Owner{Namespace: apps.Namespace, Name: apps.Name}); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
	if err := w.Set(&state); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"memory": fmt.Sprintf(`
  spec.template.spec.containers[name=payments-api].resources.limits.memory: 512Mi → 1Gi
    set in payments-api/deployment.yaml:%d
Flux would undo this edit. Change the file in git.`, lines["memory: 512Mi"]),
		"deleted": `
  declared in payments-api/deployment.yaml:2
Flux would recreate it. To remove it, delete it in git.`,
	} {
		v := verdict(t, recorded(t, name), w)
		if _, got, _ := strings.Cut(v.Message(), "\n"); "\n"+got != want {
			t.Errorf("%s\n got %s\nwant %s", name, got, want)
		}
		for _, line := range v.lines() {
			if strings.Contains(line, "set in") {
				t.Errorf("audit annotations and warnings say %q", line)
			}
		}
	}
}

func TestWarnings(t *testing.T) {
	w := newWorld(t)
	w.policies[0].Spec.Action = v1alpha1.Warn
	warnings := verdict(t, recorded(t, "memory"), w).Warnings()
	if len(warnings) != 3 {
		t.Errorf("got %q, want the object, the field and what Flux does", warnings)
	}
	for _, line := range warnings {
		if strings.Contains(line, "\n") {
			t.Errorf("%q has more than one line, which a Warning header cannot", line)
		}
	}
	w.policies[0].Spec.Action = v1alpha1.Record
	if warnings := verdict(t, recorded(t, "memory"), w).Warnings(); warnings != nil {
		t.Errorf("Record is silent, but warns %q", warnings)
	}
	if warnings := verdict(t, recorded(t, "restart"), w).Warnings(); len(warnings) != 1 {
		t.Errorf("a restart is warned about whatever the action, got %q", warnings)
	}
}

func TestLongMessagesAreCut(t *testing.T) {
	in := recorded(t, "custom-resource")
	rewrite(t, &in.Object.Raw, func(o *unstructured.Unstructured) {
		labels := map[string]string{}
		for i := range 40 {
			labels["kustomize.toolkit.fluxcd.io/"+strings.Repeat("x", i+1)] = "1"
		}
		o.SetLabels(labels)
		set(t, o, strings.Repeat("é", 500), "spec", "teeth")
	})
	v := verdict(t, in, newWorld(t))
	lines := v.lines()
	if len(lines) > maxFindings+1 {
		t.Errorf("%d lines", len(lines))
	}
	for _, f := range v.Findings {
		if n := len([]rune(f.line())); n > 3*maxValue {
			t.Errorf("a line of %d characters", n)
		}
	}
}

func TestShow(t *testing.T) {
	for want, v := range map[string]any{
		fields.Absent: nil, "1": int64(1), "true": true, "text": "text", `""`: "", `" x"`: " x", `"a\nb"`: "a\nb", `["a"]`: []any{"a"}, `{"a":1}`: map[string]any{"a": int64(1)},
	} {
		if got := show(v); got != want {
			t.Errorf("%v: got %s, want %s", v, got, want)
		}
	}
}

// TestNoValueOfASecretIsShown looks for the value everywhere that a verdict goes.
func TestNoValueOfASecretIsShown(t *testing.T) {
	edits := map[string]func(t *testing.T, in *admissionv1.AdmissionRequest){
		"a value": func(*testing.T, *admissionv1.AdmissionRequest) {},
		"all data gone": func(t *testing.T, in *admissionv1.AdmissionRequest) {
			rewrite(t, &in.Object.Raw, func(o *unstructured.Unstructured) { unstructured.RemoveNestedField(o.Object, "data") })
		},
		"data of another type": func(t *testing.T, in *admissionv1.AdmissionRequest) {
			rewrite(t, &in.Object.Raw, func(o *unstructured.Unstructured) { o.Object["data"] = []any{"ZnJvbS1vbmNhbGw="} })
		},
		"no desired state and no managedFields": func(t *testing.T, in *admissionv1.AdmissionRequest) {
			rewrite(t, &in.Object.Raw, func(o *unstructured.Unstructured) { o.SetManagedFields(nil) })
		},
		"last-applied": func(t *testing.T, in *admissionv1.AdmissionRequest) {
			rewrite(t, &in.Object.Raw, func(o *unstructured.Unstructured) {
				o.SetAnnotations(map[string]string{"kubectl.kubernetes.io/last-applied-configuration": `{"data":{"password":"ZnJvbS1vbmNhbGw="}}`})
			})
		},
		"unreadable": func(_ *testing.T, in *admissionv1.AdmissionRequest) {
			in.Object.Raw = []byte(`{"kind":"Secret","data":{"password":"ZnJvbS1vbmNhbGw="`)
		},
	}
	for name, edit := range edits {
		t.Run(name, func(t *testing.T) {
			in := recorded(t, "secret")
			edit(t, in)
			h, logged := newHandler(t, newWorld(t))
			records := recording(h)
			resp := h.Handle(t.Context(), request(real(in)))
			text := logged.String() + fmt.Sprintf("%+v", *records)
			for k, v := range resp.AuditAnnotations {
				text += k + v
			}
			text += strings.Join(resp.Warnings, "")
			if resp.Result != nil {
				text += resp.Result.Message
			}
			if text == "" {
				t.Error("nothing was written down")
			}
			for _, secret := range []string{"ZnJvbS1vbmNhbGw", "from-oncall", "ZnJvbS1naXQ", "from-git"} {
				if strings.Contains(text, secret) {
					t.Errorf("%s shows in %s", secret, text)
				}
			}
		})
	}
}
