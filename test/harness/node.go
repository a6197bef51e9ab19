package harness

import (
	"context"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// nodeName is the node of [Cluster.StartNode].
	nodeName = "harness"
	// heartbeat is how often the node renews its lease; after 40 seconds without one it would be given up.
	heartbeat = 10 * time.Second
	// nodeWorkers look after Pods at the same time.
	nodeWorkers = 4
)

// StartNode adds a node on which every Pod runs at once without running anything: Pods are bound to it as kube-scheduler
// would bind them, then reported ready or, where they are not to be restarted, as having succeeded; Pods that are being
// deleted are gone at once. So workloads scale, roll and finish as the controllers of kube-controller-manager will have
// it. Only the Pods of what is hosted run their programs. The node lasts until ctx ends, and what it meets on the way is
// tried again until then.
func (c *Cluster) StartNode(ctx context.Context, hosted ...Hosted) error {
	n := &node{cluster: c, hosts: newHosts(c, hosted), queue: workqueue.NewTypedRateLimitingQueue(workqueue.NewTypedItemExponentialFailureRateLimiter[client.ObjectKey](20*time.Millisecond, time.Second))}
	kubelet, err := c.Login("system:node:"+nodeName, "system:nodes")
	if err != nil {
		return err
	}
	if n.kubelet, err = client.New(kubelet, client.Options{Scheme: c.admin.Scheme()}); err != nil {
		return err
	}
	scheduler, err := c.Login("system:kube-scheduler")
	if err != nil {
		return err
	}
	if n.scheduler, err = client.New(scheduler, client.Options{Scheme: c.admin.Scheme()}); err != nil {
		return err
	}
	if err := n.register(ctx); err != nil {
		return fmt.Errorf("register node %s: %w", nodeName, err)
	}
	context.AfterFunc(ctx, n.queue.ShutDown)
	for range nodeWorkers {
		go func() {
			for n.next(ctx) {
			}
		}()
	}
	go n.watch(ctx)
	go n.beat(ctx)
	return nil
}

type node struct {
	cluster            *Cluster
	hosts              *hosts
	kubelet, scheduler client.Client
	queue              workqueue.TypedRateLimitingInterface[client.ObjectKey]
}

func (n *node) register(ctx context.Context) error {
	self := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName, Labels: map[string]string{corev1.LabelHostname: nodeName}}}
	if err := n.kubelet.Create(ctx, self); err != nil {
		return err
	}
	self.Status.Conditions = []corev1.NodeCondition{{
		Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady", LastHeartbeatTime: metav1.Now(), LastTransitionTime: metav1.Now(),
	}}
	if err := n.kubelet.Status().Update(ctx, self); err != nil {
		return err
	}
	holder, seconds := nodeName, int32(40)
	return n.kubelet.Create(ctx, &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: corev1.NamespaceNodeLease, Name: nodeName},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, RenewTime: &metav1.MicroTime{Time: time.Now()}},
	})
}

// beat renews the lease.
func (n *node) beat(ctx context.Context) {
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: corev1.NamespaceNodeLease, Name: nodeName}}
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(heartbeat):
		}
		patch := fmt.Sprintf(`{"spec":{"renewTime":%q}}`, time.Now().UTC().Format(metav1.RFC3339Micro))
		// A beat that is lost is followed by the next.
		_ = n.kubelet.Patch(ctx, lease, client.RawPatch(types.MergePatchType, []byte(patch)))
	}
}

// watch queues every Pod that changes, from the beginning again whenever the watch ends.
func (n *node) watch(ctx context.Context) {
	for ctx.Err() == nil {
		pods := &corev1.PodList{}
		if n.cluster.admin.List(ctx, pods) == nil {
			for i := range pods.Items {
				n.queue.Add(client.ObjectKeyFromObject(&pods.Items[i]))
			}
			from := &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: pods.ResourceVersion}}
			if events, err := n.cluster.admin.Watch(ctx, &corev1.PodList{}, from); err == nil {
				for event := range events.ResultChan() {
					if pod, ok := event.Object.(*corev1.Pod); ok {
						n.queue.Add(client.ObjectKeyFromObject(pod))
					}
				}
			}
		}
		_ = pause(ctx)
	}
}

func (n *node) next(ctx context.Context) bool {
	key, closed := n.queue.Get()
	if closed {
		return false
	}
	defer n.queue.Done(key)
	if err := n.look(ctx, key); err != nil {
		n.queue.AddRateLimited(key)
	} else {
		n.queue.Forget(key)
	}
	return true
}

// look takes the next step of a Pod's life.
func (n *node) look(ctx context.Context, key client.ObjectKey) error {
	pod := &corev1.Pod{}
	if err := n.cluster.admin.Get(ctx, key, pod); err != nil {
		return client.IgnoreNotFound(err)
	}
	switch {
	case !pod.DeletionTimestamp.IsZero():
		if !n.hosts.ended(pod, func() { n.queue.Add(key) }) {
			return nil // it ends, and then this is asked again
		}
		return client.IgnoreNotFound(n.kubelet.Delete(ctx, pod, client.GracePeriodSeconds(0), client.Preconditions{UID: &pod.UID}))
	case pod.Spec.NodeName == "":
		err := n.scheduler.SubResource("binding").Create(ctx, pod, &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: nodeName}})
		if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
			return nil // bound, or gone, meanwhile: that is a change to be told of
		}
		return err
	case pod.Status.Phase == corev1.PodPending:
		if ready, err := n.hosts.ready(ctx, pod, func() { n.queue.Add(key) }); err != nil || !ready {
			return err
		}
		return client.IgnoreNotFound(n.kubelet.Status().Update(ctx, reported(pod)))
	}
	return nil
}

// reported gives pod the status of one whose containers run, or have run.
func reported(pod *corev1.Pod) *corev1.Pod {
	now := metav1.Now()
	done := pod.Spec.RestartPolicy != corev1.RestartPolicyAlways
	ready := corev1.ConditionTrue
	pod.Status.Phase = corev1.PodRunning
	if done {
		pod.Status.Phase, ready = corev1.PodSucceeded, corev1.ConditionFalse
	}
	pod.Status.StartTime = &now
	pod.Status.PodIP = "10.1.0.1"
	pod.Status.PodIPs = []corev1.PodIP{{IP: pod.Status.PodIP}}
	pod.Status.Conditions = nil
	for kind, status := range map[corev1.PodConditionType]corev1.ConditionStatus{
		corev1.PodScheduled: corev1.ConditionTrue, corev1.PodInitialized: corev1.ConditionTrue, corev1.ContainersReady: ready, corev1.PodReady: ready,
	} {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: kind, Status: status, LastTransitionTime: now})
	}
	pod.Status.ContainerStatuses = nil
	started := !done
	for _, container := range pod.Spec.Containers {
		state := corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}}
		if done {
			state = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Completed", StartedAt: now, FinishedAt: now}}
		}
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: container.Name, Image: container.Image, ImageID: container.Image, Ready: !done, Started: &started, State: state,
		})
	}
	return pod
}
