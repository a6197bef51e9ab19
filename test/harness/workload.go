package harness

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Workload is a controller whose Deployment is in the cluster and whose program runs on this machine.
type Workload struct {
	// Deployment names it; it must exist. The program runs as one of its Pods, under the Pod's service account.
	Deployment client.ObjectKey
	// Program is found by [Program].
	Program string
	// Args are the program's arguments; $(NAME) stands for the port of that name, as kubelet expands variables.
	Args []string
	// Env is added to the environment, which holds KUBECONFIG, POD_NAME, POD_NAMESPACE, HOME, TMPDIR and PATH;
	// $(NAME) is expanded as in Args.
	Env []string
	// Ports names loopback ports, each free at the start and kept across restarts.
	Ports []string
	// Ready is a URL that answers 200 once the program is ready; $(NAME) is expanded. Empty: don't wait.
	Ready string
	// Confined runs the program in a root directory of its own, with nothing but a temporary folder and its service
	// account, for programs that know no other configuration than the one that Pods find there. Only for static programs.
	// It takes the right to change the root directory, or else user namespaces.
	Confined bool
}

// Instance is one running program of a [Workload]. Its methods must not be called concurrently, but those
// that only read may.
type Instance struct {
	cluster  *Cluster
	workload Workload
	ports    map[string]int
	pod      *corev1.Pod
	process  *process
}

// StartWorkload runs w as a Pod of its Deployment that no other instance runs as: it waits for the Pod that
// the ReplicaSet controller makes, requests a token bound to it, and starts the program with a
// kubeconfig of that token. With n replicas it can be called n times.
func (c *Cluster) StartWorkload(ctx context.Context, w Workload) (*Instance, error) {
	i := &Instance{cluster: c, workload: w}
	for attempt := 1; ; attempt++ {
		if err := i.choosePorts(); err != nil {
			return nil, err
		}
		err := i.start(ctx)
		if err == nil {
			return i, nil
		}
		// A Pod may go while the program starts, when its Deployment rolls.
		again := i.process != nil && i.process.portTaken() || i.pod != nil && c.gone(ctx, i.pod)
		if i.process != nil {
			i.process.kill()
		}
		i.release()
		if !again || attempt == startAttempts {
			return nil, fmt.Errorf("start Deployment %s: %w", w.Deployment, err)
		}
	}
}

// choosePorts finds a free port for each name.
func (i *Instance) choosePorts() error {
	i.ports = map[string]int{}
	for _, name := range i.workload.Ports {
		port, err := FreePort()
		if err != nil {
			return err
		}
		i.ports[name] = port
	}
	return nil
}

// gone reports whether a Pod is no longer there to run as.
func (c *Cluster) gone(ctx context.Context, pod *corev1.Pod) bool {
	var now corev1.Pod
	err := c.admin.Get(ctx, client.ObjectKeyFromObject(pod), &now)
	return apierrors.IsNotFound(err) || err == nil && (now.UID != pod.UID || !now.DeletionTimestamp.IsZero())
}

// start runs the program under the identity of a Pod, which it takes.
func (i *Instance) start(ctx context.Context) error {
	pod, err := i.cluster.takePod(ctx, i.workload.Deployment, i)
	if err != nil {
		return err
	}
	i.pod = pod
	return i.run(ctx)
}

// run runs the program under the identity of its Pod.
func (i *Instance) run(ctx context.Context) error {
	pod := i.pod
	token, err := i.cluster.podToken(ctx, pod)
	if err != nil {
		return err
	}
	user := "system:serviceaccount:" + pod.Namespace + ":" + pod.Spec.ServiceAccountName
	if err := i.cluster.writeKubeconfig(i.Kubeconfig(), user, token, pod.Namespace); err != nil {
		return err
	}
	path, err := Program(i.workload.Program)
	if err != nil {
		return err
	}
	home := filepath.Join("pods", pod.Namespace, pod.Name)
	tmp := filepath.Join(i.cluster.dir, home, "tmp")
	if err := os.MkdirAll(tmp, 0o700); err != nil {
		return err
	}
	cmd := command{
		name: i.workload.Program,
		path: path,
		args: i.expand(i.workload.Args),
		dir:  filepath.Join(i.cluster.dir, home),
		log:  i.LogPath(),
		env: append(append(i.cluster.environment(home),
			"TMPDIR="+tmp,
			"KUBECONFIG="+i.Kubeconfig(),
			"POD_NAME="+pod.Name,
			"POD_NAMESPACE="+pod.Namespace,
		), i.expand(i.workload.Env)...),
	}
	if i.workload.Confined {
		if err := i.confine(&cmd, token); err != nil {
			return err
		}
	}
	if i.process, err = i.cluster.reaper.spawn(cmd); err != nil {
		return err
	}
	if i.workload.Ready == "" {
		return nil
	}
	return i.process.await(ctx, httpReady(http.DefaultClient, i.expand([]string{i.workload.Ready})[0]))
}

func (i *Instance) expand(texts []string) []string {
	expanded := slices.Clone(texts)
	for n := range expanded {
		for name, port := range i.ports {
			expanded[n] = strings.ReplaceAll(expanded[n], "$("+name+")", strconv.Itoa(port))
		}
	}
	return expanded
}

// Pod returns the Pod that the program runs as, as it was at the start.
func (i *Instance) Pod() *corev1.Pod { return i.pod }

// Port returns the loopback port of that name; 0 if the workload has none.
func (i *Instance) Port(name string) int { return i.ports[name] }

// Address returns host:port of the port of that name, fit for [Cluster.Route].
func (i *Instance) Address(name string) string { return "127.0.0.1:" + strconv.Itoa(i.ports[name]) }

// Kubeconfig returns the path of the kubeconfig that the program runs with.
func (i *Instance) Kubeconfig() string {
	return filepath.Join(i.cluster.dir, "kubeconfig", "pod-"+i.pod.Namespace+"-"+i.pod.Name+".yaml")
}

// LogPath returns the path of the program's log, one for each Pod it has run as.
func (i *Instance) LogPath() string { return i.cluster.logFile(i.pod.Name) }

// Log returns what the program has logged as its present Pod, restarts included.
func (i *Instance) Log() (string, error) {
	log, err := os.ReadFile(i.LogPath())
	return string(log), err
}

// Exited is closed when the program has ended, by itself or not. A restarted program has another one.
func (i *Instance) Exited() <-chan struct{} { return i.process.done }

// Signal sends a signal, SIGSTOP for instance, to the program.
func (i *Instance) Signal(sig os.Signal) error { return i.process.cmd.Process.Signal(sig) }

// Stop asks the program to end (SIGTERM) and waits; if ctx ends first it kills it and returns an error. Its Pod stays
// in the cluster, for Restart.
func (i *Instance) Stop(ctx context.Context) error { return i.process.stop(ctx) }

// Kill ends the program as kill -9 does.
func (i *Instance) Kill() { i.process.kill() }

// Restart starts the program anew, killing it first if it runs, with the same ports: as the same Pod if that
// is still there, else as another.
func (i *Instance) Restart(ctx context.Context) error {
	i.process.kill()
	i.release()
	if err := i.start(ctx); err != nil {
		return fmt.Errorf("restart Deployment %s: %w", i.workload.Deployment, err)
	}
	return nil
}

func (i *Instance) release() {
	i.cluster.mu.Lock()
	defer i.cluster.mu.Unlock()
	for key, taker := range i.cluster.pods {
		if taker == i {
			delete(i.cluster.pods, key)
		}
	}
}

// takePod waits for a Pod of the Deployment that nobody has taken, and takes it for taker: the one that it
// had before, if there.
func (c *Cluster) takePod(ctx context.Context, key client.ObjectKey, taker *Instance) (*corev1.Pod, error) {
	for {
		pod, err := c.freePod(ctx, key, taker)
		if err == nil {
			return pod, nil
		}
		if !errors.Is(err, errNoPod) {
			return nil, err
		}
		if err := pause(ctx); err != nil {
			return nil, fmt.Errorf("no Pod of Deployment %s to run as: %w; see the log of kube-controller-manager", key, err)
		}
	}
}

var errNoPod = errors.New("no free Pod yet")

func (c *Cluster) freePod(ctx context.Context, key client.ObjectKey, taker *Instance) (*corev1.Pod, error) {
	var deployment appsv1.Deployment
	if err := c.admin.Get(ctx, key, &deployment); err != nil {
		return nil, err
	}
	selector, err := metav1.LabelSelectorAsSelector(deployment.Spec.Selector)
	if err != nil {
		return nil, err
	}
	var sets appsv1.ReplicaSetList
	if err := c.admin.List(ctx, &sets, client.InNamespace(key.Namespace), client.MatchingLabelsSelector{Selector: selector}); err != nil {
		return nil, err
	}
	var pods corev1.PodList
	if err := c.admin.List(ctx, &pods, client.InNamespace(key.Namespace), client.MatchingLabelsSelector{Selector: selector}); err != nil {
		return nil, err
	}
	owned := func(pod *corev1.Pod) bool {
		return slices.ContainsFunc(sets.Items, func(set appsv1.ReplicaSet) bool {
			return metav1.IsControlledBy(&set, &deployment) && metav1.IsControlledBy(pod, &set)
		})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var choice *corev1.Pod
	for n := range pods.Items {
		pod := &pods.Items[n]
		if !pod.DeletionTimestamp.IsZero() || !owned(pod) || c.pods[client.ObjectKeyFromObject(pod)] != nil {
			continue
		}
		if choice == nil || taker.pod != nil && taker.pod.UID == pod.UID {
			choice = pod
		}
	}
	if choice == nil {
		return nil, errNoPod
	}
	c.pods[client.ObjectKeyFromObject(choice)] = taker
	return choice, nil
}
