package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gitops-drift/gitops-drift/pkg/reconcile"
	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
)

func TestArgumentsNameKustomizations(t *testing.T) {
	for _, arg := range []string{
		"ks/apps", "kustomization/apps", "Kustomization/apps", "kustomizations/apps",
		"kustomization.kustomize.toolkit.fluxcd.io/apps",
	} {
		got, err := parseObjects("flux-system", []string{arg})
		if err != nil || len(got) != 1 || got[0] != reconcile.Kustomization("flux-system", "apps") {
			t.Errorf("%s: got %v, %v", arg, got, err)
		}
	}
}

func TestArgumentsThatNameNothingAreRefused(t *testing.T) {
	for arg, want := range map[string]string{
		"apps":                "TYPE/NAME",
		"ks/":                 "TYPE/NAME",
		"/apps":               "TYPE/NAME",
		"ks/flux-system/apps": "-n",
		"helmrelease/apps":    "only Kustomizations",
		"gitrepository/apps":  "--with-source",
	} {
		if _, err := parseObjects("flux-system", []string{arg}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v does not say %q", arg, err, want)
		}
	}
	if _, err := parseObjects("flux-system", nil); err == nil {
		t.Error("no argument at all is accepted")
	}
}

func TestTable(t *testing.T) {
	var out bytes.Buffer
	err := printTable(&out, "flux-system", []reconcile.Result{
		{
			Object: reconcile.Object{Kind: "GitRepository", Namespace: "sources", Name: "fleet"}, State: reconcile.StateReady,
			Revision: "main@sha1:3f2c9e1aa0b4c5d6e7f8091a2b3c4d5e6f708192", Took: 1234 * time.Millisecond,
		},
		{
			Object: reconcile.Kustomization("flux-system", "apps"), State: reconcile.StateFailed, Revision: "main@sha1:3f2c9e1",
			Took: 72 * time.Second, Reason: "BuildFailed", Message: "kustomize build failed:\n  no such file",
		},
		{Object: reconcile.Kustomization("flux-system", "infra"), State: reconcile.StateSkipped, Message: "not requested"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `OBJECT                       STATE    REVISION           TOOK
sources/gitrepository/fleet  ready    main@sha1:3f2c9e1  1.2s
kustomization/apps           failed   main@sha1:3f2c9e1  1m12s  BuildFailed: kustomize build failed: no such file
kustomization/infra          skipped  –                  –      not requested
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
}

func TestExitCodeIsTheWorstOfAllStates(t *testing.T) {
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		ctx    context.Context
		states []reconcile.State
		code   int
		says   string
	}{
		{t.Context(), []reconcile.State{reconcile.StateReady, reconcile.StateRequested}, 0, ""},
		{t.Context(), []reconcile.State{reconcile.StateReady, reconcile.StateFailed}, 1, ""},
		{t.Context(), []reconcile.State{reconcile.StateSkipped}, 1, ""},
		{t.Context(), []reconcile.State{reconcile.StateError, reconcile.StateFailed}, 2, ""},
		{t.Context(), []reconcile.State{reconcile.StateReconciling}, 1, "no outcome within 5m0s; what was requested stays with Flux"},
		{interrupted, []reconcile.State{reconcile.StateReconciling}, 1, "interrupted; what was requested stays with Flux"},
	}
	for _, test := range tests {
		var results []reconcile.Result
		for _, state := range test.states {
			results = append(results, reconcile.Result{State: state})
		}
		code, says := 0, ""
		if exit := (*cli.ExitError)(nil); errors.As(verdict(test.ctx, 5*time.Minute, results), &exit) {
			code = exit.Code
			if exit.Err != nil {
				says = exit.Err.Error()
			}
		}
		if code != test.code || !strings.HasPrefix(says, test.says) || test.says == "" && says != "" {
			t.Errorf("%v: exit %d, %q; want %d, %q", test.states, code, says, test.code, test.says)
		}
	}
}
