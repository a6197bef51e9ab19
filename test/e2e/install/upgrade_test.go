package install

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// The parts of the manifests that an older version did not have, or had otherwise.
const (
	deployment = "manifests/base/deployment.yaml"
	image      = "image: ghcr.io/gitops-drift/gitops-drift:"
	argument   = "        - --zap-encoder=json\n"
	crd        = "manifests/crds/gitops-drift.dev_editpolicies.yaml"
)

// older makes our repository one of an older version: another image, an argument fewer, and a CRD without the field flux.
func (f *fleet) older() {
	f.t.Helper()
	f.change(image, image+"older-")
	f.change(argument, "")
	text, err := f.product.ReadFile(crd)
	if err != nil {
		f.t.Fatal(err)
	}
	definition := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &definition); err != nil {
		f.t.Fatal(err)
	}
	versions, _, err := unstructured.NestedSlice(definition, "spec", "versions")
	if err != nil {
		f.t.Fatal(err)
	}
	field := []string{"schema", "openAPIV3Schema", "properties", "spec", "properties", "flux"}
	if _, there, err := unstructured.NestedFieldNoCopy(versions[0].(map[string]any), field...); !there || err != nil {
		f.t.Fatalf("the CRD has no field flux: %v", err)
	}
	unstructured.RemoveNestedField(versions[0].(map[string]any), field...)
	if err := unstructured.SetNestedSlice(definition, versions, "spec", "versions"); err != nil {
		f.t.Fatal(err)
	}
	old, err := yaml.Marshal(definition)
	if err != nil {
		f.t.Fatal(err)
	}
	f.write(f.product, crd, string(old))
	f.push(f.product, ours)
}

// today makes our repository the one that it is.
func (f *fleet) today() {
	f.t.Helper()
	manifests := filepath.Join(f.product.Dir, "manifests")
	if err := os.RemoveAll(manifests); err != nil {
		f.t.Fatal(err)
	}
	if err := os.CopyFS(manifests, os.DirFS(filepath.Join(root, "manifests"))); err != nil {
		f.t.Fatal(err)
	}
	f.push(f.product, ours)
}

// hub is a policy that takes the field.
const hub = `apiVersion: gitops-drift.dev/v1alpha1
kind: EditPolicy
metadata: {name: hub}
spec: {priority: 1, action: Deny, flux: [{kind: User, name: flux-hub}]}
`

// upgrade publishes the manifests as they are, while people edit.
func (f *fleet) upgrade(t *testing.T) {
	held(t)
	if out, err := shell(t, hub, "kubectl apply --validate=strict -f -"); err == nil {
		t.Errorf("the older CRD takes the field: %s", out)
	}
	recorded := strings.Fields(must(t, "kubectl get editrecords -o name"))
	load := steady(t)
	f.today()
	f.write(f.team, "policies/hub.yaml", hub)
	f.write(f.team, "policies/kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [production.yaml, hub.yaml]\n")
	must(t, "kubectl gitops-reconcile ks/gitops-drift-crds --timeout 90s")
	f.push(f.team, system)
	must(t, "kubectl gitops-reconcile ks/gitops-drift-crds ks/gitops-drift ks/gitops-drift-policies --timeout 90s")
	if args := must(t, "kubectl -n flux-system get pods -l app.kubernetes.io/name=gitops-drift --field-selector status.phase=Running -o jsonpath='{.items[*].spec.containers[0].args}'"); !strings.Contains(args, "--zap-encoder=json") {
		t.Errorf("the Pods are of the old version: %s", args)
	}
	patient.Until(t, "the old Pods are gone", func() bool {
		return len(strings.Fields(must(t, "kubectl -n flux-system get pods -l app.kubernetes.io/name=gitops-drift -o name"))) == 2
	})
	load.stop()
	if user := must(t, "kubectl get editpolicy hub -o jsonpath='{.spec.flux[0].name}'"); user != "flux-hub" {
		t.Errorf("the new field is %q", user)
	}
	now := strings.Fields(must(t, "kubectl get editrecords -o name"))
	for _, record := range recorded {
		if !slices.Contains(now, record) {
			t.Errorf("%s is lost", record)
		}
	}
	if list := must(t, "kubectl gitops-drift break-glass list"); !strings.Contains(list, "held off") {
		t.Errorf("the BreakGlass is lost:\n%s", list)
	}
	must(t, "kubectl gitops-drift break-glass close --all")
}

// load is edits that are to be refused, and edits of what nobody manages.
type load struct {
	t     *testing.T
	end   chan struct{}
	group sync.WaitGroup

	mu                sync.Mutex
	refused, admitted int
	wrong             []string
}

// steady edits until stop, 20 times a second.
func steady(t *testing.T) *load {
	t.Helper()
	clientset, err := kubernetes.NewForConfig(cluster.RESTConfig(harness.OnCall))
	if err != nil {
		t.Fatal(err)
	}
	ctx := patient.Context(t)
	must(t, "kubectl -n default create configmap unmanaged")
	l := &load{t: t, end: make(chan struct{})}
	for i, namespace := range []string{"payments", "default"} {
		name := []string{"settings", "unmanaged"}[i]
		l.group.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-l.end:
					return
				case <-time.After(100 * time.Millisecond):
				}
				_, err := clientset.CoreV1().ConfigMaps(namespace).Patch(ctx, name, types.MergePatchType, fmt.Appendf(nil, `{"data":{"value":"%d"}}`, n), metav1.PatchOptions{FieldManager: "kubectl-edit"})
				refused := apierrors.IsForbidden(err) && strings.Contains(err.Error(), "is managed by Flux Kustomization flux-system/apps")
				l.mu.Lock()
				switch {
				case namespace == "payments" && refused:
					l.refused++
				case namespace == "default" && err == nil:
					l.admitted++
				default:
					l.wrong = append(l.wrong, fmt.Sprintf("%s/%s: %v", namespace, name, err))
				}
				l.mu.Unlock()
			}
		})
	}
	return l
}

// stop ends the edits, and checks what became of each.
func (l *load) stop() {
	l.t.Helper()
	close(l.end)
	l.group.Wait()
	if len(l.wrong) > 0 || l.refused < 20 || l.admitted < 20 {
		l.t.Errorf("%d edits were refused, %d admitted; wrong are %d: %s", l.refused, l.admitted, len(l.wrong), strings.Join(l.wrong[:min(5, len(l.wrong))], "\n"))
	}
	l.t.Logf("%d edits were refused, %d admitted", l.refused, l.admitted)
	must(l.t, "kubectl -n default delete configmap unmanaged")
}
