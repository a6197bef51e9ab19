package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
)

// report is a look that prints text; state is what changes.
func reported(text, state string, verdict error) *look {
	return &look{
		print:   func(out io.Writer, _ bool) error { return write(out, text) },
		state:   func(out io.Writer) error { return write(out, state) },
		verdict: verdict,
	}
}

func TestWatchingPrintsAReportForEachChange(t *testing.T) {
	drifted := &cli.ExitError{Code: cli.CodeIncomplete}
	for _, test := range []struct {
		output, want, stderr string
	}{
		{"json", "{1}{2}{4}", "error: down\n"},
		{"yaml", "{1}---\n{2}---\n---\n{4}", "error: down\n"},
		{"name", "{1}\n{2}\n\n{4}", "error: down\n"},
		{"table", "{1}\nAt TIME:\n{2}\nAt TIME:\n\nAt TIME:\n{4}", "error: down\n"},
	} {
		t.Run(test.output, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			rounds := []*look{
				reported("{1b}", "one", drifted), // only the time went by
				reported("{2}", "two", drifted),
				nil, // the cluster cannot be asked for a moment
				reported("{4}", "four", drifted),
			}
			var out, stderr bytes.Buffer
			show := &log{out: &out, stderr: &stderr, output: test.output}
			w := &watching{interval: time.Millisecond}
			err := w.again(ctx, reported("{1}", "one", nil), show, func(context.Context) (*look, error) {
				if len(rounds) == 0 {
					cancel()
					return nil, errInterrupted
				}
				next := rounds[0]
				rounds = rounds[1:]
				if next == nil {
					return nil, errors.New("down")
				}
				return next, nil
			})
			// What ended it is no part of what the last look found.
			if exit := (*cli.ExitError)(nil); !errors.As(err, &exit) || exit.Code != cli.CodeIncomplete || exit.Err != nil {
				t.Errorf("it ended with %v", err)
			}
			got := out.String()
			for range 5 {
				if before, after, found := strings.Cut(got, "At 2"); found {
					_, after, _ = strings.Cut(after, ":\n")
					got = before + "At TIME:\n" + after
				}
			}
			if got != test.want || stderr.String() != test.stderr {
				t.Errorf("got %q, stderr %q\nwant %q", got, &stderr, test.want)
			}
		})
	}
}

func TestWatchingEndsWithTheExitCodeOfTheLastLook(t *testing.T) {
	for _, test := range []struct {
		verdict error
		code    int
	}{{nil, 0}, {&cli.ExitError{Code: 1}, 1}, {errors.New("x"), 2}} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		w := &watching{interval: time.Hour}
		err := w.again(ctx, reported("", "", test.verdict), &log{out: io.Discard, stderr: io.Discard}, nil)
		code := 0
		if exit := (*cli.ExitError)(nil); errors.As(err, &exit) {
			code = exit.Code
		}
		if code != test.code {
			t.Errorf("%v: exit %d", test.verdict, code)
		}
	}
}

func TestEqualCausesAreSaidOnce(t *testing.T) {
	forbidden := func(name string) error {
		return fmt.Errorf("proving more needs the right to patch it: deployments.apps %q is forbidden: no", name)
	}
	var c causes
	c.add("shop/deployment/api of Kustomization/flux-system/shop", "api", forbidden("api"))
	c.add("shop/deployment/web of Kustomization/flux-system/shop", "web", forbidden("web"))
	c.add("shop/secret/token of Kustomization/flux-system/shop", "token", errors.New("encrypted"))
	c.add("shop/deployment/db of Kustomization/flux-system/shop", "db", forbidden("db"))
	want := []string{
		`east: shop/deployment/api of Kustomization/flux-system/shop and 2 more objects: proving more needs the right to patch it: deployments.apps "api" is forbidden: no`,
		"east: shop/secret/token of Kustomization/flux-system/shop: encrypted",
	}
	got := c.errors("east: ", "object")
	if len(got) != len(want) {
		t.Fatalf("got %v", got)
	}
	for i := range want {
		if got[i].Error() != want[i] {
			t.Errorf("got %s\nwant %s", got[i], want[i])
		}
	}
}
