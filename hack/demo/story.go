package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/stage"
)

const raise = "kubectl set resources deployment/payments-api -n payments --limits=memory=1Gi"

// What the story changes.
var deployment = client.ObjectKey{Namespace: "payments", Name: "payments-api"}

// story is the Sunday night on its stage.
type story struct{ *stage.Stage }

// patience is how long a step may take before it counts as failed.
const patience = 30 * time.Second

// tell plays the whole story. It returns an error where the story cannot go on; what merely went otherwise than told
// is in n.failed.
func (s *story) tell(ctx context.Context, n *narrator) error {
	for _, chapter := range []func(context.Context, *narrator) error{s.record, s.enforce, s.unseen, s.reconcile, s.seal} {
		if err := chapter(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func (s *story) record(ctx context.Context, n *narrator) error {
	n.chapter("(a) Sunday, 23:40: record")
	n.say("payments-api runs out of memory. The engineer on call raises the limit that git sets to 512Mi.")
	_, code, err := n.run(ctx, harness.OnCall, raise)
	if err != nil {
		return err
	}
	n.expect(code == 0, "the edit is admitted")
	n.say("It was admitted, and written down:")
	line, err := s.logged(ctx, "payments-api")
	if err != nil {
		return err
	}
	n.print(line, "  ")
	n.expect(strings.Contains(line, string(harness.OnCall)) && strings.Contains(line, "1Gi"), "the log names user and value")
	if err := s.awaitHistory(ctx, 1); err != nil {
		return err
	}
	n.say("What differs from git, who did it, and what Flux will do about it:")
	out, code, err := n.run(ctx, harness.OnCall, "kubectl gitops-drift")
	if err != nil {
		return err
	}
	n.expect(code == 1, "exit code 1, drift found")
	for _, word := range []string{"resources.limits.memory", "512Mi", "1Gi", string(harness.OnCall), "revert in"} {
		n.expect(strings.Contains(out, word), "the table says %q", word)
	}

	n.say("The team lets the loop put things back. Edits are still admitted: the policy's action stays Record.")
	if _, _, err := n.run(ctx, harness.Admin, "kubectl apply --server-side -k manifests/overlays/enforce"); err != nil {
		return err
	}
	if _, _, err := n.run(ctx, harness.Admin, policy(`{"action":"Record"}`)); err != nil {
		return err
	}
	if _, err := s.awaitLimit(ctx, "512Mi", nil); err != nil {
		return err
	}
	n.say("The limit is back. The same edit once more, with a stopwatch:")
	took, err := s.awaitLimit(ctx, "512Mi", func() error {
		_, _, err := n.run(ctx, harness.OnCall, raise)
		return err
	})
	if err != nil {
		return err
	}
	n.say("Back to 512Mi %d ms after kubectl had returned. Flux's interval is 10 minutes.", took.Milliseconds())
	out, code, err = n.run(ctx, harness.OnCall, "kubectl gitops-drift")
	if err != nil {
		return err
	}
	n.expect(code == 0 && strings.Contains(out, "In sync"), "nothing differs any more")
	return nil
}

func (s *story) enforce(ctx context.Context, n *narrator) error {
	n.chapter("(b) enforce")
	if _, _, err := n.run(ctx, harness.Admin, policy(`{"action":"Deny"}`)); err != nil {
		return err
	}
	if err := s.awaitDeny(ctx); err != nil {
		return err
	}
	out, code, err := n.run(ctx, harness.OnCall, raise)
	if err != nil {
		return err
	}
	n.expect(code != 0 && strings.Contains(out, "512Mi → 1Gi") && strings.Contains(out, "apps/payments-api/base/deployment.yaml"),
		"the edit is refused, with field, values and file")
	out, code, err = n.run(ctx, harness.OnCall, "kubectl delete deployment/payments-api -n payments")
	if err != nil {
		return err
	}
	n.expect(code != 0 && strings.Contains(out, "managed by Flux"), "the deletion is refused")
	if err := s.awaitHistory(ctx, 3); err != nil {
		return err
	}
	n.say("On Monday the team reads who did what. What was refused is there, too:")
	out, code, err = n.run(ctx, harness.OnCall, "kubectl gitops-drift history")
	if err != nil {
		return err
	}
	n.expect(code == 0, "exit code 0")
	for _, words := range []string{"update admitted", "update denied", "delete denied"} {
		n.expect(strings.Contains(out, words), "the history says %q", words)
	}

	n.say("The change through git instead: 768Mi in apps/payments-api/base/deployment.yaml, merged to main.")
	const file = "apps/payments-api/base/deployment.yaml"
	content, err := s.Repo.ReadFile(file)
	if err != nil {
		return err
	}
	if err := s.Repo.WriteFile(file, strings.Replace(content, "memory: 512Mi", "memory: 768Mi", 1)); err != nil {
		return err
	}
	if _, err := s.Repo.Commit(ctx, "payments-api: raise the memory limit to 768Mi"); err != nil {
		return err
	}
	if _, err := s.Cluster.Publish(ctx, harness.Publication{Dir: s.Repo.Dir}); err != nil {
		return err
	}
	// infrastructure first: apps depends on it having the same revision.
	out, code, err = n.run(ctx, harness.OnCall, "kubectl gitops-reconcile kustomization/infrastructure kustomization/apps")
	if err != nil {
		return err
	}
	n.expect(code == 0 && strings.Contains(out, "ready"), "Flux applies it, untouched by the webhook")
	_, err = s.awaitLimit(ctx, "768Mi", nil)
	return err
}

func (s *story) unseen(ctx context.Context, n *narrator) error {
	n.chapter("(c) what flux diff does not see")
	n.say("Recording only again, and the loop off: an environment variable added with kubectl. flux diff compares a dry-run")
	n.say("apply with the live object, so it says nothing; but Flux's next apply takes the field over from kubectl and removes it.")
	if _, _, err := n.run(ctx, harness.Admin, policy(`{"action":"Record","restore":false}`)); err != nil {
		return err
	}
	if err := s.awaitRecord(ctx); err != nil {
		return err
	}
	if _, _, err := n.run(ctx, harness.OnCall, "kubectl set env deployment/payments-api -n payments DEBUG=1"); err != nil {
		return err
	}
	out, code, err := n.run(ctx, harness.OnCall, "kubectl gitops-drift deployment/payments-api -n payments")
	if err != nil {
		return err
	}
	n.expect(code == 1 && strings.Contains(out, "env[DEBUG]") && strings.Contains(out, "revert in"), "the variable is shown, and that Flux will remove it")
	_, code, err = n.run(ctx, harness.OnCall, "kubectl gitops-drift deployment/payments-api -n payments -o diff")
	if err != nil {
		return err
	}
	n.expect(code == 1, "exit code 1, drift found")
	return nil
}

func (s *story) reconcile(ctx context.Context, n *narrator) error {
	n.chapter("(d) reconcile now")
	_, code, err := n.run(ctx, harness.OnCall, "kubectl gitops-reconcile kustomization/apps")
	if err != nil {
		return err
	}
	n.expect(code == 0, "Flux reconciles")
	out, code, err := n.run(ctx, harness.OnCall, "kubectl gitops-drift")
	if err != nil {
		return err
	}
	n.expect(code == 0 && strings.Contains(out, "In sync"), "Flux did what was predicted: nothing differs any more")
	return nil
}

func policy(spec string) string {
	return `kubectl patch editpolicy enforce --type merge -p '{"spec":` + spec + `}'`
}

// logged waits for the controller's log line about an edit of the named object, the newest if there are several.
func (s *story) logged(ctx context.Context, name string) (string, error) {
	var line string
	err := poll(ctx, "the controller's log line about "+name, func() (bool, error) {
		log, err := s.Controller.Log()
		for _, l := range strings.Split(log, "\n") {
			if json.Valid([]byte(l)) && strings.Contains(l, name) && strings.Contains(l, string(harness.OnCall)) {
				line = l
			}
		}
		return line != "", err
	})
	return line, err
}

// awaitHistory waits until there are n records of edits: they are written after the answer.
func (s *story) awaitHistory(ctx context.Context, n int) error {
	return poll(ctx, "the records of edits", func() (bool, error) {
		result, err := s.Cluster.Kubectl(ctx, harness.OnCall, "", "gitops-drift", "history", "-o", "name")
		return strings.Count(result.Stdout, "\n") >= n, err
	})
}

// awaitLimit runs act, if any, and waits until the container's memory limit is want, from a watch that was open
// before. It returns the time from act's end.
func (s *story) awaitLimit(ctx context.Context, want string, act func() error) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	wanted := resource.MustParse(want)
	watcher, err := s.Cluster.Admin().Watch(ctx, &appsv1.DeploymentList{}, client.InNamespace(deployment.Namespace),
		client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", deployment.Name)})
	if err != nil {
		return 0, err
	}
	defer watcher.Stop()
	acted := time.Now()
	var seen time.Time
	changed := act == nil
	if act != nil {
		if err := act(); err != nil {
			return 0, err
		}
		acted = time.Now()
	}
	for event := range watcher.ResultChan() {
		object, ok := event.Object.(*appsv1.Deployment)
		if !ok || len(object.Spec.Template.Spec.Containers) == 0 {
			continue
		}
		limit := object.Spec.Template.Spec.Containers[0].Resources.Limits.Memory()
		if limit.Cmp(wanted) != 0 {
			changed = true
			continue
		}
		if changed {
			seen = time.Now()
			break
		}
	}
	if seen.IsZero() {
		return 0, fmt.Errorf("the memory limit of %s was not %s within %s", deployment, want, patience)
	}
	return max(seen.Sub(acted), 0), nil
}

// awaitDeny and awaitRecord wait until the controller has seen the policy that was just changed, by a dry-run edit.
func (s *story) awaitDeny(ctx context.Context) error   { return s.awaitAnswer(ctx, true) }
func (s *story) awaitRecord(ctx context.Context) error { return s.awaitAnswer(ctx, false) }

func (s *story) awaitAnswer(ctx context.Context, denied bool) error {
	return poll(ctx, "the policy to take effect", func() (bool, error) {
		result, err := s.Cluster.Kubectl(ctx, harness.OnCall, "", "scale", "deployment/payments-api", "-n", "payments", "--replicas=9", "--dry-run=server")
		return err == nil && (result.Code != 0) == denied, err
	})
}

func poll(ctx context.Context, what string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		ok, err := done()
		if err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited %s for %s: %w", patience, what, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// run plays the story on a cluster of its own.
func run(ctx context.Context) (err error) {
	// The commands name files as one does at the root of the repository.
	root, err := harness.ModuleRoot()
	if err != nil {
		return err
	}
	if err := os.Chdir(root); err != nil {
		return err
	}
	n := newNarrator(os.Stdout)
	n.chapter("gitops-drift: the Sunday night")
	set, err := stage.Start(ctx, n.say)
	if err != nil {
		return err
	}
	s := &story{set}
	defer func() {
		if closing := s.Close(); err == nil {
			err = closing
		}
	}()
	n.cluster = s.Cluster
	if err := s.tell(ctx, n); err != nil {
		return err
	}
	return n.summary()
}
