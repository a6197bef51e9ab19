package harness_test

import (
	"context"
	"testing"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

const nodeManifests = `
apiVersion: v1
kind: Namespace
metadata: {name: node}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: node}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: web}]}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: node}
spec:
  selector: {matchLabels: {app: agent}}
  template: {metadata: {labels: {app: agent}}, spec: {containers: [{name: agent, image: agent}]}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once, namespace: node}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: once, image: once}]}}}
`

func TestWorkloadsRunRollAndFinishOnANode(t *testing.T) {
	ctx, cancel := context.WithCancel(patient.Context(t))
	defer cancel()
	if err := shared.StartNode(ctx); err != nil {
		t.Fatal(err)
	}
	kubectl(ctx, t, harness.Admin, nodeManifests, "apply", "-f", "-")
	for _, args := range [][]string{
		{"rollout", "status", "deployment/web"},
		{"rollout", "status", "daemonset/agent"},
		{"wait", "--for=condition=Complete", "job/once"},
		{"set", "image", "deployment/web", "web=web:2"},
		{"rollout", "status", "deployment/web"},
		{"delete", "deployment/web", "daemonset/agent", "job/once", "--cascade=foreground"},
		{"wait", "--for=delete", "pod", "--all"},
	} {
		kubectl(ctx, t, harness.Admin, "", append(args, "-n", "node")...)
	}
	kubectl(ctx, t, harness.Admin, "", "delete", "node/harness")
}
