package terminal

import (
	"fmt"
	"io"
	"strings"
)

// Screen shows texts on a whole terminal, each in place of the one before. What was there before comes back at the end.
// It must not be used concurrently.
type Screen struct {
	out  io.Writer
	size func() (width, height int)
	open bool
}

// NewScreen returns a screen on a terminal, which nothing is written to before the first Show.
func NewScreen(out io.Writer) *Screen {
	return &Screen{out: out, size: func() (int, int) { return Width(out), Height(out) }}
}

const (
	enter = "\x1b[?1049h\x1b[?25l" // the terminal's other screen, without a cursor
	leave = "\x1b[?25h\x1b[?1049l"
	home  = "\x1b[H"
	// clearRest empties what is right of a line's end, clearBelow what is below the last line.
	clearRest  = "\x1b[K"
	clearBelow = "\x1b[J"
)

// ends is how many of the last lines are shown where not all of them fit, because they say most.
const ends = 3

// Show shows a text. Lines are cut to the width of the terminal; of too many of them those in the middle are left out.
// Nothing that stays the same flickers: the screen is not cleared, and it is written at once.
func (s *Screen) Show(text string) error {
	width, height := s.size()
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if over := len(lines) - height; over > 0 {
		end := min(ends, height-1)
		top := max(height-end-1, 0)
		gone := len(lines) - top - end
		shown := append([]string{}, lines[:top]...)
		shown = append(shown, fmt.Sprintf("… %d more lines", gone))
		lines = append(shown, lines[len(lines)-end:]...)
	}
	var frame strings.Builder
	if !s.open {
		frame.WriteString(enter)
		s.open = true
	}
	frame.WriteString(home)
	for i, line := range lines {
		if i > 0 {
			frame.WriteString("\r\n")
		}
		frame.WriteString(Cut(line, width) + clearRest)
	}
	frame.WriteString(clearBelow)
	_, err := io.WriteString(s.out, frame.String())
	return err
}

// Close gives the terminal back.
func (s *Screen) Close() error {
	if !s.open {
		return nil
	}
	s.open = false
	_, err := io.WriteString(s.out, leave)
	return err
}
