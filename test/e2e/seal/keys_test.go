package seal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// keeper may list Secrets where the controller keeps its keys, and nothing else.
const keeper = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: keeper, namespace: kube-system}
rules: [{apiGroups: [""], resources: [secrets], verbs: [list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: keeper, namespace: kube-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: keeper}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: keeper@contoso.com}]
`

func TestKeysComeFromTheClusterForWhomRBACLets(t *testing.T) {
	r := newRepository(t)
	kubectl(t, eu, keeper, "apply", "-f", "-")
	theirs := r.pipe(secret("payments"), "kubeseal", "--cert", shared.own, "--format", "yaml")
	r.write("db.yaml", "# The database.\n"+theirs)
	editor := filepath.Join(t.TempDir(), "editor")
	if err := os.WriteFile(editor, []byte("#!/bin/sh\nsed -i 's/of db/of the database/' \"$1\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("EDITOR", editor)
	commands := [][]string{
		{"view", "db.yaml"}, {"view", "db.yaml", "password", "--reveal"}, {"edit", "db.yaml"}, {"reseal", "."}, {"reseal", ".", "--write"},
		{"seal", "db", "-n", "payments", "--from-file", "password=editor", "--into", "db.yaml"},
	}
	r.write("editor", canary)

	intern, allowed := login(t, "intern@contoso.com"), login(t, "keeper@contoso.com")
	before := r.read("db.yaml")
	for _, command := range commands {
		r.sealAs(intern, 2, []string{"error: you may not list secrets in namespace kube-system, where the controller keeps its keys; whoever may can hand a key over as a file, for --key"},
			append(command, "--from-cluster", "--context", eu)...)
	}
	// The right of one cluster is none of another one.
	r.sealAs(allowed, 2, []string{"error: you may not list secrets in namespace kube-system"}, "view", "db.yaml", "--from-cluster", "--context", us)
	r.seal(2, []string{"db.yaml: SealedSecret payments/db: item password is not opened by any of the keys"}, "view", "db.yaml", "--from-cluster", "--context", us)
	r.seal(1, []string{"db.yaml: line ", "item password is not opened by any of the keys"}, "reseal", "--from-cluster", "--context", us, "--write")
	if r.read("db.yaml") != before {
		t.Fatal("the file was changed")
	}

	from := []string{"--from-cluster", "--context", eu}
	r.sealAs(allowed, 0, []string{"password: '***'"}, append([]string{"view", "db.yaml"}, from...)...)
	if result := r.as(allowed, "", "kubectl-gitops_seal", append([]string{"view", "db.yaml", "password", "--reveal"}, from...)...); result.Code != 0 || result.Stdout != canary+" of db" {
		t.Errorf("view ends with %d: %s", result.Code, result.Stderr)
	}
	r.sealAs(allowed, 0, []string{"To be sealed anew: 1 SealedSecret in 1 file", "Nothing is written"}, append([]string{"reseal"}, from...)...)
	if r.read("db.yaml") != before {
		t.Fatal("the file was changed")
	}
	r.sealAs(allowed, 0, []string{"db.yaml: payments/db (strict): changed password"}, append([]string{"edit", "db.yaml"}, from...)...)
	r.write("other.yaml", strings.ReplaceAll(before, "# The database.", "# Another one."))
	r.sealAs(allowed, 0, []string{"Sealed anew: 1 SealedSecret in 1 file; sealed with the pinned certificate already: 1."}, append([]string{"reseal", "--write"}, from...)...)
	if got := r.must("kubectl-gitops_seal", "view", "db.yaml", "password", "--reveal", "--key", filepath.Join(shared.keys, "shared.key")); got != canary+" of the database" {
		t.Error("what was edited is not there")
	}
	if !strings.HasPrefix(r.read("db.yaml"), "# The database.\n") || !strings.HasPrefix(r.read("other.yaml"), "# Another one.\n") {
		t.Error("comments are lost")
	}
	r.seal(0, []string{"The key opens all 2 SealedSecrets."}, "verify", "--key", filepath.Join(shared.keys, "shared.key"))
	r.seal(0, []string{"prod-eu and prod-us open all 2 SealedSecrets."}, "verify")
}
