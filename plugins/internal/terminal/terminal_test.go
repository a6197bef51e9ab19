package terminal

import (
	"bytes"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestALineIsCutToTheTerminal(t *testing.T) {
	for _, test := range []struct {
		line string
		n    int
		want string
	}{
		{"abc", 3, "abc"}, {"abcd", 3, "abc"}, {"äöü", 2, "äö"}, {"漢字", 3, "漢"}, {"e\u0301e", 1, "e\u0301"}, {"", 0, ""},
		{"\x1b[1mbold\x1b[0m rest", 2, "\x1b[1mbo\x1b[0m"}, {"\x1b[33mab\x1b[0m", 5, "\x1b[33mab\x1b[0m"}, {"\x1b[", 5, "\x1b["},
	} {
		if got := Cut(test.line, test.n); got != test.want {
			t.Errorf("%q to %d: %q, want %q", test.line, test.n, got, test.want)
		}
	}
}

func TestAScreenIsWrittenInPlaceAtOnce(t *testing.T) {
	var writes []string
	s := &Screen{out: writer(func(p []byte) { writes = append(writes, string(p)) }), size: func() (int, int) { return 10, 5 }}
	for _, text := range []string{"first\nsecond line is long\n", "only"} {
		if err := s.Show(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // a second time does nothing
		t.Fatal(err)
	}
	want := []string{
		"\x1b[?1049h\x1b[?25l\x1b[Hfirst\x1b[K\r\nsecond lin\x1b[K\x1b[J",
		"\x1b[Honly\x1b[K\x1b[J",
		"\x1b[?25h\x1b[?1049l",
	}
	if strings.Join(writes, "|") != strings.Join(want, "|") {
		t.Errorf("got %q\nwant %q", writes, want)
	}
}

func TestOfTooManyLinesThoseInTheMiddleAreLeftOut(t *testing.T) {
	for height, want := range map[int]string{
		9: "1 2 3 4 5 6 7 8 9", 6: "1 2 … 4 more lines 7 8 9", 4: "… 6 more lines 7 8 9", 2: "… 8 more lines 9",
	} {
		var out bytes.Buffer
		s := &Screen{out: &out, size: func() (int, int) { return 80, height }, open: true}
		if err := s.Show("1\n2\n3\n4\n5\n6\n7\n8\n9\n"); err != nil {
			t.Fatal(err)
		}
		got := strings.NewReplacer("\x1b[H", "", "\x1b[K", "", "\x1b[J", "", "\r\n", " ").Replace(out.String())
		if got != want {
			t.Errorf("%d lines: %q, want %q", height, got, want)
		}
	}
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

// safe is a buffer that may be used concurrently.
type safe struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *safe) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *safe) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

func TestProgressIsShownOnlyWhenItTakesLong(t *testing.T) {
	before := runtime.NumGoroutine()
	var quick, slow safe
	width := func() int { return 12 }
	p := newProgress(&quick, width, time.Minute)
	p.Say("owner %d of %d", 1, 2)
	p.Stop()
	if quick.String() != "" {
		t.Errorf("got %q", quick.String())
	}
	p = newProgress(&slow, width, time.Millisecond)
	p.Say("owner %d of %d", 1, 20)
	for deadline := time.Now().Add(5 * time.Second); slow.String() == "" && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	p.Stop()
	if got := slow.String(); got != "\r\x1b[Kowner 1 of \r\x1b[K" {
		t.Errorf("got %q", got)
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines became %d", before, after)
	}
}

func TestNobodyWatchesWhatIsNoTerminal(t *testing.T) {
	var out bytes.Buffer
	p := NewProgress(&out)
	p.Say("x")
	p.Stop()
	if p != nil || Is(&out) || Colors(&out) || out.Len() > 0 {
		t.Error("a buffer is taken for a terminal")
	}
}
