package ownership

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/gitops-drift/gitops-drift/pkg/fields"
)

// FuzzManagedFields takes two states of an object, the managedFields of either included, and does with them what the
// guard and the drift report do.
func FuzzManagedFields(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("..", "admission", "testdata", "*.json"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no recorded requests: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		var in struct{ OldObject, Object json.RawMessage }
		if err := json.Unmarshal(text, &in); err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(in.OldObject), []byte(in.Object))
	}
	f.Fuzz(func(t *testing.T, before, after []byte) {
		older, newer := &unstructured.Unstructured{}, &unstructured.Unstructured{}
		if older.UnmarshalJSON(before) != nil || newer.UnmarshalJSON(after) != nil {
			return
		}
		then, err := Managers(older)
		if err != nil {
			return
		}
		sameAsUpstream(t, then)
		now, err := Managers(newer, then...)
		if err != nil {
			return
		}
		sameAsUpstream(t, now)
		shape := Shape(then, now)
		own, others := Split(now, Takeover(nil))
		changes := fields.Diff(older.Object, newer.Object, shape)
		if again := fields.Diff(older.Object, newer.Object, Shape(then, now)); !reflect.DeepEqual(changes, again) {
			t.Errorf("compared twice:\n%v\n%v", changes, again)
		}
		if left := fields.Diff(older.Object, older.Object, shape); len(left) > 0 {
			t.Errorf("an object differs from itself: %v", left)
		}
		if (len(changes) == 0) != fields.Equal(older.Object, newer.Object) {
			t.Errorf("%d changes between\n%s\n%s", len(changes), before, after)
		}
		for _, c := range changes {
			if got, _ := fields.Get(older.Object, c.Path); !fields.Equal(got, c.Before) {
				t.Errorf("%s was %v, but is said to have been %v", fields.Name(c.Path), got, c.Before)
			}
			if got, _ := fields.Get(newer.Object, c.Path); !fields.Equal(got, c.After) {
				t.Errorf("%s is %v, but is said to be %v", fields.Name(c.Path), got, c.After)
			}
			if fields.Name(c.Path) == "" {
				t.Error("a change has no name")
			}
			Holds(own, c.Path)
			for _, kind := range []Kind{Kustomization, HelmRelease} {
				Last(now, kind, c.Path)
			}
		}
		fields.Remove(newer.Object, own, others)
		fields.Contains(newer.Object, older.Object, shape)
		Declared(now, HelmRelease)
		Proven(newer)
		OptOut(newer)
	})
}

// sameAsUpstream checks that managers' fields are those that structured-merge-diff itself reads.
func sameAsUpstream(t *testing.T, managers []Manager) {
	t.Helper()
	for _, m := range managers {
		text, err := json.Marshal(m.encoded)
		if err != nil {
			t.Fatal(err)
		}
		want := fieldpath.NewSet()
		if m.encoded == nil {
			text = []byte("{}")
		}
		if err := want.FromJSON(bytes.NewReader(text)); err != nil {
			t.Errorf("structured-merge-diff refuses %s: %v", text, err)
		} else if !want.Equals(m.Fields) {
			t.Errorf("%s is read as %s, not %s", text, m.Fields, want)
		}
	}
}
