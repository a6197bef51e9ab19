package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// startTimeout bounds [Start]; the usual time is six seconds, several harnesses on a busy machine take longer.
const startTimeout = 3 * time.Minute

// Options choose what [Start] starts. The zero value is everything, logs included in the temporary folder.
type Options struct {
	// WithoutFlux leaves out Flux's CRDs, its namespace, its controllers and the source server.
	WithoutFlux bool
	// LogDir, if not empty, is where the logs of the programs go, one file a program, and stay. Each
	// harness needs its own. Empty: in the temporary folder, gone after Stop.
	LogDir string
}

// Cluster is a running control plane. Its methods may be called concurrently.
type Cluster struct {
	dir     string
	logs    string
	url     string
	etcd    string
	reaper  *reaper
	pki     *pki
	tokens  credentials
	router  *router
	admin   client.WithWatch
	sources *sources // nil without Flux
	flux    *Instance

	apiServer *process

	mu      sync.Mutex
	pods    map[client.ObjectKey]*Instance // who runs as which Pod
	stopped bool

	stop func() error
}

// Start starts a control plane and returns when it answers and its controllers work. ctx bounds the start
// only; the cluster runs until [Cluster.Stop] or the end of this process. When it fails, nothing is left
// running and the error shows the end of the failing program's log.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	dir, err := os.MkdirTemp("", "gitops-drift-")
	if err != nil {
		return nil, err
	}
	guard, err := startReaper(dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	c := &Cluster{dir: dir, logs: filepath.Join(dir, "logs"), reaper: guard, pods: map[client.ObjectKey]*Instance{}}
	c.stop = sync.OnceValue(c.tearDown)
	if err := c.startup(ctx, o); err != nil {
		return nil, errors.Join(fmt.Errorf("start the control plane: %w", err), c.Stop())
	}
	return c, nil
}

func (c *Cluster) startup(ctx context.Context, o Options) (err error) {
	if o.LogDir != "" {
		if c.logs, err = filepath.Abs(o.LogDir); err != nil {
			return err
		}
	}
	for _, sub := range []string{"kubeconfig", "home", "tmp"} {
		if err := os.Mkdir(filepath.Join(c.dir, sub), 0o700); err != nil {
			return err
		}
	}
	tokenFile := filepath.Join(c.dir, "tokens.csv")
	if c.tokens, err = newCredentials(tokenFile); err != nil {
		return err
	}
	if c.pki, err = newPKI(filepath.Join(c.dir, "pki")); err != nil {
		return err
	}
	if c.router, err = newRouter(ctx, c.dir); err != nil {
		return err
	}
	if c.etcd, err = c.startEtcd(ctx); err != nil {
		return err
	}
	if err := c.startAPIServer(ctx, c.etcd, tokenFile); err != nil {
		return err
	}
	for user, token := range c.tokens {
		if err := c.writeKubeconfig(c.Kubeconfig(user), string(user), token, "default"); err != nil {
			return err
		}
	}
	if c.admin, err = client.NewWithWatch(c.RESTConfig(Admin), client.Options{Scheme: Scheme()}); err != nil {
		return err
	}
	c.router.services = c.admin
	if err := c.apply(ctx, []byte(usersRBAC)); err != nil {
		return err
	}
	if err := c.startControllerManager(ctx); err != nil {
		return err
	}
	if o.WithoutFlux {
		return nil
	}
	return c.startFlux(ctx)
}

// Stop ends every program that this cluster started, removes the temporary folder, and returns when both
// are gone. Further calls return the first one's answer.
func (c *Cluster) Stop() error { return c.stop() }

func (c *Cluster) tearDown() error {
	c.mu.Lock()
	c.stopped = true
	c.mu.Unlock()
	err := c.reaper.close()
	if c.router != nil {
		err = errors.Join(err, c.router.server.Close())
	}
	if c.sources != nil {
		err = errors.Join(err, c.sources.server.Close())
	}
	return err
}

// Dir returns the temporary folder, which [Cluster.Stop] removes with all that tests put there.
func (c *Cluster) Dir() string { return c.dir }

// URL returns the address of the API server.
func (c *Cluster) URL() string { return c.url }

// Admin returns a client of the administrator, in the scheme that [Scheme] returns.
func (c *Cluster) Admin() client.WithWatch { return c.admin }

// logFile returns where the program called name logs.
func (c *Cluster) logFile(name string) string { return filepath.Join(c.logs, name+".log") }

// Log returns what a program of the control plane (etcd, kube-apiserver, kube-controller-manager) has logged.
// For controllers see [Instance.Log].
func (c *Cluster) Log(program string) (string, error) {
	log, err := os.ReadFile(c.logFile(program))
	return string(log), err
}

// Scheme returns a new scheme of Kubernetes' and Flux's kinds.
func Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, kustomizev1.AddToScheme, sourcev1.AddToScheme, helmv2.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			panic(fmt.Sprintf("register API types: %v", err)) // two types of one name: a mistake in the code
		}
	}
	return scheme
}
