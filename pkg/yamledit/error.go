package yamledit

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// SyntaxError says where a text is no YAML. It never quotes the text, which may be a Secret.
type SyntaxError struct {
	// Line is the line of the file, from 1 on; 0 if nobody knows.
	Line   int
	Reason string
}

func (e *SyntaxError) Error() string {
	if e.Line == 0 {
		return e.Reason
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Reason)
}

var yamlError = regexp.MustCompile(`(?s)^(?:error converting YAML to JSON: )?yaml: (?:unmarshal errors:\s+)?(?:line (\d+): )?(.*)$`)

// reasons are messages of the YAML library that quote nothing of what it read.
var reasons = []string{
	"mapping values are not allowed in this context", "did not find expected key", "did not find expected node content",
	"did not find expected '-' indicator", "did not find expected ',' or '}'", "did not find expected ',' or ']'",
	"did not find expected alphabetic or numeric character", "did not find expected comment or line break",
	"did not find expected <document start>", "did not find URI escaped octet",
	"could not find expected ':'", "could not find expected directive name", "found unexpected end of stream",
	"found unexpected document indicator", "found character that cannot start any token", "found unknown escape character",
	"found a tab character that violates indentation", "found a tab character where an indentation space is expected",
	"block sequence entries are not allowed in this context", "block collection entries are not allowed in this context", "mapping keys are not allowed in this context",
	"control characters are not allowed", "invalid leading UTF-8 octet", "invalid trailing UTF-8 octet", "incomplete UTF-8 octet sequence",
	"found incompatible YAML document", "exceeded max depth",
}

// syntax is what may be told of a problem that the YAML library has; offset is how many lines stand above the text that it read.
func syntax(problem error, offset int) error {
	out := &SyntaxError{Reason: "is no valid YAML"}
	parts := yamlError.FindStringSubmatch(fmt.Sprint(problem))
	if parts == nil {
		return out
	}
	line, err := strconv.Atoi(parts[1])
	if err != nil {
		line = 1 // of which the library does not tell
	}
	for _, reason := range reasons {
		if strings.Contains(parts[2], reason) {
			out.Line, out.Reason = offset+line, "is no valid YAML: "+reason
			return out
		}
	}
	switch {
	case strings.Contains(parts[2], "unknown anchor"):
		out.Reason = "refers to an anchor that is not there; a text that begins with * has to be quoted"
	case strings.Contains(parts[2], "already"):
		out.Reason = "has a key twice"
	}
	return out
}
