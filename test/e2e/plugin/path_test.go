package plugin

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/gitops-drift/gitops-drift/test/harness"
)

// The verdicts tell what Flux does now from what it does once git has what the working tree has.
func TestAWorkingTreeIsComparedWithTheCluster(t *testing.T) {
	i := newIsolated(t, "local")
	i.commit("more.yaml", configMap("local-more", "first", ""))
	i.commit("gone.yaml", configMap("local-gone", "first", ""))
	i.publish(harness.NoFault)
	i.patch(`{"spec":{"prune":true}}`)
	i.reconcile()
	t.Cleanup(func() {
		kubectl(t, "", "delete", "--ignore-not-found", "configmap/local-more", "configmap/local-gone", "-n", "default")
	})
	owner := []string{"--owner", "ks/flux-system/local", "--path"}
	want(t, drift(t, harness.OnCall, append(owner, i.repo.Dir)...), 0, "In sync: 3 objects of 1 owner equal checkout "+i.repo.Dir+".\n")

	tree := filepath.Join(t.TempDir(), "tree")
	if err := os.CopyFS(tree, os.DirFS(i.repo.Dir)); err != nil {
		t.Fatal(err)
	}
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(tree, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("app.yaml", configMap("local", "second", ""))
	write("new.yaml", configMap("local-new", "first", ""))
	if err := os.Remove(filepath.Join(tree, "gone.yaml")); err != nil {
		t.Fatal(err)
	}
	kubectl(t, "", "patch", "configmap/local-more", "-n", "default", "--type=merge", "-p", `{"data":{"key":"by hand"}}`)
	result := drift(t, harness.OnCall, append(owner, tree)...)
	want(t, result, 1, "Kustomization flux-system/local  checkout "+tree+" (main@sha1:",
		"change once in git", "create once in git", "delete once in git", "revert in ≤",
		"2 fields of 2 objects differ from checkout "+tree+" and 1 object is missing and 1 object is not in checkout "+tree+"; Flux will change 3 of them once git has what the checkout has.")
	verdicts := map[string]string{}
	for _, item := range decode(t, drift(t, harness.OnCall, append(owner, tree, "-o", "json")...).Stdout).Items {
		verdicts[item.Object.Name] = item.Kind + " " + item.Verdict
		if item.Revision != "checkout "+tree {
			t.Errorf("the revision is %s", item.Revision)
		}
	}
	for name, expected := range map[string]string{
		"local": "Changed Pending", "local-new": "Missing Pending", "local-gone": "Added Pending", "local-more": "Changed Reverts",
	} {
		if verdicts[name] != expected {
			t.Errorf("%s: %s, want %s", name, verdicts[name], expected)
		}
	}

	want(t, drift(t, harness.OnCall, "--path", tree), 2, "error: the Kustomizations have several sources, GitRepository/flux-system/flux-system, GitRepository/flux-system/local; ")
	want(t, drift(t, harness.OnCall, "--path", tree, "--source", "GitRepository/flux-system/local"), 1, "Flux will change 3 of them")
	want(t, drift(t, harness.OnCall, "--path", tree, "--source", "GitRepository/flux-system/absent"), 2, "error: no Kustomization has the source GitRepository/flux-system/absent; ")
	want(t, drift(t, harness.OnCall, "--source", "GitRepository/flux-system/local"), 2, "error: --source says what --path is a working tree of")
	want(t, drift(t, harness.OnCall, append(owner, tree+"/absent")...), 2, "the checkout cannot be read")
}
