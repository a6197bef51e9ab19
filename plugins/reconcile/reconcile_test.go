package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gitops-drift/gitops-drift/pkg/fleet"
	"github.com/gitops-drift/gitops-drift/pkg/reconcile"
	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
)

type cluster = fleet.Result[[]reconcile.Result]

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

var failing = reconcile.Result{
	Object: reconcile.Kustomization("flux-system", "infrastructure"), State: reconcile.StateFailed, Revision: "main@sha1:3f2c9e1aa0b4",
	Took: 12 * time.Second, Reason: "HealthCheckFailed", Message: "health check failed after 12s:\n timeout waiting",
	Culprits: []reconcile.Culprit{{
		Object: reconcile.Object{Group: "apps", Kind: "Deployment", Namespace: "ingress", Name: "nginx"},
		Reason: "ImagePullBackOff", Message: `Back-off pulling image "nginx:9"`,
		Events: []reconcile.ObjectEvent{{
			Time: noon.Add(-5 * time.Second), Type: "Warning", Object: reconcile.Object{Kind: "Pod", Namespace: "ingress", Name: "nginx-1"},
			Reason: "Failed", Message: "not\x1b[31m found",
		}},
	}},
}

func TestTable(t *testing.T) {
	for _, test := range []struct {
		name string
		o    outcomes
		want string
	}{
		{"one cluster", outcomes{namespace: "flux-system", clusters: []cluster{{Value: []reconcile.Result{
			{
				Object: reconcile.Object{Kind: "GitRepository", Namespace: "sources", Name: "fleet"}, State: reconcile.StateReady,
				Revision: "main@sha1:3f2c9e1aa0b4c5d6e7f8091a2b3c4d5e6f708192", Took: 1234 * time.Millisecond,
			},
			{
				Object: reconcile.Kustomization("flux-system", "apps"), State: reconcile.StateFailed, Revision: "main@sha1:3f2c9e1",
				Took: 72 * time.Second, Reason: "BuildFailed", Message: "kustomize build failed:\n  no such file",
			},
			{Object: reconcile.Kustomization("flux-system", "infra"), State: reconcile.StateSkipped, Message: "not requested"},
		}}}}, `OBJECT                       STATE    REVISION           TOOK
sources/gitrepository/fleet  ready    main@sha1:3f2c9e1  1.2s
kustomization/apps           failed   main@sha1:3f2c9e1  1m12s  BuildFailed: kustomize build failed: no such file
kustomization/infra          skipped  –                  –      not requested
`},
		{"several", outcomes{several: true, namespace: "flux-system", clusters: []cluster{
			{Cluster: "prod-eu", Value: []reconcile.Result{failing}},
			{Cluster: "stage", Err: errors.New("unreachable: connection refused")},
		}}, `CLUSTER  OBJECT                        STATE   REVISION           TOOK
prod-eu  kustomization/infrastructure  failed  main@sha1:3f2c9e1  12s   Deployment ingress/nginx: ImagePullBackOff
stage    –                             error   –                  –     unreachable: connection refused

Kustomization flux-system/infrastructure in prod-eu: HealthCheckFailed: health check failed after 12s: timeout waiting
  Deployment ingress/nginx: ImagePullBackOff: Back-off pulling image "nginx:9"
    5s ago  Failed  Pod nginx-1: not�[31m found
`},
		{"nothing to show", outcomes{clusters: []cluster{{Err: errors.New("no")}}}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := test.o.writeTable(&out, noon); err != nil {
				t.Fatal(err)
			}
			if out.String() != test.want {
				t.Errorf("got\n%s\nwant\n%s", &out, test.want)
			}
		})
	}
}

func TestColoursLeaveTheColumnsAsTheyAre(t *testing.T) {
	rows := []row{{object: "ks/ready", state: reconcile.StateReady, why: "x"}, {object: "ks/b", state: reconcile.StateReconciling, why: "y"}}
	plain, coloured := board{}.lines(rows, false), board{}.lines(rows, true)
	strip := strings.NewReplacer("\x1b[32m", "", "\x1b[0m", "")
	for i := range plain {
		if got := strip.Replace(coloured[i]); got != plain[i] {
			t.Errorf("%q is not %q", got, plain[i])
		}
	}
	if !strings.Contains(coloured[1], "ks/ready  \x1b[32mready\x1b[0m        –") {
		t.Errorf("got %q", coloured[1])
	}
}

func TestReportsAreForPrograms(t *testing.T) {
	o := outcomes{several: true, namespace: "flux-system", clusters: []cluster{
		{Cluster: "prod-eu", Value: []reconcile.Result{failing}}, {Cluster: "stage", Err: errors.New("unreachable: connection refused")},
	}}
	var out bytes.Buffer
	if err := writeJSON(&out, o.report()); err != nil {
		t.Fatal(err)
	}
	var got reconcileReport
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.APIVersion != "gitops-drift.dev/v1alpha1" || got.Kind != "ReconcileReport" || len(got.Items) != 1 || len(got.Errors) != 1 {
		t.Fatalf("got %s", &out)
	}
	item := got.Items[0]
	if item.Cluster != "prod-eu" || item.Seconds != 12 || item.State != "failed" || item.Culprits[0].Object.Name != "nginx" ||
		!item.Culprits[0].Events[0].Time.Equal(&got.Items[0].Culprits[0].Events[0].Time) || got.Errors[0].Cluster != "stage" {
		t.Errorf("got %s", &out)
	}
	out.Reset()
	if err := o.writeNames(&out, false); err != nil {
		t.Fatal(err)
	}
	if want := "kustomization.kustomize.toolkit.fluxcd.io/infrastructure --context prod-eu\n"; out.String() != want {
		t.Errorf("got %s", &out)
	}
}

func TestExitCodeIsTheWorstOfAllStates(t *testing.T) {
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		ctx    context.Context
		states []reconcile.State
		err    error
		code   int
		says   string
	}{
		{t.Context(), []reconcile.State{reconcile.StateReady, reconcile.StateRequested}, nil, 0, ""},
		{t.Context(), []reconcile.State{reconcile.StateReady, reconcile.StateFailed}, nil, 1, ""},
		{t.Context(), []reconcile.State{reconcile.StateSkipped, reconcile.StateFailed}, nil, 1, ""},
		{t.Context(), []reconcile.State{reconcile.StateReady, reconcile.StateSuspended}, nil, 1, ""},
		{t.Context(), []reconcile.State{reconcile.StateError, reconcile.StateFailed}, nil, 2, ""},
		{t.Context(), []reconcile.State{reconcile.StateReady}, errors.New("no cluster"), 2, "no cluster"},
		{t.Context(), []reconcile.State{reconcile.StateReconciling, reconcile.StateSkipped}, nil, 1, "not all was ready within 5m0s; Flux goes on with kustomization/0"},
		{stopped, []reconcile.State{reconcile.StateReady, reconcile.StateReconciling, reconcile.StateSkipped}, nil, 1,
			"interrupted; Flux goes on with kustomization/1, and it was not asked for kustomization/2"},
		{stopped, nil, context.Canceled, 1, "interrupted; it was not asked for anything"},
	} {
		o := outcomes{clusters: []cluster{{Err: test.err}}}
		for i, state := range test.states {
			o.clusters[0].Value = append(o.clusters[0].Value, reconcile.Result{Object: reconcile.Kustomization("", string(rune('0'+i))), State: state})
		}
		code, says := 0, ""
		if exit := (*cli.ExitError)(nil); errors.As(o.verdict(test.ctx, 5*time.Minute), &exit) {
			code = exit.Code
			if exit.Err != nil {
				says = exit.Err.Error()
			}
		}
		if code != test.code || says != test.says {
			t.Errorf("%v: exit %d, %q; want %d, %q", test.states, code, says, test.code, test.says)
		}
	}
}

func TestOnlyWhatTakesLongIsShownAndThenEachChangeIsALine(t *testing.T) {
	var out bytes.Buffer
	s := &show{board: board{several: true, namespace: "flux-system"}, lines: &out, wait: time.Hour, stop: make(chan struct{}), stopped: make(chan struct{})}
	go s.run(false)
	apps := reconcile.Kustomization("flux-system", "apps")
	s.event("prod-eu", reconcile.Event{Object: apps, State: reconcile.StateReconciling, Message: "requested"})
	if out.Len() > 0 {
		t.Errorf("at once: %s", &out)
	}
	s.mu.Lock()
	s.open = true
	s.mu.Unlock()
	for _, e := range []reconcile.Event{
		{Object: apps, State: reconcile.StateReconciling, Message: "requested"},
		{Object: apps, State: reconcile.StateReconciling, Revision: "main@sha1:3f2c9e1aa0b4", Message: "Running\nhealth checks"},
		{Object: apps, State: reconcile.StateReady, Revision: "main@sha1:3f2c9e1aa0b4"},
	} {
		s.event("prod-eu", e)
	}
	s.failed("stage", errors.New("unreachable: timeout"))
	if err := s.end(); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		lines = append(lines, line[len("15:04:05 "):])
	}
	want := `prod-eu kustomization/apps: reconciling at main@sha1:3f2c9e1: Running health checks
prod-eu kustomization/apps: ready at main@sha1:3f2c9e1 after 0.0s
stage: error: unreachable: timeout`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
