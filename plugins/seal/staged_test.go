package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gitops-drift/gitops-drift/pkg/sealconfig"
)

// git runs git in the repository.
func (p *place) git(args ...string) (string, error) {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), "git", append([]string{"-c", "user.name=x", "-c", "user.email=x@contoso.com"}, args...)...)
	cmd.Dir = p.repository
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.home, asProgram + "=1", "TMPDIR=" + p.tmp}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (p *place) mustGit(args ...string) {
	p.t.Helper()
	if out, err := p.git(args...); err != nil {
		p.t.Fatalf("git %v: %v: %s", args, err, out)
	}
}

// newGitPlace is a place whose repository is git's, with what init wrote committed.
func newGitPlace(t *testing.T) *place {
	t.Helper()
	p := newPlace(t)
	if err := os.Remove(filepath.Join(p.repository, ".git")); err != nil {
		t.Fatal(err)
	}
	p.mustGit("init", "-q")
	p.mustGit("add", ".")
	p.mustGit("commit", "-qm", "Pin the certificate")
	return p
}

func TestACommitHookChecksWhatIsCommitted(t *testing.T) {
	p := newGitPlace(t)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	hook := filepath.Join(p.repository, ".git", "hooks", "pre-commit")
	p.write(hook, "#!/bin/sh\nexec '"+program+"' check --staged\n")
	if err := os.Chmod(hook, 0o700); err != nil {
		t.Fatal(err)
	}
	file := p.file("apps/payments/db.yaml", plain)
	p.mustGit("add", ".")
	p.ok("", "seal", "-f", file, "-i") // in the working tree, but not staged
	if out := p.ok("", "check"); !strings.HasPrefix(out, "Nothing is wrong") {
		t.Errorf("got %s", out)
	}
	out, err := p.git("commit", "-qm", "A Secret")
	if err == nil || !strings.Contains(out, "apps/payments/db.yaml:9  Plaintext  Secret db [password, user]") || strings.Contains(out, canary) {
		t.Fatalf("the commit goes through, %v: %s", err, out)
	}
	p.mustGit("add", ".")
	p.mustGit("commit", "-qm", "A SealedSecret")

	// The other way round: what is not staged does not count.
	p.file("apps/payments/scratch.yaml", plain)
	p.file(file, plain)
	p.file("README", "x")
	p.mustGit("add", "README")
	p.mustGit("commit", "-qm", "Something else")
	p.mustGit("add", file)
	// git commit with a path leaves the other file as it was.
	p.file("README", "y")
	p.mustGit("commit", "-qm", "Something else", "README")
	if r := p.run("", "check", "--staged"); r.code != 1 || strings.Contains(r.stdout, "scratch") {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if r := p.run("", "check", "--staged", "README"); r.code != 0 {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	p.fails("--staged: git has no apps/payments/scratch.yaml to commit", "check", "--staged", "apps/payments/scratch.yaml")

	// The configuration and its certificates count as they are staged, too.
	other := newPair(t)
	p.mustGit("checkout", "-q", "HEAD", "--", file)
	p.file("shared.crt", string(other.Certificate.PEM()))
	if r := p.run("", "check", "--staged"); r.code != 0 {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	p.mustGit("add", "shared.crt")
	if r := p.run("", "check", "--staged"); r.code != 2 || !strings.Contains(r.stderr, "holds key "+other.Certificate.Fingerprint) {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	p.mustGit("rm", "-q", "--cached", sealconfig.FileName)
	p.fails(".gitops-seal.yaml is not in git yet; git add it", "check", "--staged")
}

func TestStagedFilesAreBuiltAsFluxAppliesThem(t *testing.T) {
	p := newGitPlace(t)
	file := p.file("apps/payments/db.yaml", plain)
	p.ok("", "seal", "-f", file, "-i")
	p.file("apps/payments/kustomization.yaml", "resources: [db.yaml]\n")
	p.file("clusters/prod/apps.yaml", "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps, namespace: flux-system}\n"+
		"spec: {interval: 10m, path: ./apps/payments, prune: true, sourceRef: {kind: GitRepository, name: x}}\n")
	p.mustGit("add", ".")
	p.file("apps/payments/kustomization.yaml", "namePrefix: eu-\nresources: [db.yaml]\n")
	if r := p.run("", "check", "--staged", file); r.code != 0 {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	p.mustGit("add", ".")
	p.file("apps/payments/kustomization.yaml", "resources: [db.yaml]\n")
	if r := p.run("", "check", "--staged"); r.code != 1 || !strings.Contains(strings.Join(strings.Fields(r.stdout), " "), "applies it as payments/eu-db (strict)") {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

func TestWithoutGitNothingIsStaged(t *testing.T) {
	p := newPlace(t)
	p.fails("--staged: git rev-parse: not a git repository", "check", "--staged")
}

func TestNoValueOutlivesACheckThatIsKilled(t *testing.T) {
	p := newPlace(t)
	file := p.file("apps/payments/db.yaml", plain)
	p.ok("", "seal", "-f", file, "-i")
	p.file("apps/payments/plain.yaml", plain)
	p.file("apps/payments/value.pem", "CANARY-file")
	p.file("apps/payments/db.env", "A=CANARY-env\n")
	p.file("apps/payments/kustomization.yaml", "namePrefix: eu-\nresources: [db.yaml]\nsecretGenerator:\n- {name: a, literals: [a=CANARY-literal], files: [value.pem], envs: [db.env]}\n")
	for i := range 5 {
		p.file("clusters/"+string(rune('a'+i))+".yaml", "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: apps, namespace: flux-system}\n"+
			"spec: {interval: 10m, path: ./apps/payments, prune: true, sourceRef: {kind: GitRepository, name: x"+string(rune('a'+i))+"}}\n")
	}
	cmd := p.command("", "check")
	held := p.holding()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	built := false
	for deadline := time.Now().Add(20 * time.Second); !built; time.Sleep(100 * time.Microsecond) {
		found, err := filepath.Glob(filepath.Join(p.tmp, "gitops-drift-build-*", "apps", "payments", "kustomization.yaml"))
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("nothing is built: %v", err)
		}
		built = len(found) > 0
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	left, err := os.ReadDir(p.tmp)
	if err != nil || len(left) == 0 {
		t.Fatalf("it was over already: %v", err)
	}
	for path := range p.holding() {
		if !held[path] {
			t.Errorf("a value is left in %s", path)
		}
	}
}
