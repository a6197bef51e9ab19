package origin_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/bits"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/desired"
	"github.com/gitops-drift/gitops-drift/pkg/fields"
	"github.com/gitops-drift/gitops-drift/pkg/origin"
)

const revision = "main@sha1:3f2c9e1d0b7a4f6e8c5d2a1b0c9d8e7f6a5b4c3d"

// TestTheNamedLineIsTheOneThatSetsTheField edits the lines that fields are said to be set in, rebuilds, and looks which
// fields changed. Lines are edited in groups, chosen so that any two lines are apart in one of them: a field that
// changes without its line, or stays when its line changes, shows.
func TestTheNamedLineIsTheOneThatSetsTheField(t *testing.T) {
	for _, repository := range []string{filepath.Join("..", "..", "manifests", "examples", "fleet"), filepath.Join("testdata", "corpus")} {
		t.Run(filepath.Base(repository), func(t *testing.T) {
			var all score
			for _, ks := range owners(t, repository) {
				s := examine(t, repository, ks)
				t.Logf("%-24s %s", ks.Spec.Path, s)
				all.add(s)
			}
			t.Logf("%-24s %s", "all", all)
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

// edit is a change of one value on one line, or of a whole file where line is 0.
type edit struct {
	file         string
	line, column int
}

func (e edit) String() string { return fmt.Sprintf("%s:%d:%d", e.file, e.line, e.column) }

func examine(t *testing.T, repository string, ks *kustomizev1.Kustomization) score {
	t.Helper()
	tree := load(t, repository)
	state, err := build(t, tree, ks)
	if err != nil {
		t.Fatalf("%s: %v", ks.Spec.Path, err)
	}
	before := leaves(state)
	var s score
	edits := map[edit][]string{}
	for _, object := range state.Objects {
		found := state.Fields(object)
		for name, leaf := range leavesOf(object) {
			s.fields++
			at := found.Origin(leaf.path)
			switch {
			case at.File == "":
				s.unknown++
				t.Logf("nothing known of %s, declared in %s", name, object.File)
			case at.Line == 0:
				if tree.sets(t, ks, at.File, name, leaf, before) {
					s.file++
					t.Logf("%s is set in %s, on a line that is not known", name, at)
				} else {
					s.wrong++
					t.Logf("%s is not set in %s", name, at)
				}
			default:
				e, ok := tree.locate(at, leaf)
				if !ok {
					s.wrong++
					t.Logf("%s: no value to change on %s", name, at)
					continue
				}
				edits[e] = append(edits[e], name)
			}
		}
	}
	bad := tree.check(t, ks, edits, before)
	for _, names := range edits {
		for _, name := range names {
			if why := bad[name]; why != "" {
				s.wrong++
				t.Logf("%s: %s", name, why)
			} else {
				s.right++
			}
		}
	}
	return s
}

// check makes groups of edits and returns what is wrong with which fields.
func (r repo) check(t *testing.T, ks *kustomizev1.Kustomization, edits map[edit][]string, before map[string]string) map[string]string {
	t.Helper()
	bad := map[string]string{}
	// The lines of the fields: two fields may have one line.
	own := map[string]edit{}
	for e, names := range edits {
		for _, name := range names {
			own[name] = edit{file: e.file, line: e.line}
		}
	}
	ordered := slices.SortedFunc(maps.Keys(edits), func(a, b edit) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	codes := codes(len(ordered))
	for bit := range bits.Len(uint(codes[len(codes)-1])) {
		var group []edit
		for i, e := range ordered {
			if codes[i]>>bit&1 == 1 {
				group = append(group, e)
			}
		}
		r.checkGroup(t, ks, group, edits, own, before, bad)
	}
	return bad
}

// codes returns n numbers with equally many bits set: of any two of them, each has a bit that the other has not.
func codes(n int) []int {
	for width := 1; ; width++ {
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

func (r repo) checkGroup(t *testing.T, ks *kustomizev1.Kustomization, group []edit, edits map[edit][]string, own map[string]edit, before, bad map[string]string) {
	t.Helper()
	if len(group) == 0 {
		return
	}
	state, err := build(t, r.with(group...), ks)
	if err != nil {
		if len(group) == 1 {
			for _, name := range edits[group[0]] {
				bad[name] = fmt.Sprintf("a build with %s changed fails: %v", group[0], err)
			}
			return
		}
		r.checkGroup(t, ks, group[:len(group)/2], edits, own, before, bad)
		r.checkGroup(t, ks, group[len(group)/2:], edits, own, before, bad)
		return
	}
	after := leaves(state)
	should, lines := map[string]edit{}, map[edit]bool{}
	for _, e := range group {
		lines[edit{file: e.file, line: e.line}] = true
		for _, name := range edits[e] {
			should[name] = e
			if after[name] == before[name] {
				bad[name] = fmt.Sprintf("stays %s when %s changes", before[name], e)
			}
		}
	}
	for name := range before {
		if _, ok := should[name]; !ok && !lines[own[name]] && after[name] != before[name] {
			bad[name] = fmt.Sprintf("changes from %s to %s without its line, of %v", before[name], after[name], group)
		}
	}
}

// sets reports whether some change in the file changes the field.
func (r repo) sets(t *testing.T, ks *kustomizev1.Kustomization, file, name string, leaf leaf, before map[string]string) bool {
	t.Helper()
	try := func(e edit) bool {
		state, err := build(t, r.with(e), ks)
		return err == nil && leaves(state)[name] != before[name]
	}
	if ext := filepath.Ext(file); ext != ".yaml" && ext != ".json" && ext != ".yml" {
		return try(edit{file: file})
	}
	for i := range strings.Split(r[file], "\n") {
		if e, ok := r.locate(origin.Origin{File: file, Line: i + 1}, leaf); ok && try(e) {
			return true
		}
	}
	return try(edit{file: file})
}

// repo is the content of files.
type repo map[string]string

func load(t *testing.T, dir string) repo {
	t.Helper()
	out := repo{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		out[filepath.ToSlash(name)] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Fetch implements desired.Fetcher.
func (r repo) Fetch(_ context.Context, _ *meta.Artifact, dir string) error {
	for name, content := range r {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			return err
		}
	}
	return nil
}

// locate finds the value of a field on a line: behind its name, or else wherever it stands, or else the last value.
func (r repo) locate(at origin.Origin, leaf leaf) (edit, bool) {
	lines := strings.Split(r[at.File], "\n")
	if at.Line > len(lines) {
		return edit{}, false
	}
	if regexp.MustCompile(`[|>][-+0-9]*\s*$`).MatchString(lines[at.Line-1]) {
		// The lines of a block follow the one that names it.
		return edit{at.File, at.Line + 1, len(lines[at.Line]) - len(strings.TrimLeft(lines[at.Line], " "))}, true
	}
	line := strings.TrimRight(lines[at.Line-1], "\r")
	value := regexp.QuoteMeta(leaf.text)
	for _, pattern := range []string{
		`\b` + regexp.QuoteMeta(leaf.name) + `["']?\s*[:=]\s*["']?(` + value + `)(?:$|["',\s}\]])`,
		`(?:^|.*[\s"'=:{\[,])(` + value + `)(?:$|["',\s}\]])`,
		`\b` + regexp.QuoteMeta(leaf.name) + `["']?\s*[:=]\s*["']?([^"'\s,}\]]+)`,
		`["']?value["']?:\s*["']?([^"'\s,}\]]+)`,
		`.*(?:[:=]\s*|- )["']?([^"'\s][^"'\s]*)["']?\s*(?:#.*)?$`,
	} {
		match := regexp.MustCompile(pattern).FindStringSubmatchIndex(line)
		if match != nil && (match[3] > match[2] || leaf.text == "") {
			return edit{at.File, at.Line, match[2]}, true
		}
	}
	return edit{}, false
}

// with returns a copy with other values at the edits.
func (r repo) with(edits ...edit) repo {
	out := maps.Clone(r)
	// From the end of a line to its beginning, for an edit may move what follows.
	edits = slices.SortedFunc(slices.Values(edits), func(a, b edit) int {
		return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(b.line, a.line), cmp.Compare(b.column, a.column))
	})
	for _, e := range edits {
		if e.line == 0 {
			out[e.file] += "x\n"
			continue
		}
		lines := strings.Split(out[e.file], "\n")
		line := lines[e.line-1]
		lines[e.line-1] = line[:e.column] + other(line[e.column:])
		out[e.file] = strings.Join(lines, "\n")
	}
	return out
}

// other changes the value that a text begins with, and keeps its type: numbers, quantities and base64 stay such.
func other(text string) string {
	for from, to := range map[string]string{"true": "false", "false": "true"} {
		if rest, ok := strings.CutPrefix(text, from); ok && (rest == "" || !regexp.MustCompile(`^\w`).MatchString(rest)) {
			return to + rest
		}
	}
	if strings.HasPrefix(text, "${") {
		return "x" + text
	}
	if alias := regexp.MustCompile(`^\*\w+`); alias.MatchString(text) {
		return alias.ReplaceAllString(text, "other")
	}
	for i := range len(text) {
		switch c := text[i]; {
		case c >= '0' && c <= '8', c >= 'a' && c <= 'y', c >= 'A' && c <= 'Y':
			return text[:i] + string(c+1) + text[i+1:]
		case c == '9', c == 'z', c == 'Z':
			return text[:i] + string(c-1) + text[i+1:]
		case strings.ContainsRune("\"'", rune(c)):
			return text[:i] + "x" + text[i:]
		}
	}
	return text + "x"
}

// leaf is a declared field.
type leaf struct {
	path fieldpath.Path
	// name is the last field name on the path, text the value as people write it.
	name, text string
}

// hash is what kustomize appends to the name of a generated object.
var hash = regexp.MustCompile(`-[2456789bcdfghkmt]{10}\b`)

// leaves are the values of all declared fields by the name of object and field.
func leaves(state *desired.State) map[string]string {
	out := map[string]string{}
	for _, object := range state.Objects {
		for name, leaf := range leavesOf(object) {
			out[name] = hash.ReplaceAllString(leaf.text, "")
		}
	}
	return out
}

func leavesOf(object desired.Object) map[string]leaf {
	out := map[string]leaf{}
	prefix := object.GetKind() + " " + object.GetNamespace() + "/" + hash.ReplaceAllString(object.GetName(), "") + " "
	var walk func(path fieldpath.Path, value any)
	walk = func(path fieldpath.Path, value any) {
		switch v := value.(type) {
		case map[string]any:
			for name, inner := range v {
				walk(append(path.Copy(), fieldpath.FieldNameElement(name)), inner)
			}
		case []any:
			for i, item := range v {
				walk(append(path.Copy(), element(path, i, item)), item)
			}
		default:
			if v == nil {
				return // Flux writes creationTimestamp as null
			}
			name := ""
			if last := path[len(path)-1].FieldName; last != nil {
				name = *last
			}
			if identity(path) {
				return
			}
			out[prefix+hash.ReplaceAllString(fields.Name(path), "")] = leaf{path, name, fmt.Sprint(v)}
		}
	}
	walk(nil, object.Object)
	return out
}

// identity reports whether a field names the object or an item, so that a change makes another one of it; or is a label
// or annotation of Flux or kustomize.
func identity(path fieldpath.Path) bool {
	last := path[len(path)-1]
	if len(path) > 1 && path[len(path)-2].Key != nil && last.FieldName != nil {
		for _, key := range *path[len(path)-2].Key {
			if key.Name == *last.FieldName {
				return true
			}
		}
	}
	switch name := fields.Name(path); name {
	case "apiVersion", "kind", "metadata.name", "metadata.namespace":
		return true
	default:
		return strings.HasPrefix(name, `metadata.labels["kustomize.toolkit.fluxcd.io/`) ||
			strings.HasPrefix(name, `metadata.annotations["kustomize.toolkit.fluxcd.io/`) || strings.HasPrefix(name, `metadata.annotations["config.kubernetes.io/`)
	}
}

// keys are those of associative lists.
var keys = map[string][]string{
	"containers": {"name"}, "initContainers": {"name"}, "env": {"name"}, "volumes": {"name"}, "volumeMounts": {"mountPath"},
	"ports": {"containerPort", "protocol"}, "topologySpreadConstraints": {"topologyKey", "whenUnsatisfiable"}, "versions": {"name"},
}

// element names an item as managedFields do, by its keys or its index.
func element(path fieldpath.Path, i int, item any) fieldpath.PathElement {
	m, ok := item.(map[string]any)
	last := path[len(path)-1].FieldName
	if !ok || last == nil || keys[*last] == nil {
		return fieldpath.PathElement{Index: &i}
	}
	names := slices.Clone(keys[*last])
	if _, service := m["port"]; service && *last == "ports" {
		names = []string{"port", "protocol"}
	}
	var pairs []any
	for _, name := range names {
		v, ok := m[name]
		if !ok && name == "protocol" {
			v, ok = "TCP", true
		}
		if !ok {
			return fieldpath.PathElement{Index: &i}
		}
		pairs = append(pairs, name, v)
	}
	element, err := fieldpath.MakePath(fieldpath.KeyByFields(pairs...))
	if err != nil {
		return fieldpath.PathElement{Index: &i}
	}
	return element[0]
}

// owners are the Flux Kustomizations in the folder clusters of a repository.
func owners(t *testing.T, repository string) []*kustomizev1.Kustomization {
	t.Helper()
	var out []*kustomizev1.Kustomization
	for name, content := range load(t, repository) {
		if !strings.HasPrefix(name, "clusters/") {
			continue
		}
		for _, doc := range regexp.MustCompile(`(?m)^---\n`).Split(content, -1) {
			ks := &kustomizev1.Kustomization{}
			if err := yaml.Unmarshal([]byte(doc), ks); err != nil {
				t.Fatal(name, err)
			}
			ks.Namespace = "flux-system"
			ks.Status.LastAppliedRevision = revision
			out = append(out, ks)
		}
	}
	slices.SortFunc(out, func(a, b *kustomizev1.Kustomization) int { return cmp.Compare(a.Spec.Path, b.Spec.Path) })
	return out
}

func build(t *testing.T, tree repo, ks *kustomizev1.Kustomization) (*desired.State, error) {
	t.Helper()
	// What an edit changes in the manifest of the Kustomization itself is what Flux applies next.
	return desired.NewBuilder(client(), tree).Build(t.Context(), tree.declared(t, ks))
}

// client serves the source and nothing else.
var client = sync.OnceValue(func() ctrlclient.Client {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), kustomizev1.AddToScheme(scheme), sourcev1.AddToScheme(scheme)); err != nil {
		panic(err)
	}
	source := &sourcev1.GitRepository{ObjectMeta: metav1.ObjectMeta{Namespace: "flux-system", Name: "flux-system"}}
	source.Status.Artifact = &meta.Artifact{Revision: revision, URL: "http://source/a.tar.gz", Digest: "sha256:x"}
	mapper := apimeta.NewDefaultRESTMapper(nil)
	mapper.Add(sourcev1.GroupVersion.WithKind("GitRepository"), apimeta.RESTScopeNamespace)
	return fake.NewClientBuilder().WithScheme(scheme).WithRESTMapper(mapper).WithObjects(source).Build()
})

// declared is the Kustomization as the tree has it now.
func (r repo) declared(t *testing.T, ks *kustomizev1.Kustomization) *kustomizev1.Kustomization {
	t.Helper()
	for name, content := range r {
		if !strings.HasPrefix(name, "clusters/") {
			continue
		}
		for _, doc := range regexp.MustCompile(`(?m)^---\n`).Split(content, -1) {
			now := &kustomizev1.Kustomization{}
			if err := yaml.Unmarshal([]byte(doc), now); err == nil && now.Name == ks.Name && now.Spec.Path == ks.Spec.Path {
				now.Namespace, now.Status = ks.Namespace, ks.Status
				return now
			}
		}
	}
	text, err := json.Marshal(ks)
	t.Fatalf("the tree does not declare %s (%v)", text, err)
	return nil
}
