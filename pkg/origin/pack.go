package origin

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"io"
	"iter"
	"sort"
	"strings"
	"unique"
)

// blockSize is how much text, in bytes, is compressed together: enough for the files of a folder to help each other,
// little enough to be unpacked for one question.
const blockSize = 64 << 10

// block holds the compressed text of some files of one folder, in the order of their names. Equal blocks, as those of a
// base that several owners and revisions build on, are one in memory.
type block struct {
	// first is the path of its first file.
	first string
	data  unique.Handle[string]
}

// packer makes blocks of files that are added in the order of their paths.
type packer struct {
	blocks  []block
	first   string
	pending bytes.Buffer
	packed  bytes.Buffer
	writer  *flate.Writer
}

func (p *packer) add(path, content string) error {
	if p.pending.Len() > 0 && (p.pending.Len()+len(content) > blockSize || dir(path) != dir(p.first)) {
		if err := p.flush(); err != nil {
			return err
		}
	}
	if p.pending.Len() == 0 {
		p.first = path
	}
	for _, s := range []string{path, content} {
		p.pending.Write(binary.AppendUvarint(nil, uint64(len(s))))
		p.pending.WriteString(s)
	}
	return nil
}

func (p *packer) flush() error {
	if p.pending.Len() == 0 {
		return nil
	}
	p.packed.Reset()
	if p.writer == nil {
		var err error
		if p.writer, err = flate.NewWriter(&p.packed, flate.BestCompression); err != nil {
			return err
		}
	}
	p.writer.Reset(&p.packed)
	if _, err := p.writer.Write(p.pending.Bytes()); err != nil {
		return err
	}
	if err := p.writer.Close(); err != nil {
		return err
	}
	p.blocks = append(p.blocks, block{strings.Clone(p.first), unique.Make(p.packed.String())})
	p.pending.Reset()
	return nil
}

// find unpacks the text of a file; false where it is not there.
func find(blocks []block, path string) (string, bool) {
	at := sort.Search(len(blocks), func(i int) bool { return blocks[i].first > path }) - 1
	if at < 0 {
		return "", false
	}
	for name, text := range blocks[at].files() {
		if name == path {
			return text, true
		}
	}
	return "", false
}

// files unpacks the files of a block. A damaged block ends early.
func (b block) files() iter.Seq2[string, string] {
	return func(yield func(name, text string) bool) {
		content, err := io.ReadAll(flate.NewReader(strings.NewReader(b.data.Value())))
		if err != nil {
			return
		}
		rest := string(content)
		next := func() string {
			n, used := binary.Uvarint([]byte(rest[:min(len(rest), binary.MaxVarintLen64)]))
			if used <= 0 || n > uint64(len(rest)-used) {
				rest = ""
				return ""
			}
			s := rest[used : used+int(n)]
			rest = rest[used+int(n):]
			return s
		}
		for rest != "" {
			name := next()
			if text := next(); !yield(name, text) {
				return
			}
		}
	}
}

// dir is the folder of a path, with a slash at its end.
func dir(path string) string { return path[:strings.LastIndexByte(path, '/')+1] }
