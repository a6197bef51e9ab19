package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gitops-drift/gitops-drift/pkg/reconcile"
	"github.com/gitops-drift/gitops-drift/plugins/internal/terminal"
)

const (
	// soon is how long a wait takes at least until people at a terminal are shown how far it is; others, who read it later in
	// a log, want less of it.
	soon  = time.Second
	later = 5 * time.Second
	// refresh is how often a table on a terminal shows the seconds anew.
	refresh = 200 * time.Millisecond
)

// show shows how far a wait is: on a terminal as one table that changes in place, elsewhere, on stderr, as a line for each
// change. What is done soon is not shown at all: the table at the end says it. It may be used concurrently.
type show struct {
	board  board
	order  []string         // of the clusters
	screen *terminal.Screen // nil for lines
	lines  io.Writer
	began  time.Time
	wait   time.Duration

	mu   sync.Mutex
	rows []*liveRow
	open bool  // what happens is shown
	err  error // of the terminal

	stop, stopped chan struct{}
}

// liveRow is a row while it changes.
type liveRow struct {
	row
	asked time.Time // zero before
	done  bool
}

func newShow(out, stderr io.Writer, output string, b board, clusters []string) *show {
	s := &show{board: b, order: clusters, lines: stderr, wait: later, began: time.Now(), stop: make(chan struct{}), stopped: make(chan struct{})}
	if terminal.Draws(out) && output == "table" {
		s.screen, s.wait = terminal.NewScreen(out), soon
	} else if terminal.Is(stderr) {
		s.wait = soon
	}
	go s.run(terminal.Colors(out))
	return s
}

func (s *show) run(color bool) {
	defer close(s.stopped)
	for wait := s.wait; ; wait = refresh {
		select {
		case <-s.stop:
			return
		case <-time.After(wait):
		}
		s.mu.Lock()
		if !s.open && s.screen == nil {
			for _, r := range s.rows {
				if !r.done && r.state != reconcile.StateWaiting {
					s.line(r)
				}
			}
		}
		s.open = true
		if s.screen != nil && s.err == nil {
			s.err = s.screen.Show(s.text(color))
		}
		s.mu.Unlock()
		if s.screen == nil {
			<-s.stop // events are lines by themselves
			return
		}
	}
}

// text is the table as it is now.
func (s *show) text(color bool) string {
	rows := make([]row, len(s.rows))
	for i, r := range s.rows {
		rows[i] = r.row
		if !r.done && !r.asked.IsZero() {
			rows[i].took = time.Since(r.asked)
		}
	}
	return strings.Join(s.board.lines(rows, color), "\n") + "\n\n" +
		time.Since(s.began).Round(time.Second).String() + "; Ctrl-C stops the wait, and Flux goes on with what was requested\n"
}

// end removes the table and returns when nothing more is shown.
func (s *show) end() error {
	close(s.stop)
	<-s.stopped
	if s.screen == nil || s.err != nil {
		return s.err
	}
	return s.screen.Close()
}

// event shows a step of the wait in a cluster.
func (s *show) event(cluster string, e reconcile.Event) {
	s.change(cluster, label(s.board.namespace, e.Object), func(r *liveRow) bool {
		before := r.row
		r.state, r.why = e.State, oneLine(e.Message)
		if e.Revision != "" {
			r.revision = e.Revision
		}
		switch e.State {
		case reconcile.StateWaiting:
		case reconcile.StateReconciling:
			if r.asked.IsZero() {
				r.asked = time.Now()
			}
		default:
			r.done = true
			if !r.asked.IsZero() {
				r.took = time.Since(r.asked)
			}
		}
		return r.row != before
	})
}

// failed shows a cluster that cannot be asked.
func (s *show) failed(cluster string, err error) {
	if s.board.several {
		s.change(cluster, "", func(r *liveRow) bool {
			r.state, r.why, r.done = unreachable, firstLine(err), true
			return true
		})
	}
}

// change changes a row, and shows it if that made a difference.
func (s *show) change(cluster, object string, change func(*liveRow) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var changed *liveRow
	for _, r := range s.rows {
		if r.cluster == cluster && r.object == object {
			changed = r
		}
	}
	if changed == nil {
		changed = &liveRow{row: row{cluster: cluster, object: object}}
		s.rows = append(s.rows, changed)
		slices.SortStableFunc(s.rows, func(a, b *liveRow) int {
			return slices.Index(s.order, a.cluster) - slices.Index(s.order, b.cluster)
		})
	}
	if change(changed) && s.open && s.screen == nil {
		s.line(changed)
	}
}

// line writes a row for people who read it later.
func (s *show) line(r *liveRow) {
	subject := r.object
	if s.board.several {
		subject = strings.TrimSpace(r.cluster + " " + r.object)
	}
	text := fmt.Sprintf("%s %s: %s", time.Now().Format(time.TimeOnly), subject, r.state)
	if r.revision != "" {
		text += " at " + revision(r.revision)
	}
	if r.done && r.took > 0 {
		text += " after " + took(r.took)
	}
	if r.why != "" {
		text += ": " + r.why
	}
	_, _ = fmt.Fprintln(s.lines, text) // nobody is left to tell
}
