package terminal

import (
	"os"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"
	"golang.org/x/text/width"
)

// Is reports whether what is written to out is seen on a terminal.
func Is(out any) bool {
	f, ok := out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Draws reports whether out is a terminal that does what escape sequences say: not a dumb one (TERM=dumb), nor a console of
// Windows that cannot.
func Draws(out any) bool {
	f, ok := out.(*os.File)
	return ok && Is(f) && os.Getenv("TERM") != "dumb" && understands(f)
}

// Colors reports whether out should be coloured: on a terminal that draws, unless people do not want it (NO_COLOR).
func Colors(out any) bool {
	return os.Getenv("NO_COLOR") == "" && Draws(out)
}

// Width is how many columns a terminal has, 80 if it does not say.
func Width(out any) int {
	if f, ok := out.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
			return columns
		}
	}
	return 80
}

// Height is how many lines a terminal has, 24 if it does not say.
func Height(out any) int {
	if f, ok := out.(*os.File); ok {
		if _, lines, err := term.GetSize(int(f.Fd())); err == nil && lines > 0 {
			return lines
		}
	}
	return 24
}

// Cut is what fits into n columns of a line. Escape sequences for colours take no column, and all of them are kept, so
// that what is switched on is switched off again.
func Cut(line string, n int) string {
	var out []byte
	for i := 0; i < len(line); {
		if length := escape(line[i:]); length > 0 {
			out = append(out, line[i:i+length]...)
			i += length
			continue
		}
		r, size := utf8.DecodeRuneInString(line[i:])
		n -= columns(r)
		if n >= 0 {
			out = append(out, line[i:i+size]...)
		}
		i += size
	}
	return string(out)
}

func columns(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	default:
		return 1
	}
}

// escape is the length of the escape sequence at the beginning of s, 0 if there is none.
func escape(s string) int {
	if len(s) < 2 || s[0] != 0x1b || s[1] != '[' {
		return 0
	}
	for i := 2; i < len(s); i++ {
		if s[i] >= 0x40 && s[i] <= 0x7e {
			return i + 1
		}
	}
	return 0
}
