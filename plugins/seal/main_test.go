package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gitops-drift/gitops-drift/pkg/sealconfig"
	"github.com/gitops-drift/gitops-drift/pkg/sealkey"
	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
)

// asProgram in the environment makes the test's binary the program itself, so that it can be run and watched from outside.
const asProgram = "GITOPS_SEAL_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		cli.Main(newCommand)
	}
	os.Exit(m.Run())
}

// place is a repository with a pinned certificate, and the folders of the person who works in it.
type place struct {
	t                     *testing.T
	repository, home, tmp string
	pair                  *sealkey.Pair
	key                   string // a file
	editor                string
}

// newPlace makes one; a key of the least size does, and is made quickly.
func newPlace(t *testing.T) *place {
	t.Helper()
	dir := t.TempDir()
	p := &place{t: t, repository: filepath.Join(dir, "repository"), home: filepath.Join(dir, "home"), tmp: filepath.Join(dir, "tmp"), key: filepath.Join(dir, "shared.key")}
	for _, dir := range []string{filepath.Join(p.repository, ".git"), p.home, p.tmp} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	p.pair = newPair(t)
	p.write(p.key, string(p.pair.KeyPEM()))
	p.file("shared.crt", string(p.pair.Certificate.PEM()))
	p.ok("", "init", "--cert", "shared.crt", "--rule", "path=apps/payments,namespace=payments")
	return p
}

func newPair(t *testing.T) *sealkey.Pair {
	t.Helper()
	pair, err := sealkey.Generate(2048, 24*time.Hour, time.Now().Add(-time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func (p *place) write(path, content string) {
	p.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// file writes a file of the repository and returns its path there.
func (p *place) file(path, content string) string {
	p.t.Helper()
	p.write(filepath.Join(p.repository, path), content)
	return path
}

func (p *place) read(path string) string {
	p.t.Helper()
	content, err := os.ReadFile(filepath.Join(p.repository, path))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(content)
}

// result is what a run of the program left.
type result struct {
	code           int
	stdout, stderr string
}

func (p *place) command(stdin string, args ...string) *exec.Cmd {
	p.t.Helper()
	program, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.CommandContext(p.t.Context(), program, args...)
	cmd.Args[0] = "kubectl-gitops_seal"
	cmd.Dir = p.repository
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = []string{asProgram + "=1", "PATH=" + os.Getenv("PATH"), "HOME=" + p.home, "TMPDIR=" + p.tmp, "KUBECONFIG=" + filepath.Join(p.home, "none"), "EDITOR=" + p.editor}
	return cmd
}

func (p *place) run(stdin string, args ...string) result {
	p.t.Helper()
	cmd := p.command(stdin, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// ok runs what has to succeed, and returns what it writes to standard output.
func (p *place) ok(stdin string, args ...string) string {
	p.t.Helper()
	r := p.run(stdin, args...)
	if r.code != 0 {
		p.t.Fatalf("%v: exit %d\n%s%s", args, r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// fails runs what has to fail with an error that says something.
func (p *place) fails(want string, args ...string) {
	p.t.Helper()
	r := p.run("", args...)
	if r.code != cli.CodeError || !strings.Contains(r.stderr, "error: ") || !strings.Contains(r.stderr, want) {
		p.t.Errorf("%v: exit %d, %swant %q", args, r.code, r.stderr, want)
	}
}

const plain = `# The database.
apiVersion: v1
kind: Secret
metadata:
  name: db
type: Opaque
stringData:
  # rotated
  password: CANARY-one # ask
  user: CANARY-two
`

func TestASecretsLife(t *testing.T) {
	p := newPlace(t)
	file := p.file("apps/payments/db.yaml", "kind: ConfigMap # as it is\n---\n"+plain)
	if out := p.ok("", "seal", "-f", file); !strings.HasPrefix(out, "kind: ConfigMap # as it is\n---\n# The database.\napiVersion: bitnami.com/v1alpha1\n") || strings.Contains(out, "CANARY") {
		t.Errorf("got\n%s", out)
	}
	if !strings.Contains(p.read(file), "CANARY-one") {
		t.Error("the file was changed though nobody asked for it")
	}
	if out := p.ok("", "seal", "-f", "apps", "-i"); out != "apps/payments/db.yaml: sealed payments/db (strict), 2 items, with shared\n" {
		t.Errorf("got %s", out)
	}
	if out := p.ok("", "seal", "-f", "apps", "-i"); out != "There is no Secret to seal.\n" {
		t.Errorf("got %s", out)
	}
	sealed := p.read(file)
	want := "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: payments\nstringData:\n  password: CANARY-one\n  user: CANARY-two\ntype: Opaque\n"
	if out := p.ok("", "view", file, "--key", p.key, "--reveal"); out != want {
		t.Errorf("got\n%s", out)
	}
	if out := p.ok("", "view", file, "--key", p.key); out != strings.NewReplacer("CANARY-one", "'***'", "CANARY-two", "'***'").Replace(want) {
		t.Errorf("got\n%s", out)
	}

	p.write(filepath.Join(p.home, "value"), "three\x00")
	p.ok("", "set", "-f", file, "binary=@"+filepath.Join(p.home, "value"))
	p.ok("new", "set", "-f", file, "password")
	p.ok("", "unset", "-f", file, "user")
	if out := p.ok("", "view", file, "--key", p.key, "--reveal"); !strings.Contains(out, "data:\n  binary: dGhyZWUA\n") || !strings.Contains(out, "stringData:\n  password: new\n") || strings.Contains(out, "user") {
		t.Errorf("got\n%s", out)
	}
	if out := p.ok("", "view", file, "password", "--key", p.key, "--reveal"); out != "new" {
		t.Errorf("got %q", out)
	}
	if after := p.read(file); strings.Count(after, "\n") != strings.Count(sealed, "\n") || !strings.HasSuffix(lineWith(after, "password: "), " # ask") {
		t.Errorf("got\n%s", after)
	}

	// The Secret once more: what did not change keeps its ciphertext where the key is at hand.
	before := p.read(file)
	source := strings.NewReplacer("CANARY-one", "new", "CANARY-two", "other").Replace(plain)
	if out := p.ok(source, "seal", "-f", "-", "--into", file, "--key", p.key); out != "apps/payments/db.yaml: payments/db (strict): changed binary, user, kept 1\n" {
		t.Errorf("got %s", out)
	}
	if line := lineWith(before, "password: "); line == "" || line != lineWith(p.read(file), "password: ") {
		t.Error("an item that did not change was sealed anew")
	}
	if out := p.ok(source, "seal", "-f", "-", "--into", file, "--key", p.key); out != "apps/payments/db.yaml: payments/db (strict) is what it was\n" {
		t.Errorf("got %s", out)
	}
	if out := p.ok("x=1\n# c\n\ny=2=3\n", "seal", "env", "--from-env-file", "-", "--into", file, "--type", "a/b"); out != "apps/payments/db.yaml: added payments/env (strict)\n" {
		t.Errorf("got %s", out)
	}
	if out := p.ok("", "view", file, "--name", "env", "--key", p.key, "--reveal"); !strings.Contains(out, "stringData:\n  x: \"1\"\n  \"y\": 2=3\ntype: a/b\n") {
		t.Errorf("got %s", out)
	}
	p.fails("holds payments/db, payments/env; choose one with --name", "view", file, "--key", p.key)
}

func lineWith(text, part string) string {
	for _, line := range strings.Split(text, "\n") {
		if strings.Contains(line, part) {
			return line
		}
	}
	return ""
}

func TestOnlyThePinnedCertificateSeals(t *testing.T) {
	p := newPlace(t)
	file := p.file("apps/payments/db.yaml", plain)
	other := newPair(t)
	p.file("shared.crt", string(other.Certificate.PEM()))
	p.fails("holds key "+other.Certificate.Fingerprint+", but .gitops-seal.yaml pins "+p.pair.Certificate.Fingerprint, "seal", "-f", file)
	old, err := sealkey.Generate(2048, time.Hour, time.Now().Add(-2*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	p.file("shared.crt", string(old.Certificate.PEM()))
	p.file(sealconfig.FileName, strings.ReplaceAll(p.read(sealconfig.FileName), p.pair.Certificate.Fingerprint, old.Certificate.Fingerprint))
	if r := p.run("", "seal", "-f", file); r.code != 0 || strings.Count(r.stderr, "warning: certificate \"shared\" expired on ") != 1 {
		t.Errorf("exit %d, %s", r.code, r.stderr)
	}
	if err := os.Remove(filepath.Join(p.repository, sealconfig.FileName)); err != nil {
		t.Fatal(err)
	}
	future, err := sealkey.Generate(2048, time.Hour, time.Now().Add(48*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	p.file("future.crt", string(future.Certificate.PEM()))
	if r := p.run("", "init", "--cert", "future.crt"); r.code != 0 || !strings.Contains(r.stderr, "warning: the certificate begins on ") {
		t.Errorf("exit %d, %s", r.code, r.stderr)
	}
	if err := os.Remove(filepath.Join(p.repository, sealconfig.FileName)); err != nil {
		t.Fatal(err)
	}
	p.fails("pin the certificate to seal with: init --cert FILE", "seal", "-f", file)
}

func TestMistakesAreToldBeforeAnythingIsWritten(t *testing.T) {
	p := newPlace(t)
	secret := p.file("apps/payments/db.yaml", plain)
	sealed := p.file("apps/payments/sealed.yaml", p.ok("", "seal", "-f", secret))
	p.file("apps/payments/broken.yaml", "kind: Secret\napiVersion: v1\nmetadata: {name: x}\ndata: {a: CANARY}\n")
	p.file("charts/secret.yaml", "kind: Secret\n{{ if }}\n")
	before := p.read(secret)
	for _, test := range []struct {
		want string
		args []string
	}{
		{"say with -f what to seal", []string{"seal"}},
		{"no such file", []string{"seal", "-f", "nothing.yaml"}},
		{"apps is a folder; name a file of it", []string{"view", "apps", "--key", p.key}},
		{"there is no folder new; make it first", []string{"seal", "-f", secret, "-n", "payments", "--into", "new/db.yaml"}},
		{"apps/payments/broken.yaml: line 1: is no valid Secret", []string{"seal", "-f", "apps", "-i"}},
		{"charts/secret.yaml: line ", []string{"seal", "-f", "charts/secret.yaml", "-i"}},
		{"holds no Secret to seal", []string{"seal", "-f", sealed}},
		{"exclude each other", []string{"seal", "-f", secret, "-i", "--into", "x"}},
		{"standard input cannot be replaced", []string{"seal", "-f", "-", "-i"}},
		{"--key and --from-cluster keep what did not change", []string{"seal", "-f", secret, "--key", p.key}},
		{`--scope: "wide" is no scope`, []string{"seal", "-f", secret, "--scope", "wide"}},
		{"-n is catalog, but the rule apps/payments", []string{"seal", "-f", secret, "-n", "catalog"}},
		{"say with --from-file, --from-env-file or --from-literal", []string{"seal", "db"}},
		{"either -f names manifests, or one NAME", []string{"seal", "db", "dc", "--from-file", "x"}},
		{"either -f names manifests, or one NAME", []string{"seal", "-f", secret, "--from-literal", "a=b"}},
		{"--from-literal number 1 is not KEY=VALUE", []string{"seal", "db", "--from-literal", "CANARY"}},
		{"unknown flag: --nope; see kubectl gitops-seal seal --help", []string{"seal", "--nope"}},
		{"say which item to set", []string{"set", "-f", sealed}},
		{"say with -f which file", []string{"set", "a=b"}},
		{"a is given twice", []string{"set", "-f", sealed, "a=b", "a=c"}},
		{"a and b cannot both be read from standard input", []string{"set", "-f", sealed, "a=-", "b"}},
		{`"a b" cannot be a key of a Secret`, []string{"set", "-f", sealed, "a b=c"}},
		{"holds no SealedSecret", []string{"set", "-f", secret, "a=b"}},
		{"holds no SealedSecret other; it holds payments/db", []string{"set", "-f", sealed, "--name", "other", "a=b"}},
		{"SealedSecret db has no item x; it has password, user", []string{"unset", "-f", sealed, "password", "x"}},
		{"a private key is needed", []string{"view", sealed}},
		{"a private key is needed", []string{"edit", sealed}},
		{"a private key is needed", []string{"reseal"}},
		{"view is for one file", []string{"view"}},
		{"the Secret has no item x", []string{"view", sealed, "x", "--key", p.key}},
		{"holds no private key", []string{"view", sealed, "--key", secret}},
		{"shared.crt holds no private key", []string{"view", sealed, "--key", "shared.crt"}},
		{"edit needs a file", []string{"edit", "-", "--key", p.key}},
		{"no cluster is configured", []string{"view", sealed, "--from-cluster"}},
		{"view does not use --all-contexts", []string{"view", sealed, "--from-cluster", "--all-contexts"}},
		{"check does not use --context; see kubectl gitops-seal check --help", []string{"check", "--context", "x"}},
		{"verify does not use --namespace", []string{"verify", "-n", "payments"}},
		{"is there already; edit it, or pin another certificate", []string{"init", "--cert", "shared.crt"}},
		{"say with --cert", []string{"init"}},
		{"holds a private key; a certificate is needed", []string{"init", "--cert", p.key}},
		{"is pinned already, as shared", []string{"init", "--rotate", "--cert", "shared.crt"}},
		{"is in the git repository", []string{"keygen"}},
		{"a key has 2048 to 16384 bits", []string{"keygen", "--dir", p.home, "--bits", "100"}},
		{"--vault needs the ID of its --tenant", []string{"keygen", "--dir", p.home, "--bits", "2048", "--vault", "x"}},
		{"give --vault too", []string{"keygen", "--dir", p.home, "--bits", "2048", "--tenant", "x"}},
		{"a key cannot be called", []string{"keygen", "--dir", p.home, "--name", "A_B"}},
	} {
		p.fails(test.want, test.args...)
	}
	list := p.file("list.yaml", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: bitnami.com/v1alpha1\n  kind: SealedSecret\n")
	p.fails("holds SealedSecrets in a List; write each as a document of its own", "set", "-f", list, "a=b")
	if p.read(secret) != before {
		t.Error("a file was changed")
	}
	if r := p.run("", "seal", "-f", "charts", "-i"); r.code != 0 || !strings.Contains(r.stderr, "charts/secret.yaml looks like a template; it stays as it is") {
		t.Errorf("exit %d, %s", r.code, r.stderr)
	}
	if r := p.run("", "seal", "-f", "apps", "-i"); strings.Contains(r.stderr, "CANARY") {
		t.Errorf("a value is quoted: %s", r.stderr)
	}
	entries, err := os.ReadDir(p.home)
	if err != nil || len(entries) != 0 {
		t.Errorf("left over: %v, %v", entries, err)
	}
}

func TestAKeyIsMadeRotatedAndTakenOver(t *testing.T) {
	p := newPlace(t)
	file := p.file("apps/payments/db.yaml", plain)
	p.ok("", "seal", "-f", file, "-i")
	keys := filepath.Join(p.home, "keys")
	out := p.ok("", "keygen", "--rotate", "--dir", keys, "--bits", "2048", "--name", "next", "--vault", "contoso", "--tenant", "t")
	for _, want := range []string{"beside Secret sealed-secrets-shared, which stays", "az keyvault secret set --vault-name contoso --name sealed-secrets-next-key", "init --rotate --cert", "makes a key of its own"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not said:\n%s", want, out)
		}
	}
	for name, mode := range map[string]os.FileMode{"": os.ModeDir | 0o700, "next.key": 0o600, "next.secret.yaml": 0o600, "next.crt": 0o644, "next.values.yaml": 0o644, "next.vault.yaml": 0o644} {
		if info, err := os.Stat(filepath.Join(keys, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	p.fails("is there already; nothing is overwritten", "keygen", "--rotate", "--dir", keys, "--bits", "2048", "--name", "next")
	values, err := os.ReadFile(filepath.Join(keys, "next.values.yaml"))
	if err != nil || strings.Count(string(values), "secretProviderClass: sealed-secrets-") != 2 {
		t.Errorf("the old key is not mounted any more: %s, %v", values, err)
	}
	p.ok("", "init", "--rotate", "--cert", filepath.Join(keys, "next.crt"))
	if config := p.read(sealconfig.FileName); !strings.Contains(config, "certificate: next\n") || !strings.Contains(config, "    retired: \"") || !strings.Contains(config, "path: .gitops-seal/next.crt") {
		t.Errorf("got\n%s", config)
	}
	before := p.read(file)
	if out := p.ok("", "reseal", "--key", p.key); !strings.Contains(out, "To be sealed anew: 1 SealedSecret in 1 file; sealed with the pinned certificate already: 0. Nothing is written; --write does it.") || p.read(file) != before {
		t.Errorf("got %s", out)
	}
	if out := p.ok("", "reseal", "--key", p.key, "--write"); out != "apps/payments/db.yaml: payments/db: 2 items\nSealed anew: 1 SealedSecret in 1 file; sealed with the pinned certificate already: 0.\n" {
		t.Errorf("got %s", out)
	}
	if out := p.ok("", "reseal", "--key", p.key, "--write"); out != "Sealed anew: 0 SealedSecrets in 0 files; sealed with the pinned certificate already: 1.\n" {
		t.Errorf("got %s", out)
	}
	if out := p.ok("", "view", file, "--key", filepath.Join(keys, "next.secret.yaml"), "--reveal"); !strings.Contains(out, "CANARY-one") {
		t.Errorf("got %s", out)
	}
	p.fails("no item opens: it says that it was sealed with key SHA256:", "view", file, "--key", p.key)
	// One that does not open is named, the others are done.
	p.file("apps/payments/old.yaml", before)
	p.file("apps/payments/alien.yaml", strings.Replace(before, "name: db", "name: other", 1))
	p.file("charts/template.yaml", "kind: SealedSecret\n{{ if }}\n")
	p.file("list.yaml", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: bitnami.com/v1alpha1\n  kind: SealedSecret\n")
	r := p.run("", "reseal", "--key", p.key, "--write")
	if r.code != cli.CodeIncomplete || !strings.Contains(r.stdout, "apps/payments/old.yaml: payments/db: 2 items\n") || strings.Count(r.stderr, "error: apps/payments/alien.yaml: line ") != 2 ||
		!strings.Contains(r.stderr, "error: list.yaml: line 1: the SealedSecrets of a List are not sealed anew") || strings.Contains(r.stderr, "charts") {
		t.Errorf("exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

func TestEditSealsWhatChanged(t *testing.T) {
	p := newPlace(t)
	file := p.file("apps/payments/db.yaml", plain)
	p.ok("", "seal", "-f", file, "-i")
	before := p.read(file)
	script := func(text string) {
		path := filepath.Join(p.home, "editor")
		p.write(path, "#!/bin/sh\n"+text)
		if err := os.Chmod(path, 0o700); err != nil {
			t.Fatal(err)
		}
		p.editor = path + " --wait"
	}
	script("exit 0\n")
	if out := p.ok("", "edit", file, "--key", p.key); out != "Nothing was changed.\n" || p.read(file) != before {
		t.Errorf("got %s", out)
	}
	script("sed -i -e s/CANARY-one/changed/ \"$2\"; printf 'data: {added: AAEC}\\n' >> \"$2\"\n")
	if out := p.ok("", "edit", file, "--key", p.key); out != "apps/payments/db.yaml: payments/db (strict): changed added, password\n" {
		t.Errorf("got %s", out)
	}
	if out := p.ok("", "view", file, "--key", p.key, "--reveal"); !strings.Contains(out, "added: AAEC") || !strings.Contains(out, "password: changed") || !strings.Contains(out, "user: CANARY-two") {
		t.Errorf("got %s", out)
	}
	if lineWith(before, "user: ") != lineWith(p.read(file), "user: ") {
		t.Error("an item that did not change was sealed anew")
	}
	before = p.read(file)
	// What cannot be read is shown once more, with what is wrong; left so, nothing is written.
	script("grep -q '^# Cannot be read: line' \"$2\" || echo 'user: [' >> \"$2\"\n")
	if r := p.run("", "edit", file, "--key", p.key); r.code != 2 || !strings.Contains(r.stderr, "error: what was edited cannot be read; nothing is written\n") {
		t.Errorf("exit %d, %s", r.code, r.stderr)
	}
	script("if grep -q '^# Cannot be read: line' \"$2\"; then sed -i '/^user: \\[/d; s/changed/again/' \"$2\"; else echo 'user: [' >> \"$2\"; fi\n")
	if p.read(file) != before {
		t.Error("the file was changed")
	}
	if out := p.ok("", "edit", file, "--key", p.key); out != "apps/payments/db.yaml: payments/db (strict): changed password\n" {
		t.Errorf("got %s", out)
	}
	script("exit 3\n")
	p.fails("exit status 3; nothing is written", "edit", file, "--key", p.key)
	script("rm \"$2\"\n")
	p.fails("the editor removed the file", "edit", file, "--key", p.key)
	script("echo 'stringData: {}' > \"$2\"; echo '# x' >> " + filepath.Join(p.repository, file) + "\n")
	p.fails("was changed meanwhile; nothing is written", "edit", file, "--key", p.key)
}

func TestHelpShowsTheFlagsThatACommandUses(t *testing.T) {
	p := newPlace(t)
	for command, flags := range map[string]string{
		"check": "", "keygen": "--namespace", "set": "--namespace", "unset": "--namespace", "init": "--kubeconfig --contexts --all-contexts",
		"seal": "--namespace --context --kubeconfig --token", "view": "--namespace --context", "edit": "--namespace --context", "reseal": "--namespace --context",
		"verify": "--context --contexts --all-contexts --kubeconfig", "doctor": "--context --contexts --all-contexts --kubeconfig",
	} {
		for _, args := range [][]string{{command, "--help"}, {"help", command}} {
			help := p.ok("", args...)
			for _, flag := range []string{"--namespace", "--context", "--contexts", "--all-contexts", "--kubeconfig", "--token"} {
				shown := strings.Contains(help, " "+flag+" ")
				if used := slices.Contains(strings.Fields(flags), flag); used && !shown {
					t.Errorf("%v does not show %s", args, flag)
				} else if !used && shown && !strings.Contains("--kubeconfig --token", flag) {
					t.Errorf("%v shows %s, which it does not use", args, flag)
				} else if flags == "" && shown {
					t.Errorf("%v shows %s", args, flag)
				}
			}
		}
	}
}
