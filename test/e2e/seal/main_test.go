// Package seal tests kubectl gitops-seal with the real kubeseal, and with real Sealed Secrets controllers of two clusters that
// share a key.
package seal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

const (
	eu = "prod-eu"
	us = "prod-us"
)

// canary is in every value that the tests seal. Nothing but a Secret may ever hold it.
const canary = "c4n4ry"

// fleet are two clusters whose controllers have a key in common. prod-eu has one of its own besides, of the time before; Flux
// is in prod-us.
type fleet struct {
	clusters    map[string]*harness.Cluster
	controllers map[string]*harness.Instance
	// keys is the folder that keygen wrote into; own is the certificate of prod-eu's own key.
	keys, own string
	// kubeconfig has both as contexts.
	kubeconfig string
}

var shared fleet

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // or controller-runtime complains about its absence
	os.Exit(run(m))
}

func run(m *testing.M) (code int) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	defer func() {
		for _, cluster := range shared.clusters {
			if err := cluster.Stop(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = 1
			}
		}
		if shared.keys != "" {
			if err := os.RemoveAll(filepath.Dir(shared.keys)); err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = 1
			}
		}
	}()
	if err := shared.start(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// start makes the clusters and the key.
func (f *fleet) start(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "gitops-seal-")
	if err != nil {
		return err
	}
	f.keys = filepath.Join(dir, "keys")
	f.clusters, f.controllers = map[string]*harness.Cluster{}, map[string]*harness.Instance{}
	if err := os.Mkdir(f.keys, 0o700); err != nil {
		return err
	}
	var mu sync.Mutex
	var group errgroup.Group
	for name, options := range map[string]harness.Options{eu: {WithoutFlux: true}, us: {}} {
		group.Go(func() error {
			cluster, err := harness.Start(ctx, options)
			if err != nil {
				return err
			}
			mu.Lock()
			f.clusters[name] = cluster
			mu.Unlock()
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	f.kubeconfig = filepath.Join(dir, "kubeconfig")
	if err := f.writeKubeconfig(f.kubeconfig, func(c *harness.Cluster) (*clientcmdapi.Config, error) {
		return clientcmd.LoadFromFile(c.Kubeconfig(harness.OnCall))
	}); err != nil {
		return err
	}
	// prod-eu had a controller before the team had a shared key, which made a key of its own.
	before, err := f.clusters[eu].StartSealedSecrets(ctx, "--key-size=2048")
	if err != nil {
		return err
	}
	own, err := f.clusters[eu].Run(ctx, harness.Dev, "", "kubeseal", "--fetch-cert")
	if err != nil || own.Code != 0 {
		return errors.Join(err, errors.New(own.Stderr))
	}
	f.own = filepath.Join(dir, "own.crt")
	if err := os.WriteFile(f.own, []byte(own.Stdout), 0o600); err != nil {
		return err
	}
	if err := before.Stop(ctx); err != nil {
		return err
	}
	time.Sleep(time.Second) // certificates begin at whole seconds, and the newest is served
	made, err := f.clusters[eu].Run(ctx, harness.Admin, "", "kubectl-gitops_seal", "keygen", "--bits=2048", "--dir="+f.keys)
	if err != nil || made.Code != 0 {
		return errors.Join(err, errors.New(made.Stderr))
	}
	for _, name := range []string{eu, us} {
		result, err := f.clusters[name].Kubectl(ctx, harness.Admin, "", "apply", "-f", filepath.Join(f.keys, "shared.secret.yaml"))
		if err != nil || result.Code != 0 {
			return errors.Join(err, errors.New(result.Stderr))
		}
		group.Go(func() error {
			controller, err := f.clusters[name].StartSealedSecrets(ctx, "--key-renew-period=0", "--key-size=2048")
			mu.Lock()
			f.controllers[name] = controller
			mu.Unlock()
			return err
		})
	}
	return group.Wait()
}

// writeKubeconfig writes one with a context for each cluster.
func (f *fleet) writeKubeconfig(file string, login func(*harness.Cluster) (*clientcmdapi.Config, error)) error {
	out := clientcmdapi.NewConfig()
	for name, cluster := range f.clusters {
		config, err := login(cluster)
		if err != nil {
			return err
		}
		here := config.Contexts[config.CurrentContext]
		out.Clusters[name], out.AuthInfos[name] = config.Clusters[here.Cluster], config.AuthInfos[here.AuthInfo]
		out.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	}
	out.CurrentContext = eu
	return clientcmd.WriteToFile(*out, file)
}

// repository is a git repository that pins the shared key for both clusters.
type repository struct {
	t   *testing.T
	dir string
}

func newRepository(t *testing.T) *repository {
	t.Helper()
	r := &repository{t, t.TempDir()}
	r.must("git", "init", "-q")
	r.must("kubectl-gitops_seal", "init", "--cert", filepath.Join(shared.keys, "shared.crt"), "--contexts", eu+","+us)
	return r
}

// run runs a program in the repository, with stdin if it is not empty.
func (r *repository) run(stdin, program string, args ...string) harness.Result {
	r.t.Helper()
	return r.as(shared.kubeconfig, stdin, program, args...)
}

func (r *repository) as(kubeconfig, stdin, program string, args ...string) harness.Result {
	r.t.Helper()
	path := program
	if program != "git" {
		var err error
		if path, err = harness.Program(program); err != nil {
			r.t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(patient.Context(r.t), path, args...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		r.t.Fatal(err)
	}
	return harness.Result{Stdout: stdout.String(), Stderr: stderr.String(), Code: cmd.ProcessState.ExitCode()}
}

// must is run for what has to succeed; it returns what that prints.
func (r *repository) must(program string, args ...string) string {
	r.t.Helper()
	return r.pipe("", program, args...)
}

func (r *repository) pipe(stdin, program string, args ...string) string {
	r.t.Helper()
	result := r.run(stdin, program, args...)
	if result.Code != 0 {
		r.t.Fatalf("%s %s ends with %d:\n%s%s", program, strings.Join(args, " "), result.Code, result.Stdout, result.Stderr)
	}
	return result.Stdout
}

// seal runs kubectl gitops-seal, whose output must hold no value, and compares exit code and output, in which each
// want has to be.
func (r *repository) seal(code int, want []string, args ...string) {
	r.t.Helper()
	r.sealAs(shared.kubeconfig, code, want, args...)
}

func (r *repository) sealAs(kubeconfig string, code int, want []string, args ...string) {
	r.t.Helper()
	result := r.as(kubeconfig, "", "kubectl-gitops_seal", args...)
	all := result.Stdout + result.Stderr
	if result.Code != code {
		r.t.Errorf("%s ends with %d, want %d:\n%s", strings.Join(args, " "), result.Code, code, all)
	}
	flat := strings.Join(strings.Fields(all), " ")
	for _, text := range want {
		if !strings.Contains(flat, text) {
			r.t.Errorf("%s does not say %q:\n%s", strings.Join(args, " "), text, all)
		}
	}
	if strings.Contains(all, canary) {
		r.t.Errorf("%s tells a value", strings.Join(args, " "))
	}
}

func (r *repository) write(file, text string) {
	r.t.Helper()
	path := filepath.Join(r.dir, filepath.FromSlash(file))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *repository) read(file string) string {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, filepath.FromSlash(file)))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

// secret is the manifest of a Secret db with a password.
func secret(namespace string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: %s\nstringData:\n  password: %s of db\n", namespace, canary)
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// create applies manifests as the administrator, who may be refused.
func create(t *testing.T, cluster, text string) harness.Result {
	t.Helper()
	result, err := shared.clusters[cluster].Kubectl(patient.Context(t), harness.Admin, text, "apply", "--server-side", "-f", "-")
	if err != nil {
		t.Fatal(err)
	}
	return result
}
