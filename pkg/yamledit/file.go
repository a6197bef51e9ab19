package yamledit

import (
	"strings"
	"unicode/utf8"
)

const byteOrderMark = "\ufeff"

// File is the text of a YAML file, cut into its documents. It must not be used concurrently.
type File struct {
	mark      string // a byte order mark, or nothing
	documents []*Document
}

// Parse reads a file of any number of documents. Errors are of type SyntaxError.
func Parse(text []byte) (*File, error) {
	if !utf8.Valid(text) {
		return nil, &SyntaxError{Reason: "is no text in UTF-8"}
	}
	f := &File{}
	rest := string(text)
	if strings.HasPrefix(rest, byteOrderMark) {
		f.mark, rest = byteOrderMark, rest[len(byteOrderMark):]
	}
	above := 0
	for _, part := range split(rest) {
		d, err := parse(part, above)
		if err != nil {
			return nil, err
		}
		f.documents = append(f.documents, d)
		above += len(lineStarts(part)) - 1
	}
	return f, nil
}

// Documents are the documents of the file in their order, empty ones among them. A change of one is a change of the file.
func (f *File) Documents() []*Document { return f.documents }

// Bytes is the text of the file as it is now.
func (f *File) Bytes() []byte {
	var b strings.Builder
	b.WriteString(f.mark)
	for _, d := range f.documents {
		b.WriteString(d.text)
	}
	return []byte(b.String())
}

// split cuts a text before each line that begins a document. Within a document no line can look like that, not even in a
// block scalar. What follows an end marker, directives for instance, belongs to the next document.
func split(text string) []string {
	var parts []string
	begin := 0
	ended := false   // by a line of three dots
	content := false // since the beginning of this part, besides comments and blank lines
	for at := 0; at < len(text); {
		end := len(text)
		if i := strings.IndexByte(text[at:], '\n'); i >= 0 {
			end = at + i + 1
		}
		line := text[at:end]
		switch {
		case marker(line, "---"):
			if content {
				parts = append(parts, text[begin:at])
				begin = at
			}
			content, ended = true, false
		case marker(line, "..."):
			ended = true
		case strings.TrimSpace(line) == "" || strings.HasPrefix(strings.TrimSpace(line), "#"):
		default:
			if ended {
				parts = append(parts, text[begin:at])
				begin, content = at, false
			}
			content, ended = content || !strings.HasPrefix(line, "%"), false
		}
		at = end
	}
	return append(parts, text[begin:])
}

func marker(line, marker string) bool {
	rest, ok := strings.CutPrefix(line, marker)
	return ok && (rest == "" || strings.ContainsAny(rest[:1], " \t\r\n"))
}

// lineStarts are the offsets at which the lines of a text begin, as the YAML library counts lines.
func lineStarts(text string) []int {
	starts := []int{0}
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		i += size
		switch r {
		case '\r':
			if strings.HasPrefix(text[i:], "\n") {
				i++
			}
		case '\n', '\u0085', '\u2028', '\u2029':
		default:
			continue
		}
		starts = append(starts, i)
	}
	return starts
}
