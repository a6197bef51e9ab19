package terminal

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// patience is how long people wait before they wonder, and often how long the line of a Progress stays the same.
const (
	patience = time.Second
	refresh  = 200 * time.Millisecond
)

// clearLine goes to the beginning of a line and empties it.
const clearLine = "\r\x1b[K"

// Progress is a line on a terminal that says how far something is, once it has taken more than a second. A nil Progress
// says nothing. It may be used concurrently.
type Progress struct {
	out   io.Writer
	width func() int

	mu   sync.Mutex
	text string

	stop, stopped chan struct{}
}

// NewProgress starts a line on out, nil if that is no terminal that draws. Stop ends it.
func NewProgress(out io.Writer) *Progress {
	if !Draws(out) {
		return nil
	}
	return newProgress(out, func() int { return Width(out) }, patience)
}

func newProgress(out io.Writer, width func() int, patience time.Duration) *Progress {
	p := &Progress{out: out, width: width, stop: make(chan struct{}), stopped: make(chan struct{})}
	go p.run(patience)
	return p
}

// Say is what the line says from now on.
func (p *Progress) Say(format string, args ...any) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = fmt.Sprintf(format, args...)
}

// Stop removes the line and returns when nothing more is written.
func (p *Progress) Stop() {
	if p == nil {
		return
	}
	close(p.stop)
	<-p.stopped
}

func (p *Progress) run(patience time.Duration) {
	defer close(p.stopped)
	shown := ""
	for wait := patience; ; wait = refresh {
		select {
		case <-p.stop:
			if shown != "" {
				_, _ = io.WriteString(p.out, clearLine) // nobody is there to be told
			}
			return
		case <-time.After(wait):
		}
		p.mu.Lock()
		text := p.text
		p.mu.Unlock()
		if text != shown {
			_, _ = io.WriteString(p.out, clearLine+Cut(text, p.width()-1)) // as above
			shown = text
		}
	}
}
