package harness

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// startAttempts is how often a program is started that loses its port to another one, or ends too early.
const startAttempts = 5

// startOnPort starts the program that c makes for a free port and awaits it, again with another port if
// somebody else (another harness) was quicker to bind this one.
func (c *Cluster) startOnPort(ctx context.Context, build func(port int) command, ready func(port int) func(context.Context) error) (*process, int, error) {
	for attempt := 1; ; attempt++ {
		port, err := FreePort()
		if err != nil {
			return nil, 0, err
		}
		cmd := build(port)
		if attempt > 1 {
			if err := os.Remove(cmd.log); err != nil {
				return nil, 0, err
			}
		}
		p, err := c.reaper.spawn(cmd)
		if err != nil {
			return nil, 0, err
		}
		err = p.await(ctx, ready(port))
		if err == nil {
			return p, port, nil
		}
		if attempt == startAttempts || !p.portTaken() {
			return nil, 0, err
		}
	}
}

// control is a command of the control plane itself: an empty environment but for its folders.
func (c *Cluster) control(name string, args ...string) (command, error) {
	path, err := Program(name)
	return command{
		name: name, path: path, args: args, dir: c.dir, log: c.logFile(name),
		env: []string{"HOME=" + c.dir, "TMPDIR=" + filepath.Join(c.dir, "tmp"), "PATH=/usr/bin:/bin"},
	}, err
}

func (c *Cluster) startEtcd(ctx context.Context) (string, error) {
	cmd, err := c.control("etcd")
	if err != nil {
		return "", err
	}
	url := func(port int) string { return "http://127.0.0.1:" + strconv.Itoa(port) }
	_, port, err := c.startOnPort(ctx, func(port int) command {
		cmd.args = []string{
			"--data-dir=" + filepath.Join(c.dir, "etcd"),
			"--listen-client-urls=" + url(port),
			"--advertise-client-urls=" + url(port),
			"--listen-peer-urls=http://127.0.0.1:0",
			"--unsafe-no-fsync", // the data dies with the harness
			"--log-level=warn",
		}
		return cmd
	}, func(port int) func(context.Context) error {
		return httpReady(http.DefaultClient, url(port)+"/health")
	})
	return url(port), err
}

func (c *Cluster) startAPIServer(ctx context.Context, etcd, tokenFile string) error {
	cmd, err := c.control("kube-apiserver")
	if err != nil {
		return err
	}
	auditPolicy := filepath.Join(c.dir, "audit-policy.yaml")
	if err := os.WriteFile(auditPolicy, []byte(auditPolicyYAML), 0o600); err != nil {
		return err
	}
	egress, err := c.router.egressConfig()
	if err != nil {
		return err
	}
	url := func(port int) string { return "https://127.0.0.1:" + strconv.Itoa(port) }
	var port int
	c.apiServer, port, err = c.startOnPort(ctx, func(port int) command {
		cmd.args = []string{
			"--etcd-servers=" + etcd,
			"--bind-address=127.0.0.1",
			"--advertise-address=127.0.0.1",
			"--secure-port=" + strconv.Itoa(port),
			"--endpoint-reconciler-type=none", // Endpoints refuse loopback addresses
			"--service-cluster-ip-range=" + serviceRange,
			"--tls-cert-file=" + c.pki.certFile,
			"--tls-private-key-file=" + c.pki.keyFile,
			"--client-ca-file=" + c.pki.caFile,
			"--authorization-mode=Node,RBAC",
			"--token-auth-file=" + tokenFile,
			"--service-account-issuer=https://kubernetes.default.svc",
			"--service-account-key-file=" + c.pki.saKeyFile,
			"--service-account-signing-key-file=" + c.pki.saKeyFile,
			"--egress-selector-config-file=" + egress,
			"--audit-policy-file=" + auditPolicy,
			"--audit-log-path=" + c.AuditLog(),
			"--audit-log-maxsize=4096",
			"--allow-privileged=true",
			"--profiling=false",
		}
		return cmd
	}, func(port int) func(context.Context) error { return c.apiServerReady(url(port)) })
	c.url = url(port)
	return err
}

// apiServerReady answers nil once the API server at url does.
func (c *Cluster) apiServerReady(url string) func(context.Context) error {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.pki.ca)
	return func(ctx context.Context) error {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
		defer transport.CloseIdleConnections()
		return httpReady(&http.Client{Transport: transport}, url+"/readyz")(ctx)
	}
}

// RestartAPIServer ends the API server as an upgrade does, by SIGTERM, starts it again at the same address and returns
// when it is ready. It must not be called concurrently.
func (c *Cluster) RestartAPIServer(ctx context.Context) error {
	stopping, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := c.apiServer.stop(stopping); err != nil && ctx.Err() != nil {
		return err
	}
	return c.reviveAPIServer(ctx)
}

// CrashAPIServer is RestartAPIServer by kill -9.
func (c *Cluster) CrashAPIServer(ctx context.Context) error {
	c.apiServer.kill()
	return c.reviveAPIServer(ctx)
}

// ExpireWatches has the API server forget what happened so far: etcd is compacted, and the API server killed, so that
// whoever was watching and goes on from what they saw last is answered 410 Gone. It must not be called concurrently with the
// methods that restart the API server.
func (c *Cluster) ExpireWatches(ctx context.Context) error {
	var now struct {
		Header struct {
			Revision string `json:"revision"`
		} `json:"header"`
	}
	if err := c.askEtcd(ctx, "/v3/kv/range", map[string]any{"key": "AA==", "count_only": true}, &now); err != nil {
		return err
	}
	if err := c.askEtcd(ctx, "/v3/kv/compaction", map[string]any{"revision": now.Header.Revision, "physical": true}, &struct{}{}); err != nil {
		return err
	}
	return c.CrashAPIServer(ctx)
}

// askEtcd calls etcd's JSON gateway.
func (c *Cluster) askEtcd(ctx context.Context, path string, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.etcd+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("etcd answers %s to %s: %s", resp.Status, path, text)
	}
	return json.Unmarshal(text, answer)
}

func (c *Cluster) reviveAPIServer(ctx context.Context) error {
	next, err := c.respawn(c.apiServer.command)
	if err != nil {
		return err
	}
	c.apiServer = next
	return next.await(ctx, c.apiServerReady(c.url))
}

// startControllerManager starts kube-controller-manager with a certificate and its default controllers, each under its
// own service account, as a real cluster's, and returns when they work. It exits when it cannot build or start
// one of its controllers; like kubelet, we then start it again.
func (c *Cluster) startControllerManager(ctx context.Context) error {
	kubeconfig, err := c.LoginKubeconfig("system:kube-controller-manager")
	if err != nil {
		return err
	}
	file := filepath.Join(c.dir, "kubeconfig", "kube-controller-manager.yaml")
	if err := os.WriteFile(file, kubeconfig, 0o600); err != nil {
		return err
	}
	cmd, err := c.control("kube-controller-manager",
		"--kubeconfig="+file,
		"--use-service-account-credentials",
		"--service-account-private-key-file="+c.pki.saKeyFile,
		"--root-ca-file="+c.pki.caFile,
		"--leader-elect=false",
		"--secure-port=0",
		"--kube-api-qps=200",
		"--kube-api-burst=400",
		"--profiling=false",
	)
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		manager, err := c.reaper.spawn(cmd)
		if err != nil {
			return err
		}
		// It serves nothing. The account that every Pod needs is among the first things that it makes.
		err = manager.await(ctx, func(ctx context.Context) error {
			return c.admin.Get(ctx, client.ObjectKey{Namespace: "default", Name: "default"}, &corev1.ServiceAccount{})
		})
		if err == nil {
			go c.keep(manager)
			return nil
		}
		if attempt == startAttempts || !manager.ended() {
			return err
		}
	}
}

// keep starts p again whenever it ends, until the cluster is stopped.
func (c *Cluster) keep(p *process) {
	for {
		<-p.done
		time.Sleep(500 * time.Millisecond)
		next, err := c.respawn(p.command)
		if err != nil {
			return
		}
		p = next
	}
}

var errStopped = errors.New("the cluster is stopped")

func (c *Cluster) respawn(cmd command) (*process, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		return nil, errStopped
	}
	return c.reaper.spawn(cmd)
}

// httpReady answers nil once url answers 200.
func httpReady(client *http.Client, url string) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", url, resp.Status)
		}
		return nil
	}
}
