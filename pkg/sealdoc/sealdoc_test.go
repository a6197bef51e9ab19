package sealdoc

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	ssv1alpha1 "github.com/bitnami-labs/sealed-secrets/pkg/apis/sealedsecrets/v1alpha1"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/gitops-drift/gitops-drift/pkg/seal"
	"github.com/gitops-drift/gitops-drift/pkg/sealkey"
	"github.com/gitops-drift/gitops-drift/pkg/yamledit"
)

// pairs are made once; a key takes its time.
var pairs = func() (out [2]*sealkey.Pair) {
	for i := range out {
		var err error
		if out[i], err = sealkey.Generate(2048, time.Hour, time.Now()); err != nil {
			panic(err)
		}
	}
	return out
}()

func ring(t testing.TB, pairs ...*sealkey.Pair) sealkey.Keyring {
	t.Helper()
	out := sealkey.Keyring{}
	for _, p := range pairs {
		if err := out.Add(p.Key); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func document(t testing.TB, text string) *yamledit.Document {
	t.Helper()
	d, err := yamledit.NewDocument(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// unsealed is what the library, and so the controller, makes of a document.
func unsealed(t testing.TB, d *yamledit.Document, keys sealkey.Keyring) map[string]string {
	t.Helper()
	s, err := Read(d)
	if err != nil {
		t.Fatalf("%v\n%s", err, d.Text())
	}
	secret, err := s.Unseal(scheme.Codecs, keys)
	if err != nil {
		t.Fatalf("%v\n%s", err, d.Text())
	}
	out := map[string]string{}
	for key, value := range secret.Data {
		out[key] = string(value)
	}
	return out
}

var moving = []struct {
	pattern *regexp.Regexp
	stands  string
}{
	{regexp.MustCompile(`A[gQ][A-Za-z0-9+/]{300,}=*`), "SEALED"},
	{regexp.MustCompile(`SHA256:[A-Za-z0-9+/]{43}`), "FINGERPRINT"},
	{regexp.MustCompile(`sha256:[0-9a-f]{64}`), "DIGEST"},
}

// normal puts names in place of what differs from run to run.
func normal(text string) string {
	for _, m := range moving {
		text = m.pattern.ReplaceAllString(text, m.stands)
	}
	return text
}

func TestASecretBecomesASealedSecretInItsPlace(t *testing.T) {
	for _, test := range []struct {
		name, secret, want string
		remarks            string
		values             map[string]string
	}{
		{name: "comments, order, style", secret: `---
# The database of payments.
apiVersion: v1 # core
kind: Secret
metadata:
  # whose it is
  name: db
  namespace: payments # not prod
  labels: # for the team
    app: "payments"   # quoted
    # why
    tier: 'db'
  creationTimestamp: null
  annotations:
    note: |
      two
      lines
    kubectl.kubernetes.io/last-applied-configuration: |
      {"data":{"password":"swordfish"}}

# what kubectl calls generic
type: Opaque
immutable: true

stringData: # plain
  # rotated each year
  password: swordfish # ask Anna

  "config.yaml": | # a file
    user: x
    # no comment
    pass: swordfish

  empty: ""
data:
    # binary
    user: YWRtaW4=
# the end
`, want: `---
# The database of payments.
apiVersion: bitnami.com/v1alpha1 # core
kind: SealedSecret
metadata:
  # whose it is
  name: db
  namespace: payments # not prod
  annotations:
    seal.gitops-drift.dev/certificate: FINGERPRINT
    seal.gitops-drift.dev/digest: DIGEST

spec:
  encryptedData: # plain
    # rotated each year
    password: SEALED # ask Anna

    "config.yaml": SEALED # a file

    empty: SEALED
    # binary
    user: SEALED
  template:
    metadata:
      labels: # for the team
        app: "payments"   # quoted
        # why
        tier: 'db'
      annotations:
        note: |
          two
          lines

    # what kubectl calls generic
    type: Opaque
    immutable: true
# the end
`, values: map[string]string{"password": "swordfish", "config.yaml": "user: x\n# no comment\npass: swordfish\n", "empty": "", "user": "admin"}},
		{name: "without a namespace, CRLF, no line break at the end", secret: "apiVersion: v1\r\nkind: Secret\r\nmetadata:\r\n    name: db\r\ndata:\r\n    a: YWRtaW4=",
			want: "apiVersion: bitnami.com/v1alpha1\r\nkind: SealedSecret\r\nmetadata:\r\n    name: db\r\n    namespace: payments\r\n    annotations:\r\n        seal.gitops-drift.dev/certificate: FINGERPRINT\r\n" +
				"        seal.gitops-drift.dev/digest: DIGEST\r\nspec:\r\n    encryptedData:\r\n        a: SEALED\r\n", values: map[string]string{"a": "admin"}},
		{name: "scope in annotations", secret: `apiVersion: v1
kind: Secret
metadata:
  annotations:
    sealedsecrets.bitnami.com/namespace-wide: "true" # moves around
  namespace: payments
  name: db
stringData: {a: b, "yes": c}
`, want: `apiVersion: bitnami.com/v1alpha1
kind: SealedSecret
metadata:
  namespace: payments
  name: db
  annotations:
    seal.gitops-drift.dev/certificate: FINGERPRINT
    seal.gitops-drift.dev/digest: DIGEST
    sealedsecrets.bitnami.com/namespace-wide: "true"
spec:
  encryptedData:
    a: SEALED
    "yes": SEALED
  template:
    metadata:
      annotations:
        sealedsecrets.bitnami.com/namespace-wide: "true" # moves around
`, values: map[string]string{"a": "b", "yes": "c"}},
		{name: "comments that quote values", secret: `# was swordfish before
apiVersion: v1
kind: Secret
metadata: {name: db, namespace: payments}
stringData:
  a: swordfish # c3dvcmRmaXNo in base64
  # kept
  b: |
    first line
    second line
# second line, too
`, want: `apiVersion: bitnami.com/v1alpha1
kind: SealedSecret
metadata:
  name: db
  namespace: payments
  annotations:
    seal.gitops-drift.dev/certificate: FINGERPRINT
    seal.gitops-drift.dev/digest: DIGEST
spec:
  encryptedData:
    a: SEALED
    # kept
    b: SEALED
`, remarks: RemarkComment, values: map[string]string{"a": "swordfish", "b": "first line\nsecond line\n"}},
		{name: "comments that quote values, in block style", secret: `# was swordfish before
apiVersion: v1
kind: Secret
metadata:
  name: db
  namespace: payments
stringData:
  user: payments
  a: swordfish # c3dvcmRmaXNo in base64
  # kept, for payments
  b: |
    first line
    second line
# second line, too
`, want: `apiVersion: bitnami.com/v1alpha1
kind: SealedSecret
metadata:
  name: db
  namespace: payments
  annotations:
    seal.gitops-drift.dev/certificate: FINGERPRINT
    seal.gitops-drift.dev/digest: DIGEST
spec:
  encryptedData:
    user: SEALED
    a: SEALED
    # kept, for payments
    b: SEALED
`, remarks: RemarkComment, values: map[string]string{"user": "payments", "a": "swordfish", "b": "first line\nsecond line\n"}},
		{name: "JSON", secret: `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"db","namespace":"payments","labels":{"a":"b"}},"data":{"a":"YWRtaW4="},"type":"x"}`,
			want: `{
  "apiVersion": "bitnami.com/v1alpha1",
  "kind": "SealedSecret",
  "metadata": {
    "annotations": {
      "seal.gitops-drift.dev/certificate": "FINGERPRINT",
      "seal.gitops-drift.dev/digest": "DIGEST"
    },
    "name": "db",
    "namespace": "payments"
  },
  "spec": {
    "encryptedData": {
      "a": "SEALED"
    },
    "template": {
      "metadata": {
        "labels": {
          "a": "b"
        }
      },
      "type": "x"
    }
  }
}
`, values: map[string]string{"a": "admin"}},
		{name: "anchors", secret: `apiVersion: v1
kind: Secret
metadata:
  name: &name db
  namespace: payments
  labels: {app: *name}
stringData:
  a: &value swordfish
  b: *value
  c: *name
`, want: `apiVersion: bitnami.com/v1alpha1
kind: SealedSecret
metadata:
  name: &name db
  namespace: payments
  annotations:
    seal.gitops-drift.dev/certificate: FINGERPRINT
    seal.gitops-drift.dev/digest: DIGEST
spec:
  encryptedData:
    a: SEALED
    b: SEALED
    c: SEALED
  template:
    metadata:
      labels: {app: *name}
`, values: map[string]string{"a": "swordfish", "b": "swordfish", "c": "db"}},
		{name: "a field twice", secret: `apiVersion: v1
kind: Secret
metadata:
  name: db
  namespace: payments
data:
  a: YWRtaW4=
  b: YWRtaW4=
stringData:
  a: wins
`, want: `apiVersion: bitnami.com/v1alpha1
kind: SealedSecret
metadata:
  name: db
  namespace: payments
  annotations:
    seal.gitops-drift.dev/certificate: FINGERPRINT
    seal.gitops-drift.dev/digest: DIGEST
spec:
  encryptedData:
    b: SEALED
    a: SEALED
`, values: map[string]string{"a": "wins", "b": "admin"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := document(t, test.secret)
			s := &Sealer{Certificate: pairs[0].Certificate, Namespace: "payments"}
			remarks, err := s.Seal(d, Scope{})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(remarks, "; "); got != test.remarks {
				t.Errorf("remarks %q, want %q", got, test.remarks)
			}
			if test.want != "" && normal(d.Text()) != test.want {
				t.Errorf("got\n%s\nwant\n%s", normal(d.Text()), test.want)
			}
			if got := unsealed(t, d, ring(t, pairs[0])); fmt.Sprint(got) != fmt.Sprint(test.values) {
				t.Errorf("opened %q, want %q", got, test.values)
			}
			if strings.Contains(d.Text(), "swordfish") || strings.Contains(d.Text(), "c3dvcmRmaXNo") {
				t.Errorf("a value is still there:\n%s", d.Text())
			}
			sealed, err := Read(d)
			if err != nil || Recorded(sealed) != Intact {
				t.Errorf("its record is %v, %v", Recorded(sealed), err)
			}
		})
	}
}

func TestWhatCannotBeSealedIsLeftAloneAndNotQuoted(t *testing.T) {
	const head = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: db\n  namespace: payments\n"
	for _, test := range []struct{ name, text, want string }{
		{"no base64", head + "data:\n  a: swordfish!\n", "line 1: is no valid Secret: values of data have to be base64"},
		{"a number", head + "stringData:\n  a: 4711\n", "line 1: is no valid Secret: stringData has to be a string, not a number"},
		{"a list", head + "stringData: [swordfish]\n", "is no valid Secret"},
		{"an unknown field", head + "datas:\n  a: swordfish\n", `unknown field "datas"`},
		{"no name", "apiVersion: v1\nkind: Secret\nstringData:\n  a: swordfish\n", "line 1: the Secret has no metadata.name"},
		{"a generated name", "apiVersion: v1\nkind: Secret\nmetadata: {generateName: x}\nstringData:\n  a: swordfish\n", "has a generateName"},
		{"another namespace", strings.Replace(head, "payments", "catalog", 1) + "stringData:\n  a: swordfish\n", "Secret db is in namespace catalog, but should be in payments"},
		{"no data", head, "Secret payments/db has no data"},
		{"a strange key", head + "stringData:\n  a b: swordfish\n", `"a b" cannot be a key of a Secret`},
		{"a key twice", head + "stringData:\n  a: swordfish\n  a: swordfish\n", "line 8: has a key twice"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := document(t, test.text)
			s := &Sealer{Certificate: pairs[0].Certificate, Namespace: "payments"}
			_, err := s.Seal(d, Scope{})
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "swordfish") || strings.Contains(err.Error(), "4711") {
				t.Errorf("got %v, want %q", err, test.want)
			}
			if d.Text() != test.text {
				t.Errorf("it became\n%s", d.Text())
			}
		})
	}
}

const sealedText = `# The database.
apiVersion: bitnami.com/v1alpha1
kind: SealedSecret
metadata:
  name: db
  namespace: payments # here
spec:
  encryptedData:
    # rotated each year
    password: %s # ask Anna
    folded: >-
      %s
    literal: |
      %s
    double: "%s"
    single: '%s'
  template:
    metadata:
      labels: {app: db}
    data:
      url: "postgres://{{ .password }}" # a template
    type: Opaque
`

// sealedBy returns a SealedSecret as kubeseal leaves it, without a record, whose items have their keys' names as values.
func sealedBy(t testing.TB, p *sealkey.Pair) string {
	t.Helper()
	var items []any
	for _, key := range []string{"password", "folded", "literal", "double", "single"} {
		item, err := seal.Item(&p.Key.PublicKey, seal.Target{Namespace: "payments", Name: "db"}, []byte(key))
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, item)
	}
	return fmt.Sprintf(sealedText, items...)
}

// changedLines are the lines of after that are not at the same place in before, normalised; what was added is there whole.
func changedLines(before, after string) string {
	old := map[string]bool{}
	for _, line := range strings.Split(before, "\n") {
		old[line] = true
	}
	var out []string
	for _, line := range strings.Split(after, "\n") {
		if !old[line] {
			out = append(out, strings.TrimSpace(normal(line)))
		}
	}
	return strings.Join(out, "\n")
}

func TestSealingAnewLosesNothing(t *testing.T) {
	before := sealedBy(t, pairs[0])
	d := document(t, before)
	s := &Sealer{Certificate: pairs[1].Certificate}
	result, err := s.Reseal(d, ring(t, pairs[0]))
	if err != nil || result != (Resealed{"payments", "db", true, 5}) {
		t.Fatalf("%+v, %v", result, err)
	}
	want := strings.Replace(normal(before), "# here\n", "# here\n  annotations:\n    seal.gitops-drift.dev/certificate: FINGERPRINT\n    seal.gitops-drift.dev/digest: DIGEST\n", 1)
	if normal(d.Text()) != want {
		t.Errorf("got\n%s\nwant\n%s", normal(d.Text()), want)
	}
	got := unsealed(t, d, ring(t, pairs[1]))
	if len(got) != 6 || got["password"] != "password" || got["literal"] != "literal" || got["url"] != "postgres://password" {
		t.Errorf("opened %q", got)
	}
	again := d.Text()
	if result, err := s.Reseal(d, nil); err != nil || result.Changed || d.Text() != again {
		t.Errorf("a second time: %+v, %v", result, err)
	}
	// What was done in part goes on, and what the new key opens keeps its ciphertext.
	mixed := document(t, before)
	if _, err := s.Set(mixed, "password", []byte("new")); err != nil {
		t.Fatal(err)
	}
	kept := mixed.Get("spec", "encryptedData", "password").Value
	if result, err := s.Reseal(mixed, ring(t, pairs[:]...)); err != nil || result.Items != 4 || mixed.Get("spec", "encryptedData", "password").Value != kept {
		t.Errorf("%+v, %v", result, err)
	}
	if got := unsealed(t, mixed, ring(t, pairs[1])); got["password"] != "new" {
		t.Errorf("opened %q", got)
	}
}

func TestNothingIsSealedAnewIfOneItemDoesNotOpen(t *testing.T) {
	d := document(t, sealedBy(t, pairs[0]))
	other, err := seal.Item(&pairs[1].Key.PublicKey, seal.Target{Namespace: "payments", Name: "db"}, []byte("swordfish"))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Set(other, "spec", "encryptedData", "alien"); err != nil {
		t.Fatal(err)
	}
	if err := d.Set("swordfish", "spec", "encryptedData", "broken"); err != nil {
		t.Fatal(err)
	}
	before := d.Text()
	_, err = (&Sealer{Certificate: pairs[1].Certificate}).Reseal(d, ring(t, pairs[0]))
	if err == nil || d.Text() != before {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"line 17: SealedSecret payments/db: item alien is not opened", "line 18: SealedSecret payments/db: item broken is no base64"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

func TestSettingAnItemChangesItsLineAndTheRecord(t *testing.T) {
	base := document(t, sealedBy(t, pairs[0]))
	s := &Sealer{Certificate: pairs[0].Certificate}
	if _, err := s.Set(base, "password", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if Recorded(mustRead(t, base)) != NoRecord {
		t.Error("a record vouches for items that nobody has seen")
	}
	recorded := document(t, base.Text())
	if _, err := s.SetAll(recorded, ring(t, pairs[0]), map[string][]byte{"password": []byte("new"), "folded": []byte("folded")}); err != nil {
		t.Fatal(err)
	}
	if got := mustRead(t, recorded); Recorded(got) != Intact || got.Annotations[seal.CertificateAnnotation] != pairs[0].Certificate.Fingerprint {
		t.Fatalf("the record is %v", got.Annotations)
	}

	before := recorded.Text()
	other := &Sealer{Certificate: pairs[1].Certificate}
	if remark, err := other.Set(recorded, "password", []byte("newer")); err != nil || remark != "" {
		t.Fatal(remark, err)
	}
	if got := changedLines(before, recorded.Text()); got != "seal.gitops-drift.dev/certificate: FINGERPRINT,FINGERPRINT\nseal.gitops-drift.dev/digest: DIGEST\npassword: SEALED # ask Anna" {
		t.Errorf("changed:\n%s", got)
	}
	if got := unsealed(t, recorded, ring(t, pairs[:]...)); got["password"] != "newer" || got["folded"] != "folded" {
		t.Errorf("opened %q", got)
	}
	if err := recorded.Set(recorded.Get("spec", "encryptedData", "password").Value, "spec", "encryptedData", "copy"); err != nil {
		t.Fatal(err)
	}
	if remark, err := s.Set(recorded, "password", nil); err != nil || !strings.Contains(remark, "changed by something else") || Recorded(mustRead(t, recorded)) != Broken {
		t.Errorf("a record that was not true any more: %q, %v", remark, err)
	}

	if _, err := s.Unset(recorded, "nothing"); err == nil || !strings.Contains(err.Error(), "has no item nothing; it has copy, folded, password") {
		t.Errorf("got %v", err)
	}
	for _, key := range []string{"copy", "folded", "password"} {
		if _, err := s.Unset(recorded, key); err != nil {
			t.Fatal(err)
		}
	}
	if got := mustRead(t, recorded); len(got.Spec.EncryptedData) != 0 {
		t.Errorf("left: %v", got.Spec.EncryptedData)
	}
	if _, err := s.Set(recorded, "password", []byte{0, 1}); err != nil || unsealed(t, recorded, ring(t, pairs[0]))["password"] != "\x00\x01" {
		t.Errorf("an item in the place of none: %v", err)
	}
}

func TestAnItemWithTheValueThatItHadKeepsItsCiphertext(t *testing.T) {
	d := document(t, sealedBy(t, pairs[0]))
	s := &Sealer{Certificate: pairs[0].Certificate}
	values, err := Items(mustRead(t, d), seal.Target{Namespace: "payments", Name: "db"}, ring(t, pairs[0]))
	if err != nil {
		t.Fatal(err)
	}
	before := d.Text()
	if changed, err := s.SetAll(d, ring(t, pairs[0]), values); err != nil || changed != nil || d.Text() != before {
		t.Errorf("nothing differs, but %v changed, %v", changed, err)
	}
	delete(values, "single")
	values["double"], values["more"] = []byte("other"), bytes.Repeat([]byte{1}, 1_000_000)
	changed, err := s.SetAll(d, ring(t, pairs[0]), values)
	if err != nil || strings.Join(changed, " ") != "double more single" {
		t.Errorf("%v, %v", changed, err)
	}
	got := unsealed(t, d, ring(t, pairs[0]))
	delete(got, "url")
	for key, value := range values {
		if got[key] != string(value) {
			t.Errorf("%s is another value", key)
		}
	}
	for _, key := range []string{"password", "folded", "literal"} {
		if !strings.Contains(before, d.Get("spec", "encryptedData", key).Value) {
			t.Errorf("%s was sealed anew", key)
		}
	}
}

func TestASealedSecretIsReadStrictly(t *testing.T) {
	const head = "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata:\n  name: db\n  namespace: payments\n"
	for _, test := range []struct{ text, want string }{
		{head + "spec:\n  encryptedData:\n    a: AgB\n    b: 12\n", "line 9: SealedSecret payments/db: item b is no text"},
		{head + "spec:\n  encryptedData: [a]\n", "is no valid SealedSecret"},
		{head + "spec:\n  data: AgB\n", "has spec.data, which controllers do not open any more"},
		{strings.Replace(head, "  name: db\n", "", 1) + "spec: {}\n", "the SealedSecret has no metadata.name"},
		{"apiVersion: v1\nkind: Secret\n", "is no SealedSecret of bitnami.com/v1alpha1 but v1 Secret"},
		{"# nothing\n", "no manifest at all"},
	} {
		if _, err := Read(document(t, test.text)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("got %v, want %q", err, test.want)
		}
	}
}

func TestTheNamespaceIsThatOfTheManifestOrTheGivenOne(t *testing.T) {
	const text = "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata:\n  name: db\n  namespace: %s\nspec:\n  encryptedData: {}\n  template:\n    metadata:\n      namespace: %s\n"
	for _, test := range []struct{ own, template, given, want, err string }{
		{own: "a", template: "b", want: "a/db (strict)"},
		{own: "a", given: "a", want: "a/db (strict)"},
		{own: "a", given: "b", err: "SealedSecret db is in namespace a, but should be in b"},
		{template: "b", given: "c", want: "c/db (strict)"},
		{template: "b", want: "b/db (strict)"},
		{err: "SealedSecret db: strict scope binds the namespace, and none is known"},
	} {
		s := mustRead(t, document(t, fmt.Sprintf(text, test.own, test.template)))
		target, err := TargetOf(s, test.given)
		if test.err == "" && (err != nil || target.String() != test.want) || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%+v: got %s, %v", test, target, err)
		}
	}
}

func mustRead(t testing.TB, d *yamledit.Document) *ssv1alpha1.SealedSecret {
	t.Helper()
	s, err := Read(d)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
