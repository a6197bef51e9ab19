package terminal

import (
	"os"
	"testing"
)

func TestWhoWantsNoColoursGetsNoneAndADumbTerminalNoEscapes(t *testing.T) {
	tty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0) // a terminal of our own
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tty.Close(); err != nil {
			t.Error(err)
		}
	}()
	for _, test := range []struct {
		noColor, term string
		draws, colors bool
	}{
		{"", "xterm-256color", true, true},
		{"", "", true, true},
		{"1", "xterm-256color", true, false},
		{"", "dumb", false, false},
		{"1", "dumb", false, false},
	} {
		t.Setenv("NO_COLOR", test.noColor)
		t.Setenv("TERM", test.term)
		if Draws(tty) != test.draws || Colors(tty) != test.colors {
			t.Errorf("NO_COLOR=%s TERM=%s: draws %t, colours %t", test.noColor, test.term, Draws(tty), Colors(tty))
		}
		progress := NewProgress(tty)
		if (progress != nil) != test.draws {
			t.Errorf("NO_COLOR=%s TERM=%s: progress is %v", test.noColor, test.term, progress)
		}
		progress.Stop()
	}
}
