package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/test/harness"
)

// fixture is a cluster in which Flux has applied the objects of all rows, once for each action.
type fixture struct {
	cluster *harness.Cluster
	product *harness.Instance
	repo    *harness.Repo
	rows    []*row
	// words are what arguments may speak of beside a row's own names: tokens, the name of Flux's Pod.
	words *strings.Replacer
}

var source = client.ObjectKey{Namespace: harness.FluxNamespace, Name: "conformance"}

// policies: one for everything, and a stricter scope for the rows that ask for it. The administrator is exempt.
const policies = `
apiVersion: gitops-drift.dev/v1alpha1
kind: EditPolicy
metadata: {name: enforce}
spec: {priority: 10, action: $ACTION, restore: false, exempt: [{kind: User, name: "admin@contoso.com"}]}
---
apiVersion: gitops-drift.dev/v1alpha1
kind: EditPolicy
metadata: {name: everything}
spec: {priority: 20, action: $ACTION, scope: All, restore: false, match: {namespaces: ["*-all"]}, exempt: [{kind: User, name: "admin@contoso.com"}]}
`

func (f *fixture) setUp(ctx context.Context) error {
	if err := f.prepare(ctx); err != nil {
		return err
	}
	if err := f.deploy(ctx); err != nil {
		return err
	}
	if err := f.introduce(ctx); err != nil {
		return err
	}
	var err error
	if f.product, err = f.cluster.StartProduct(ctx, "enforce"); err != nil {
		return err
	}
	return f.followed(ctx)
}

// prepare makes what is there before Flux: namespaces, kinds, and the rows' given objects.
func (f *fixture) prepare(ctx context.Context) error {
	var given strings.Builder
	kinds, err := os.ReadFile(filepath.Join("testdata", "widgets.yaml"))
	if err != nil {
		return err
	}
	given.Write(kinds)
	for _, action := range actions {
		for _, r := range []row{{}, {all: true}} {
			fmt.Fprintf(&given, "---\n{apiVersion: v1, kind: Namespace, metadata: {name: %s}}\n", r.namespace(action))
		}
		for _, r := range f.rows {
			text, err := r.render(action, r.given...)
			if err != nil {
				return err
			}
			given.WriteString(text)
		}
	}
	return f.admin(ctx, given.String(), "apply", "--server-side", "-f-")
}

// deploy has Flux apply the objects of all rows, from one Kustomization for each action.
func (f *fixture) deploy(ctx context.Context) error {
	var err error
	if f.repo, err = f.cluster.NewRepo(ctx, filepath.Join("testdata", "git")); err != nil {
		return err
	}
	if err := f.publish(ctx, func(r *row) bool { return r.revised }, "main:1.0", "main:0.9"); err != nil {
		return err
	}
	for _, action := range actions {
		name := strings.ToLower(string(action))
		owner := &kustomizev1.Kustomization{
			ObjectMeta: metav1.ObjectMeta{Namespace: source.Namespace, Name: name},
			Spec: kustomizev1.KustomizationSpec{
				Interval:  metav1.Duration{Duration: time.Hour},
				Path:      "./" + name,
				Prune:     true,
				SourceRef: kustomizev1.CrossNamespaceSourceReference{Kind: "GitRepository", Name: source.Name},
			},
		}
		if err := f.cluster.Admin().Create(ctx, owner); err != nil {
			return err
		}
	}
	if err := f.reconcile(ctx); err != nil {
		return err
	}
	for _, action := range actions {
		for _, r := range f.rows {
			if !r.revised {
				continue
			}
			if err := f.admin(ctx, "", "wait", "--for=jsonpath={.status.observedGeneration}=1", "deployment/"+r.id, "-n", r.namespace(action)); err != nil {
				return err
			}
		}
	}
	if err := f.publish(ctx, func(*row) bool { return true }, "", ""); err != nil {
		return err
	}
	if err := f.reconcile(ctx); err != nil {
		return err
	}
	return f.supply(ctx)
}

// supply publishes an artifact for the sources of the rows that have something applied from their own.
func (f *fixture) supply(ctx context.Context) error {
	var supplied []client.ObjectKey
	for _, action := range actions {
		for _, r := range f.rows {
			if slices.Contains(slices.Concat(r.given, r.objects), "consumer") {
				supplied = append(supplied, client.ObjectKey{Namespace: r.namespace(action), Name: r.id})
			}
		}
	}
	for _, key := range supplied {
		if _, err := f.cluster.Publish(ctx, harness.Publication{Source: key, Dir: f.repo.Dir}); err != nil {
			return err
		}
	}
	for _, key := range supplied {
		if _, err := f.cluster.Reconcile(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// publish commits the objects of the rows that are chosen, with a word replaced, and publishes them.
func (f *fixture) publish(ctx context.Context, chosen func(*row) bool, old, new string) error {
	for _, action := range actions {
		for _, r := range f.rows {
			files := map[string]string{}
			for _, template := range r.objects {
				files[filepath.Join(strings.ToLower(string(action)), r.id, template+".yaml")] = template
			}
			if r.id == "fresh" {
				files[filepath.Join("apart", r.namespace(action), r.id, "gadget.yaml")] = "gadget"
			}
			if !chosen(r) {
				continue
			}
			for file, template := range files {
				text, err := r.render(action, template)
				if err != nil {
					return err
				}
				if old != "" {
					text = strings.ReplaceAll(text, old, new)
				}
				if err := f.repo.WriteFile(file, text); err != nil {
					return err
				}
			}
		}
	}
	if _, err := f.repo.Commit(ctx, "Declare the objects of the rows"); err != nil {
		return err
	}
	_, err := f.cluster.Publish(ctx, harness.Publication{Source: source, Dir: f.repo.Dir})
	return err
}

// reconcile has Flux apply what is published, for every action.
func (f *fixture) reconcile(ctx context.Context) error {
	for _, action := range actions {
		if _, err := f.cluster.Reconcile(ctx, client.ObjectKey{Namespace: source.Namespace, Name: strings.ToLower(string(action))}); err != nil {
			return err
		}
	}
	return nil
}

// introduce gets the tokens that rows speak of, and writes what helm-controller writes.
func (f *fixture) introduce(ctx context.Context) error {
	request := &authenticationv1.TokenRequest{}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: harness.FluxNamespace, Name: "kustomize-controller"}}
	if err := f.cluster.Admin().SubResource("token").Create(ctx, account, request); err != nil {
		return err
	}
	helm, err := f.cluster.PodConfig(ctx, client.ObjectKey{Namespace: harness.FluxNamespace, Name: "helm-controller"})
	if err != nil {
		return err
	}
	f.words = strings.NewReplacer("$UNBOUND", request.Status.Token, "$HELM", helm.BearerToken, "$FLUXPOD", f.cluster.Flux().Pod().Name)
	var objects strings.Builder
	for _, action := range actions {
		for _, r := range f.rows {
			text, err := r.render(action, r.helm...)
			if err != nil {
				return err
			}
			objects.WriteString(text)
		}
	}
	if err := f.admin(ctx, objects.String(), "apply", "--server-side", "--field-manager=helm-controller", "--token="+helm.BearerToken, "-f-"); err != nil {
		return err
	}
	return f.released(ctx, helm)
}

// released has helm-controller report the releases of the rows.
func (f *fixture) released(ctx context.Context, config *rest.Config) error {
	controller, err := client.New(config, client.Options{Scheme: harness.Scheme()})
	if err != nil {
		return err
	}
	for _, action := range actions {
		for _, r := range f.rows {
			if len(r.helm) == 0 {
				continue
			}
			hr := &helmv2.HelmRelease{}
			if err := controller.Get(ctx, client.ObjectKey{Namespace: r.namespace(action), Name: r.id}, hr); err != nil {
				return err
			}
			hr.Status.StorageNamespace = hr.Namespace
			hr.Status.History = helmv2.Snapshots{{Name: hr.Name, Namespace: hr.Namespace, Version: 1, Status: "deployed",
				ChartName: "catalog", ChartVersion: "1.4.2", FirstDeployed: metav1.Now(), LastDeployed: metav1.Now()}}
			hr.Status.Inventory = &helmv2.ResourceInventory{Entries: []helmv2.ResourceRef{{ID: hr.Namespace + "_" + hr.Name + "__ConfigMap", Version: "v1"}}}
			if err := controller.Status().Update(ctx, hr); err != nil {
				return err
			}
		}
	}
	return nil
}

// followed waits until the controller has built what Flux applies for every action.
func (f *fixture) followed(ctx context.Context) error {
	for {
		text, err := f.product.Log()
		if err != nil {
			return err
		}
		missing := ""
		for _, action := range actions {
			built := false
			for line := range strings.Lines(text) {
				built = built || strings.Contains(line, "built desired state") && strings.Contains(line, fmt.Sprintf(`"name":%q`, strings.ToLower(string(action))))
			}
			if !built {
				missing = string(action)
			}
		}
		if missing == "" {
			return nil
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("the controller has not built Kustomization %s: %w\n%s", missing, err, text)
		}
	}
}

// enact changes the policies' action, and waits until the controller goes by it.
func (f *fixture) enact(ctx context.Context, action v1alpha1.Action) error {
	if err := f.admin(ctx, strings.ReplaceAll(policies, "$ACTION", string(action)), "apply", "--server-side", "--force-conflicts", "-f-"); err != nil {
		return err
	}
	for _, r := range f.rows {
		if r.id != "probe" && r.id != "probe-all" {
			continue
		}
		for {
			answer, err := f.ask(ctx, r, action)
			if err != nil {
				return err
			}
			if r.judge(action, answer) == nil {
				break
			}
			if err := pause(ctx); err != nil {
				return fmt.Errorf("the policy's action is %s, but an edit is %s: %w\n%s", action, answer, err, answer.said)
			}
		}
	}
	return nil
}

// admin runs kubectl as the administrator, and returns an error if it fails.
func (f *fixture) admin(ctx context.Context, stdin string, args ...string) error {
	result, err := f.cluster.Kubectl(ctx, harness.Admin, stdin, args...)
	if err != nil {
		return err
	}
	if result.Code != 0 {
		return fmt.Errorf("kubectl %s: %s", strings.Join(args, " "), result.Stderr)
	}
	return nil
}

// version returns the API server's.
func (f *fixture) version(ctx context.Context) (string, error) {
	result, err := f.cluster.Kubectl(ctx, harness.Admin, "", "version", "-o=json")
	if err != nil {
		return "", err
	}
	var versions struct {
		ServerVersion struct{ GitVersion string }
	}
	err = json.NewDecoder(bytes.NewReader([]byte(result.Stdout))).Decode(&versions)
	return versions.ServerVersion.GitVersion, err
}

// pause waits a moment between two polls; its error tells that ctx ended.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(50 * time.Millisecond):
		return nil
	}
}
