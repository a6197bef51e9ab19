package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/stage"
)

func (s *story) seal(ctx context.Context, n *narrator) error {
	n.chapter("(e) seal once, open everywhere")
	contexts := append([]string{stage.Environment}, stage.Siblings()...)
	n.say("The team's five clusters are to share one sealing key: %s, each with its own control plane and", strings.Join(contexts, ", "))
	n.say("Sealed Secrets controller. That of %s has made a key of its own long ago.", stage.Environment)
	keys := filepath.Join(s.Cluster.Dir(), "keys")
	if err := os.Mkdir(keys, 0o700); err != nil {
		return err
	}
	if err := s.StartSiblings(ctx, keys, stage.Siblings()...); err != nil {
		return err
	}
	n.dir = s.Repo.Dir
	defer func() { n.dir = "" }()
	for _, line := range []string{
		"kubectl gitops-seal keygen --dir " + keys,
		"kubectl gitops-seal init --cert " + filepath.Join(keys, "shared.crt") + " --contexts " + strings.Join(contexts, ","),
	} {
		_, code, err := n.run(ctx, harness.OnCall, line)
		if err != nil {
			return err
		}
		n.expect(code == 0, "%q does it", line)
	}
	n.say("The key comes into all five, whose controllers start with a renewal period of 0.")
	if err := s.ShareKey(ctx, keys); err != nil {
		return err
	}

	n.say("A developer seals the database's password with a certificate fetched from %s while that served its own:", stage.Environment)
	if _, _, err := n.run(ctx, harness.Dev, fmt.Sprintf("kubeseal --cert %s/fetched.crt -f %s/secret.yaml -w %s -o yaml", keys, keys, stage.Database)); err != nil {
		return err
	}
	n.say("Before that is committed:")
	out, code, err := n.run(ctx, harness.Dev, "kubectl gitops-seal check apps")
	if err != nil {
		return err
	}
	n.expect(code == 1 && strings.Contains(out, "UnknownKey") && strings.Contains(out, stage.Database), "check refuses it, with file and line")
	out, code, err = n.run(ctx, harness.OnCall, "kubectl gitops-seal verify")
	if err != nil {
		return err
	}
	for _, context := range contexts[1:] {
		n.expect(code == 1 && strings.Contains(out, context+" opens 0 of 1 SealedSecret"), "verify says that %s does not open it", context)
	}

	n.say("Sealed anew with the shared key, by somebody who may read the key of %s:", stage.Environment)
	for _, step := range []struct{ line, want string }{
		{"kubectl gitops-seal reseal apps --from-cluster --context " + stage.Environment + " --write", "1 SealedSecret in 1 file"},
		{"kubectl gitops-seal check apps", "Nothing is wrong"},
		{"kubectl gitops-seal verify", "the SealedSecret"},
	} {
		out, code, err := n.run(ctx, harness.OnCall, step.line)
		if err != nil {
			return err
		}
		n.expect(code == 0 && strings.Contains(out, step.want), "%s: %s", step.line, step.want)
	}
	n.say("The team commits it; Flux applies it in %s, and the controller makes the Secret.", stage.Environment)
	if err := s.commitSecret(ctx, n); err != nil {
		return err
	}
	n.say("What is left to do in these clusters:")
	out, code, err = n.run(ctx, harness.OnCall, "kubectl gitops-seal doctor")
	if err != nil {
		return err
	}
	n.expect(code == 1 && strings.Contains(out, "another active key") && strings.Contains(out, "serves the pinned certificate"), "doctor finds the other key of %s", stage.Environment)
	return nil
}

// commitSecret lets Flux apply the repository as it is now, and waits for the Secret.
func (s *story) commitSecret(ctx context.Context, n *narrator) error {
	if _, err := s.Repo.Commit(ctx, "payments-api: seal the database's password with the shared key"); err != nil {
		return err
	}
	if _, err := s.Cluster.Publish(ctx, harness.Publication{Dir: s.Repo.Dir}); err != nil {
		return err
	}
	_, code, err := n.run(ctx, harness.OnCall, "kubectl gitops-reconcile kustomization/infrastructure kustomization/apps")
	if err != nil {
		return err
	}
	n.expect(code == 0, "Flux applies it")
	if err := poll(ctx, "the Secret", func() (bool, error) {
		result, err := s.Cluster.Kubectl(ctx, harness.Admin, "", "get", "secret", "payments-api-database", "-n", "payments")
		return result.Code == 0, err
	}); err != nil {
		return err
	}
	_, code, err = n.run(ctx, harness.OnCall, "kubectl get sealedsecret,secret -n payments")
	if err != nil {
		return err
	}
	n.expect(code == 0, "the Secret is there")
	return nil
}
