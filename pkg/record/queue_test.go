package record

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
)

var start = time.Date(2026, 11, 22, 23, 40, 0, 0, time.UTC)

// edit is one edit of a field of an object by a user, at some seconds after start.
func edit(user, object, path, value string, second int) v1alpha1.EditRecordSpec {
	at := metav1.NewTime(start.Add(time.Duration(second) * time.Second))
	return v1alpha1.EditRecordSpec{
		Object:    v1alpha1.ObjectReference{Group: "apps", Kind: "Deployment", Namespace: "payments", Name: object},
		Owner:     "Kustomization/flux-system/apps",
		User:      v1alpha1.RecordedUser{Name: user},
		Operation: "UPDATE",
		Decision:  v1alpha1.Denied,
		Fields:    []v1alpha1.RecordedField{{Kind: "Changed", Path: path, Old: "1", New: value}},
		Count:     1, FirstTime: at, LastTime: at,
	}
}

// drain takes everything that is due at a time.
func drain(q *queue, now time.Time) map[string]v1alpha1.EditRecordSpec {
	out := map[string]v1alpha1.EditRecordSpec{}
	for {
		name, spec, _ := q.take(now)
		if name == "" {
			return out
		}
		out[name] = spec
	}
}

func TestWhatMakesARecord(t *testing.T) {
	base := edit("a", "api", "spec.replicas", "2", 0)
	for name, test := range map[string]struct {
		change func(*v1alpha1.EditRecordSpec)
		same   bool
	}{
		"another value":       {func(s *v1alpha1.EditRecordSpec) { s.Fields[0].New = "3" }, true},
		"another revision":    {func(s *v1alpha1.EditRecordSpec) { s.Revision = "main@sha1:2" }, true},
		"another manager":     {func(s *v1alpha1.EditRecordSpec) { s.Manager = "kubectl-edit" }, true},
		"another time":        {func(s *v1alpha1.EditRecordSpec) { s.LastTime = metav1.NewTime(start.Add(time.Hour)) }, true},
		"another user":        {func(s *v1alpha1.EditRecordSpec) { s.User.Name = "b" }, false},
		"another object":      {func(s *v1alpha1.EditRecordSpec) { s.Object.Name = "web" }, false},
		"another group":       {func(s *v1alpha1.EditRecordSpec) { s.Object.Group = "" }, false},
		"another namespace":   {func(s *v1alpha1.EditRecordSpec) { s.Object.Namespace = "" }, false},
		"another decision":    {func(s *v1alpha1.EditRecordSpec) { s.Decision = v1alpha1.Recorded }, false},
		"another operation":   {func(s *v1alpha1.EditRecordSpec) { s.Operation = "DELETE" }, false},
		"another subresource": {func(s *v1alpha1.EditRecordSpec) { s.Subresource = "scale" }, false},
		"another path":        {func(s *v1alpha1.EditRecordSpec) { s.Fields[0].Path = "spec.paused" }, false},
		"another finding":     {func(s *v1alpha1.EditRecordSpec) { s.Fields[0].Kind = "Removed" }, false},
		"another break-glass": {func(s *v1alpha1.EditRecordSpec) { s.BreakGlass = "incident" }, false},
		"more fields":         {func(s *v1alpha1.EditRecordSpec) { s.MoreFields = 1 }, false},
		"parts that read the same together": {func(s *v1alpha1.EditRecordSpec) {
			s.Object.Namespace, s.Object.Name = s.Object.Namespace+"4:", strings.TrimPrefix(s.Object.Name, "4:")
		}, false},
	} {
		other := edit("a", "api", "spec.replicas", "2", 0)
		test.change(&other)
		if same := Name(&base) == Name(&other); same != test.same {
			t.Errorf("%s: the same record: %v, want %v", name, same, test.same)
		}
	}
	if name := Name(&base); !strings.HasPrefix(name, "deployment-") || len(name) != len("deployment-")+20 {
		t.Errorf("the name is %s", name)
	}
}

func TestEditsOfOneRecordAreMerged(t *testing.T) {
	q := newQueue()
	for i, value := range []string{"2", "3", "4"} {
		if _, folded := q.add(edit("a", "api", "spec.replicas", value, i), start); folded {
			t.Error("folded")
		}
	}
	// Clocks of replicas differ; what was last stays last.
	q.add(edit("a", "api", "spec.replicas", "0", -5), start)
	for _, got := range drain(q, start) {
		if got.Count != 4 || got.Fields[0].New != "4" || !got.FirstTime.Time.Equal(start.Add(-5*time.Second)) || !got.LastTime.Time.Equal(start.Add(2*time.Second)) {
			t.Errorf("got %+v", got)
		}
	}
}

func TestARecordIsWrittenOnceASecond(t *testing.T) {
	q := newQueue()
	writes := 0
	for ms := range 10_000 {
		now := start.Add(time.Duration(ms) * time.Millisecond)
		q.add(edit("a", "api", "spec.replicas", "2", 0), now)
		writes += len(drain(q, now))
	}
	if writes != 10 {
		t.Errorf("%d writes in ten seconds", writes)
	}
	if _, _, wait := q.take(start.Add(9_999 * time.Millisecond)); wait <= 0 || wait > interval {
		t.Errorf("the next is due in %s", wait)
	}
}

func TestTheQueueIsBounded(t *testing.T) {
	q := newQueue()
	counts := map[outcome]int{}
	for i := range 5_000 {
		became, _ := q.add(edit(fmt.Sprint("user", i), "api", "spec.replicas", "2", 0), start)
		counts[became]++
	}
	if counts[queued] != queueLimit || counts[dropped] != 5_000-queueLimit || len(q.crowd.users) > usersRemembered {
		t.Errorf("got %v, %d users remembered", counts, len(q.crowd.users))
	}
	if became, _ := q.add(edit("user0", "api", "spec.replicas", "3", 0), start); became != merged {
		t.Error("a full queue does not merge")
	}
	// What fails goes back even so.
	name, spec, _ := q.take(start)
	q.add(edit("new", "api", "spec.replicas", "2", 0), start)
	q.back(name, spec, start)
	if records, edits := q.size(); records != queueLimit+1 || edits != queueLimit+2 {
		t.Errorf("%d records, %d edits", records, edits)
	}
}

func TestManyDifferentEditsByOneUserAreFolded(t *testing.T) {
	q := newQueue()
	written := map[string]v1alpha1.EditRecordSpec{}
	var count int64
	for i := range 10_000 {
		now := start.Add(time.Duration(i) * time.Millisecond)
		// Always another field, and another object after every hundred fields.
		q.add(edit("a", fmt.Sprint("api-", i/100), fmt.Sprint("spec.field", i), "2", 0), now)
		for name, spec := range drain(q, now) {
			if before, ok := written[name]; ok {
				spec = merge(before, spec)
			}
			written[name] = spec
		}
	}
	for name, spec := range drain(q, start.Add(time.Hour)) {
		written[name] = merge(written[name], spec)
	}
	folded := map[v1alpha1.Folding]int{}
	for _, spec := range written {
		count += spec.Count
		folded[spec.Folded]++
	}
	// 20 records and one for the rest of each object, until there are 200; then one for everything else.
	if folded[""] != recordsPerUser || folded[v1alpha1.FoldedFields] != recordsPerUser/recordsPerObject-1 || folded[v1alpha1.FoldedObjects] != 1 {
		t.Errorf("records by folding: %v", folded)
	}
	if count != 10_000 {
		t.Errorf("%d edits are counted", count)
	}
	later := start.Add(2 * time.Hour)
	if _, folded := q.add(edit("a", "new", "spec.replicas", "2", 0), later); folded {
		t.Error("an hour later the user is still folded")
	}
	if _, folded := q.add(edit("b", "new", "spec.replicas", "2", 0), start); folded {
		t.Error("another user is folded, too")
	}
}

func TestFitKeepsTheLimitsOfTheCRD(t *testing.T) {
	long := strings.Repeat("ü→", 2_000)
	spec := edit(long, long, long, long, 0)
	spec.Owner, spec.Revision, spec.Manager, spec.Policy, spec.BreakGlass, spec.Subresource = long, long, long, long, long, long
	spec.Object.Kind, spec.Object.Namespace, spec.Object.Group = long, long, long
	for range 100 {
		spec.User.Groups = append(spec.User.Groups, long)
		spec.Fields = append(spec.Fields, v1alpha1.RecordedField{Kind: long, Path: long, Old: long, New: long})
	}
	Fit(&spec)
	if len(spec.Fields) != 20 || spec.MoreFields != 81 || len(spec.User.Groups) != 64 || spec.User.Groups[63] != "…" {
		t.Errorf("%d fields and %d more, %d groups", len(spec.Fields), spec.MoreFields, len(spec.User.Groups))
	}
	for limit, texts := range map[int][]string{
		1024: {spec.User.Name, spec.Owner, spec.Revision, spec.Fields[19].Path, spec.Fields[19].Old, spec.Fields[19].New},
		253:  {spec.Object.Name, spec.Object.Group, spec.Manager, spec.Policy, spec.BreakGlass, spec.Subresource},
		256:  {spec.User.Groups[0]},
		63:   {spec.Object.Kind, spec.Object.Namespace, spec.Fields[19].Kind},
	} {
		for _, text := range texts {
			if n := utf8.RuneCountInString(text); n != limit || !utf8.ValidString(text) || !strings.HasSuffix(text, "…") {
				t.Errorf("%d characters, want %d", n, limit)
			}
		}
	}
	short := edit("a", "api", "spec.replicas", "2", 0)
	before := fmt.Sprintf("%+v", short)
	if Fit(&short); fmt.Sprintf("%+v", short) != before {
		t.Errorf("got %+v", short)
	}
}

func TestWhoHasMostRecordsLosesTheOldest(t *testing.T) {
	var records []stored
	add := func(user string, n int) {
		for i := range n {
			records = append(records, stored{name: fmt.Sprint(user, i), user: user, last: start.Add(time.Duration(i) * time.Minute)})
		}
	}
	add("flood", 1_000)
	add("busy", 60)
	add("oncall", 3)
	if got := surplus(records, 2_000); got != nil {
		t.Errorf("%d records go though there is room", len(got))
	}
	lost := map[string]int{}
	for _, s := range surplus(records, 100) {
		lost[s.user]++
		if s.user == "flood" && s.last.After(start.Add(952*time.Minute)) {
			t.Errorf("%s goes, older ones stay", s.name)
		}
	}
	if lost["oncall"] != 0 || lost["busy"] != 60-48 || lost["flood"] != 1_000-49 {
		t.Errorf("lost: %v", lost)
	}
}
