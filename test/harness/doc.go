// Package harness runs a real Kubernetes control plane on this machine, with the real Flux
// kustomize-controller, for the demo, the end-to-end tests and the benchmarks.
//
// etcd, kube-apiserver and kube-controller-manager listen on free loopback ports, with TLS, RBAC and
// an audit log. There is no kubelet: Pods stay Pending. A controller (Flux's or ours) runs as a process
// of this machine under a token bound to the Pod that its Deployment has in the cluster, so admission
// sees the same username, groups, uid, credential id and pod name as in production; calls of the API
// server to a Service reach that process too. Source artifacts are packed from git commits and published
// as source-controller does.
//
// Whatever is started ends with the program that started it, be it by [Cluster.Stop], a crash, Ctrl-C
// or kill -9: see reaper. The programs come from `make controlplane`.
package harness
