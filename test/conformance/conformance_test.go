package conformance

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/test/harness"
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // or controller-runtime complains about its absence
	os.Exit(m.Run())
}

// probes tell which action the controller goes by.
var probes = []row{
	{id: "probe", way: "dry-run", want: deny, objects: []string{"configmap"}, run: kubectl("label", "configmap", "$NAME", "probe=1", "--dry-run=server")},
	{id: "probe-all", way: "dry-run, scope All", want: deny, all: true, objects: []string{"configmap"}, run: kubectl("label", "configmap", "$NAME", "probe=1", "--dry-run=server")},
}

// rows is the whole table.
func rows() []*row {
	var out []*row
	for _, part := range [][]row{values, spoofed(values), edits, life, flux, schemas, probes, unreachable} {
		for i := range part {
			out = append(out, &part[i])
		}
	}
	return out
}

func TestConformance(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	cluster, err := harness.Start(ctx, harness.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := cluster.Stop(); err != nil {
			t.Error(err)
		}
	}()
	f := &fixture{cluster: cluster, rows: rows()}
	if err := f.setUp(ctx); err != nil {
		t.Fatal(err)
	}
	outcomes := map[string]*outcome{}
	for _, r := range f.rows {
		if outcomes[r.id] != nil {
			t.Fatalf("two rows are called %s", r.id)
		}
		outcomes[r.id] = &outcome{row: r, answers: map[v1alpha1.Action]string{}}
	}
	for _, action := range actions {
		if err := f.enact(ctx, action); err != nil {
			t.Fatal(err)
		}
		for _, r := range f.rows {
			o := outcomes[r.id]
			t.Run(string(action)+"/"+r.id, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
				defer cancel()
				a, err := f.ask(ctx, r, action)
				o.answers[action] = a.String()
				if err := cmp.Or(err, r.judge(action, a)); err != nil {
					o.failed = true
					t.Error(err)
				}
			})
		}
	}
	version, err := f.version(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var all []*outcome
	for _, r := range f.rows {
		all = append(all, outcomes[r.id])
	}
	text := table(all)
	t.Logf("Kubernetes %s\n%s", version, text)
	if err := report(version, text); err != nil {
		t.Error(err)
	}
}

// ask makes a row's edit and returns what came of it. The error tells that it could not be made, or that an edit that
// was refused or a dry-run has changed something after all.
func (f *fixture) ask(ctx context.Context, r *row, action v1alpha1.Action) (answer, error) {
	for _, c := range r.before {
		if result, err := f.execute(ctx, r, action, harness.Admin, c); err != nil {
			return answer{}, err
		} else if result.Code != 0 {
			return answer{}, fmt.Errorf("before the edit: kubectl %s: %s", strings.Join(c.args, " "), result.Stderr)
		}
	}
	before, err := f.declared(ctx, r, action)
	if err != nil {
		return answer{}, err
	}
	mark, err := f.cluster.AuditMark()
	if err != nil {
		return answer{}, err
	}
	user := cmp.Or(r.user, harness.OnCall)
	var printed strings.Builder
	for _, c := range r.run {
		result, err := f.execute(ctx, r, action, user, c)
		if err != nil {
			return answer{}, err
		}
		printed.WriteString(result.Stderr)
		if r.by != "" && r.user != "" && result.Code != 0 {
			return answer{}, fmt.Errorf("kubectl %s: %s", strings.Join(c.args, " "), result.Stderr)
		}
	}
	events, err := f.requests(ctx, r, action, mark)
	if err != nil {
		return answer{}, err
	}
	a := read(printed.String(), events)
	if r.closed != "" {
		for _, c := range r.run {
			if result, err := f.execute(ctx, r, action, r.closed, c); err != nil {
				return a, err
			} else if result.Code == 0 || !strings.Contains(result.Stderr, "(Forbidden)") || !strings.Contains(result.Stderr, "cannot") {
				return a, fmt.Errorf("RBAC does not close it to %s: %s", r.closed, result.Stderr)
			}
		}
	}
	after, err := f.declared(ctx, r, action)
	if err != nil {
		return a, err
	}
	if (a.refused || slices.ContainsFunc(r.run, command.dry)) && before != after {
		return a, fmt.Errorf("%s, but the object has changed:\n%s\n%s", a, before, after)
	}
	return a, nil
}

func (c command) dry() bool { return slices.Contains(c.args, "--dry-run=server") }

// execute runs a command of a row.
func (f *fixture) execute(ctx context.Context, r *row, action v1alpha1.Action, user harness.User, c command) (harness.Result, error) {
	args := slices.Clone(c.args)
	if !slices.Contains(args, "-n") && !slices.Contains(args, "--raw") {
		// Before what kubectl exec gives to its container.
		args = slices.Insert(args, 1, "-n", "$NS")
	}
	stdin, err := f.input(ctx, r, action, c.in)
	if err != nil {
		return harness.Result{}, err
	}
	all := strings.Join(args, " ") + stdin
	words := []string{}
	if strings.Contains(all, "$POD") || strings.Contains(all, "$RS") {
		pod, err := f.below(ctx, r, action)
		if err != nil {
			return harness.Result{}, err
		}
		words = append(words, "$POD", pod.Name, "$RS", pod.OwnerReferences[0].Name)
	}
	expand := func(text string) string {
		return f.words.Replace(strings.NewReplacer(words...).Replace(r.expand(text, action)))
	}
	for i := range args {
		args[i] = expand(args[i])
	}
	cmd, err := f.cluster.Command(ctx, user, "kubectl", args...)
	if err != nil {
		return harness.Result{}, err
	}
	if c.editor != "" {
		cmd.Env = append(cmd.Env, "KUBE_EDITOR=sed -i '"+c.editor+"'")
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(expand(stdin)), &stdout, &stderr
	if err := cmd.Run(); err != nil && (cmd.ProcessState == nil || ctx.Err() != nil) {
		return harness.Result{}, fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return harness.Result{Stdout: stdout.String(), Stderr: stderr.String(), Code: cmd.ProcessState.ExitCode()}, nil
}

// input makes what a command reads.
func (f *fixture) input(ctx context.Context, r *row, action v1alpha1.Action, in input) (text string, err error) {
	switch {
	case in.template != "":
		text, err = r.render(action, in.template)
	case in.live != "":
		result, getErr := f.cluster.Kubectl(ctx, harness.Admin, "", "get", r.expand(in.live, action), "-n", r.namespace(action), "-o=yaml")
		text, err = result.Stdout, getErr
	default:
		text = in.text
	}
	if err != nil || in.old == "" {
		return text, err
	}
	old, new := r.expand(in.old, action), r.expand(in.new, action)
	if !strings.Contains(text, old) {
		return "", fmt.Errorf("%q is not in the input of row %s:\n%s", old, r.id, text)
	}
	return strings.ReplaceAll(text, old, new), nil
}

// below waits for a Pod of the row's Deployment.
func (f *fixture) below(ctx context.Context, r *row, action v1alpha1.Action) (*corev1.Pod, error) {
	for {
		pods := &corev1.PodList{}
		if err := f.cluster.Admin().List(ctx, pods, client.InNamespace(r.namespace(action)), client.MatchingLabels{"app": r.id}); err != nil {
			return nil, err
		}
		if len(pods.Items) > 0 {
			return &pods.Items[0], nil
		}
		if err := pause(ctx); err != nil {
			return nil, fmt.Errorf("no Pod of Deployment %s: %w", r.id, err)
		}
	}
}

// requests returns the audit events of what the row's writer has asked for since the mark. Those of controllers come in
// their own time.
func (f *fixture) requests(ctx context.Context, r *row, action v1alpha1.Action, mark int64) ([]harness.AuditEvent, error) {
	by := cmp.Or(r.by, string(r.user), string(harness.OnCall))
	wait, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		events, err := f.cluster.AuditEventsSince(mark, func(e harness.AuditEvent) bool {
			object := e.ObjectRef
			return e.Stage == "ResponseComplete" && e.User.Username == by && (r.user == "" || r.by == "" ||
				strings.Contains(object.Name, r.id) || r.apart && object.Namespace == r.namespace(action))
		})
		if err != nil || len(events) > 0 || r.by == "" || pause(wait) != nil {
			return events, err
		}
	}
}

// declared describes what the row's objects are in the cluster, as far as an edit can change them.
func (f *fixture) declared(ctx context.Context, r *row, action v1alpha1.Action) (string, error) {
	text, err := r.render(action, slices.Concat(r.given, r.objects, r.helm)...)
	if err != nil {
		return "", err
	}
	var out []any
	documents := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for {
		object := &unstructured.Unstructured{}
		if err := documents.Decode(object); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return "", err
		}
		err := f.cluster.Admin().Get(ctx, client.ObjectKeyFromObject(object), object)
		switch {
		case apierrors.IsNotFound(err) || meta.IsNoMatchError(err):
			out = append(out, nil)
		case err != nil:
			return "", err
		default:
			out = append(out, content(object))
		}
	}
	described, err := json.Marshal(out)
	return string(described), err
}
