package origin_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/bits"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"

	"github.com/gitops-drift/gitops-drift/pkg/origin"
)

// TestTheNamedLineIsTheOneThatSetsTheField edits the lines that fields are said to be set in, rebuilds, and looks which
// fields changed. Lines are edited in groups, chosen so that any two lines are apart in one of them: a field that
// changes without its line, or stays when its line changes, shows.
func TestTheNamedLineIsTheOneThatSetsTheField(t *testing.T) {
	root := filepath.Join("..", "..")
	tests := filepath.Join(root, "test", "e2e")
	for name, tree := range map[string]repo{
		"fleet":  load(t, filepath.Join(root, "manifests", "examples", "fleet")),
		"corpus": load(t, filepath.Join("testdata", "corpus")),
		"builds": builds(t, filepath.Join(tests, "corpus", "testdata")),
		"kinds":  kinds(t, filepath.Join(tests, "differential", "testdata", "random")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var all score
			owners := tree.owners(t)
			for _, ks := range owners {
				s := tree.examine(t, ks)
				t.Logf("%-24s %s", ks.Name, s)
				all.add(s)
			}
			t.Logf("%d Kustomizations, %s", len(owners), all)
			if all.fields == 0 || float64(all.right) < 0.95*float64(all.fields) {
				t.Errorf("the line of %d of %d fields is known and right, want 95%%", all.right, all.fields)
			}
			if float64(all.wrong) >= 0.01*float64(all.fields) {
				t.Errorf("%d of %d lines or files are wrong, want less than 1%%", all.wrong, all.fields)
			}
		})
	}
}

// score counts declared fields.
type score struct {
	// right have a line, and it is the one; file have the right file and no line; wrong have a line or file that is not
	// the one; unknown have neither.
	fields, right, file, wrong, unknown int
}

func (s *score) add(o score) {
	s.fields += o.fields
	s.right += o.right
	s.file += o.file
	s.wrong += o.wrong
	s.unknown += o.unknown
}

func (s score) String() string {
	return fmt.Sprintf("%5d fields: line right %5d (%.1f%%), file right %d, wrong %d (%.2f%%), unknown %d",
		s.fields, s.right, 100*float64(s.right)/float64(max(s.fields, 1)), s.file, s.wrong, 100*float64(s.wrong)/float64(max(s.fields, 1)), s.unknown)
}

func (r repo) examine(t *testing.T, ks *kustomizev1.Kustomization) score {
	t.Helper()
	state, err := build(t, r, ks)
	if err != nil {
		t.Errorf("%s: %v", ks.Name, err)
		return score{}
	}
	x := &examination{repo: r, ks: ks, before: leaves(state), edits: map[edit][]string{}, own: map[string]origin.Origin{}, bad: map[string]string{},
		seen: map[string][2]string{}, alone: map[change]built{}}
	var s score
	for name, leaf := range x.before {
		s.fields++
		at := state.Fields(leaf.object).Origin(leaf.path)
		switch {
		case at.File == "":
			s.unknown++
			t.Logf("nothing known of %s, declared in %s", name, leaf.object.File)
		case at.Line == 0:
			if x.sets(t, at.File, name) {
				s.file++
				t.Logf("%s is set in %s, on a line that is not known", name, at)
			} else {
				s.wrong++
				t.Logf("%s is not set in %s", name, at)
			}
		default:
			e, ok := r.locate(at, leaf)
			if !ok {
				s.wrong++
				t.Logf("%s: no value to change on %s", name, at)
				continue
			}
			x.edits[e] = append(x.edits[e], name)
			x.own[name] = at
		}
	}
	x.check(t)
	for _, names := range x.edits {
		for _, name := range names {
			if why := x.bad[name]; why != "" {
				s.wrong++
				t.Logf("%s: %s", name, why)
			} else {
				s.right++
			}
		}
	}
	return s
}

// examination is that of one Kustomization.
type examination struct {
	repo   repo
	ks     *kustomizev1.Kustomization
	before map[string]leaf
	// edits are the fields that each edit is to change, own the lines of the fields; two fields may have one line.
	edits map[edit][]string
	own   map[string]origin.Origin
	// bad is what is wrong with fields.
	bad map[string]string
	// seen are the values that fields had after changes of their own.
	seen map[string][2]string
	// alone are the builds with one change, as far as they were needed.
	alone map[change]built
}

type built struct {
	after map[string]leaf
	err   error
}

// check makes the edits in groups, and looks at those fields alone that did not do as they should: edits of a group may
// get in each other's way.
func (x *examination) check(t *testing.T) {
	t.Helper()
	ordered := slices.SortedFunc(maps.Keys(x.edits), func(a, b edit) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	codes := codes(len(ordered))
	for bit := range bits.Len(uint(codes[len(codes)-1])) {
		var group []change
		for i, e := range ordered {
			if codes[i]>>bit&1 == 1 {
				group = append(group, change{e, bits.OnesCount(uint(codes[i])>>bit) % 2})
			}
		}
		x.checkGroup(t, group)
	}
	for e, names := range x.edits {
		for _, name := range names {
			if seen := x.seen[name]; seen[0] == seen[1] && !x.repo.binary(e) {
				x.checkAlone(t, name, e)
			}
		}
	}
}

// codes returns n numbers with equally many bits set, more than one: of any two of them, each has a bit that the other
// has not.
func codes(n int) []int {
	for width := 3; ; width++ {
		var out []int
		for code := range 1 << width {
			if bits.OnesCount(uint(code)) == (width+1)/2 {
				out = append(out, code)
			}
		}
		if len(out) >= max(n, 1) {
			return out[:max(n, 1)]
		}
	}
}

func (x *examination) checkGroup(t *testing.T, group []change) {
	t.Helper()
	if len(group) == 0 {
		return
	}
	state, err := build(t, x.repo.with(group...), x.ks)
	if err != nil {
		if len(group) == 1 {
			for _, name := range x.edits[group[0].edit] {
				x.bad[name] = fmt.Sprintf("a build with %s changed fails: %v", group[0], err)
			}
			return
		}
		x.checkGroup(t, group[:len(group)/2])
		x.checkGroup(t, group[len(group)/2:])
		return
	}
	after := leaves(state)
	should, lines := map[string]bool{}, map[origin.Origin]bool{}
	for _, e := range group {
		for _, name := range x.edits[e.edit] {
			should[name] = true
			lines[x.own[name]] = true
			if x.changed(name, after) {
				seen := x.seen[name]
				seen[e.variant] = after[name].text
				x.seen[name] = seen
			} else {
				x.checkAlone(t, name, e.edit)
			}
		}
	}
	for name := range x.before {
		if !should[name] && !lines[x.own[name]] && after[name].text != x.before[name].text {
			x.checkStray(t, name, group)
		}
	}
}

// changed reports whether the field is there with another value. A truth may go where it is no longer one.
func (x *examination) changed(name string, after map[string]leaf) bool {
	now, ok := after[name]
	return now.text != x.before[name].text && (ok || x.before[name].text == "true")
}

// checkAlone demands that the field follows when nothing but its own value is edited.
func (x *examination) checkAlone(t *testing.T, name string, e edit) {
	t.Helper()
	one, two := x.build(t, change{e, 0}), x.build(t, change{e, 1})
	switch err := cmp.Or(one.err, two.err); {
	case err != nil:
		x.bad[name] = fmt.Sprintf("a build with %s changed fails: %v", e, err)
	case !x.changed(name, one.after), !x.changed(name, two.after):
		x.bad[name] = fmt.Sprintf("changes from %q to %q and %q when %s changes", x.before[name].text, one.after[name].text, two.after[name].text, e)
	case one.after[name].text == two.after[name].text && !x.repo.binary(e):
		x.bad[name] = fmt.Sprintf("changes from %q to %q whatever stands at %s", x.before[name].text, one.after[name].text, e)
	}
}

// checkStray finds out why a field changed while its own line did not. It is no fault where the edit of another line
// decides whether something applies, as that of a label does by which a patch selects: a field follows the line that
// sets it, so two other values there are two other values of the field. What only ceases to apply leaves the same after
// both.
func (x *examination) checkStray(t *testing.T, name string, group []change) {
	t.Helper()
	explained := false
	for _, c := range group {
		e := c.edit
		one := x.build(t, change{e, 0})
		if one.err != nil || one.after[name].text == x.before[name].text {
			continue
		}
		explained = true
		if two := x.build(t, change{e, 1}); two.err != nil || two.after[name].text != one.after[name].text || x.repo.binary(e) {
			x.bad[name] = fmt.Sprintf("follows %s, from %s to %s", e, x.before[name].text, one.after[name].text)
		}
	}
	if !explained {
		x.bad[name] = fmt.Sprintf("changes from %s without its line, when all of %v change", x.before[name].text, group)
	}
}

// build makes one change.
func (x *examination) build(t *testing.T, c change) built {
	t.Helper()
	made, ok := x.alone[c]
	if !ok {
		state, err := build(t, x.repo.with(c), x.ks)
		if made.err = err; err == nil {
			made.after = leaves(state)
		}
		x.alone[c] = made
	}
	return made
}

// sets reports whether some change in the file changes the field.
func (x *examination) sets(t *testing.T, file, name string) bool {
	t.Helper()
	try := func(e edit) bool {
		after := x.build(t, change{e, 0}).after
		return x.changed(name, after)
	}
	if structured(file) {
		for i := range strings.Split(x.repo[file], "\n") {
			if e, ok := x.repo.locate(origin.Origin{File: file, Line: i + 1}, x.before[name]); ok && try(e) {
				return true
			}
		}
	}
	return try(edit{file: file})
}
