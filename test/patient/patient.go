// Package patient lets tests wait for what a cluster does, and gives up in time.
package patient

import (
	"context"
	"testing"
	"time"
)

const (
	// request bounds one thing that a test asks a cluster for, however busy the machine is.
	request = 3 * time.Minute
	// change bounds what a cluster takes to become as a test expects.
	change = 30 * time.Second
	// look is the time between two looks at it.
	look = 20 * time.Millisecond
)

// Context returns one that ends with the test, or a while before a test that hangs would.
func Context(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), request)
	t.Cleanup(cancel)
	return ctx
}

// Until returns once condition is true, and ends the test if it does not become so. What is said of that is added by
// those of more.
func Until(t *testing.T, what string, condition func() bool, more ...func() string) {
	t.Helper()
	for deadline := time.Now().Add(change); !condition(); time.Sleep(look) {
		if time.Now().Before(deadline) {
			continue
		}
		for _, say := range more {
			what += "\n" + say()
		}
		t.Fatalf("still not so after %s: %s", change, what)
	}
}
