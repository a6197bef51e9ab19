package harness

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Hosted is a workload of which the node of [Cluster.StartNode] runs every Pod, as kubelet and kube-proxy would: with the
// arguments of the Pod and then those of the workload, called through its Service from when it is ready until it is
// deleted, and then asked to end and given the Pod's time for it.
type Hosted struct {
	Workload
	// Service and Port are called by the API server; Endpoint is the name of the workload's port that answers.
	Service  client.ObjectKey
	Port     int32
	Endpoint string
	// Versions are programs that are run instead of the workload's, by what their Pods' image contains; see [Program].
	Versions map[string]string
}

// hosts are the Pods that a node runs.
type hosts struct {
	cluster *Cluster
	hosted  []Hosted

	mu   sync.Mutex
	pods map[types.UID]*hostedPod
}

// hostedPod is one Pod that is run.
type hostedPod struct {
	of       *Hosted
	instance *Instance
	// cancel ends the start, and started is closed when the start has ended; err is what became of it.
	cancel  context.CancelFunc
	started chan struct{}
	err     error

	ready, leaving, gone bool
}

func newHosts(c *Cluster, hosted []Hosted) *hosts {
	return &hosts{cluster: c, hosted: hosted, pods: map[types.UID]*hostedPod{}}
}

// of returns what a Pod is of, nil for what is not hosted.
func (h *hosts) of(pod *corev1.Pod) *Hosted {
	set := metav1.GetControllerOf(pod)
	if set == nil || set.Kind != "ReplicaSet" {
		return nil
	}
	name := strings.TrimSuffix(set.Name, "-"+pod.Labels[appsv1.DefaultDeploymentUniqueLabelKey])
	for i := range h.hosted {
		if h.hosted[i].Deployment == (client.ObjectKey{Namespace: pod.Namespace, Name: name}) {
			return &h.hosted[i]
		}
	}
	return nil
}

// ready reports whether a Pod is ready to be called. A program that is to be started is, and tells of its end by again; an
// error is of one that did not come up.
func (h *hosts) ready(ctx context.Context, pod *corev1.Pod, again func()) (bool, error) {
	of := h.of(pod)
	if of == nil {
		return true, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	run := h.pods[pod.UID]
	if run == nil || run.err != nil {
		var err error
		if run != nil {
			err = run.err
		}
		h.pods[pod.UID] = h.start(ctx, of, pod, again)
		return false, err
	}
	return run.ready, nil
}

// start runs a Pod's program; h.mu is held.
func (h *hosts) start(ctx context.Context, of *Hosted, pod *corev1.Pod, again func()) *hostedPod {
	w := of.Workload
	w.Args = append(append([]string{}, pod.Spec.Containers[0].Args...), w.Args...)
	for image, program := range of.Versions {
		if strings.Contains(pod.Spec.Containers[0].Image, image) {
			w.Program = program
		}
	}
	i := &Instance{cluster: h.cluster, workload: w, ports: map[string]int{}, pod: pod.DeepCopy()}
	ctx, cancel := context.WithCancel(ctx)
	run := &hostedPod{of: of, instance: i, cancel: cancel, started: make(chan struct{})}
	h.cluster.mu.Lock()
	h.cluster.pods[client.ObjectKeyFromObject(pod)] = i
	h.cluster.mu.Unlock()
	go func() {
		defer again()
		defer close(run.started)
		defer cancel()
		err := i.choosePorts()
		if err == nil {
			err = i.run(ctx)
		}
		if err != nil && i.process != nil {
			i.process.kill()
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		if err != nil {
			run.err = fmt.Errorf("Pod %s: %w", pod.Name, err)
			return
		}
		run.ready = !run.leaving
		h.route(of)
	}()
	return run
}

// ended reports whether a Pod that is being deleted runs nothing any more. Where it does it is asked to end, and again is called
// when it has.
func (h *hosts) ended(pod *corev1.Pod, again func()) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	run := h.pods[pod.UID]
	switch {
	case run == nil || run.gone:
		return true
	case run.leaving:
		return false
	}
	run.leaving, run.ready = true, false
	h.route(run.of)
	grace := 30 * time.Second
	if pod.DeletionGracePeriodSeconds != nil {
		grace = time.Duration(*pod.DeletionGracePeriodSeconds) * time.Second
	}
	go func() {
		defer again()
		run.cancel()
		<-run.started
		if run.instance.process != nil {
			ctx, cancel := context.WithTimeout(context.Background(), grace)
			defer cancel()
			// One that does not end in time is killed, as kubelet does.
			_ = run.instance.Stop(ctx)
		}
		run.instance.release()
		h.mu.Lock()
		defer h.mu.Unlock()
		run.gone = true
	}()
	return false
}

// route has the Service lead to the Pods that are ready; h.mu is held.
func (h *hosts) route(of *Hosted) {
	var addresses []string
	for _, run := range h.pods {
		if run.of == of && run.ready {
			addresses = append(addresses, run.instance.Address(of.Endpoint))
		}
	}
	h.cluster.Route(of.Service, of.Port, addresses...)
}
