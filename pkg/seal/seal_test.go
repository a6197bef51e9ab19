package seal

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	ssv1alpha1 "github.com/bitnami-labs/sealed-secrets/pkg/apis/sealedsecrets/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/gitops-drift/gitops-drift/pkg/sealkey"
)

func pair(t testing.TB, bits int) (*sealkey.Pair, sealkey.Keyring) {
	t.Helper()
	p, err := sealkey.Generate(bits, time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ring := sealkey.Keyring{}
	if err := ring.Add(p.Key); err != nil {
		t.Fatal(err)
	}
	return p, ring
}

func TestAnItemOpensOnlyWhereItsScopeAllows(t *testing.T) {
	p, ring := pair(t, 2048)
	other, _ := pair(t, 2048)
	if err := ring.Add(other.Key); err != nil {
		t.Fatal(err)
	}
	for _, scope := range []Scope{Strict, NamespaceWide, ClusterWide} {
		for _, value := range [][]byte{[]byte("swordfish"), {}, {0, 255, '\n'}, bytes.Repeat([]byte("x"), 1<<20)} {
			sealed, err := Item(&p.Key.PublicKey, Target{"payments", "db", scope}, value)
			if err != nil {
				t.Fatal(err)
			}
			for target, opens := range map[Target]bool{
				{"payments", "db", scope}:    true,
				{"payments", "other", scope}: scope != Strict,
				{"other", "db", scope}:       scope == ClusterWide,
			} {
				got, err := Open(ring, target, sealed)
				if opens != (err == nil) || opens && !bytes.Equal(got, value) || !opens && !errors.Is(err, ErrNotOpened) {
					t.Errorf("sealed %s, opened as %s: %v", &scope, target, err)
				}
			}
			// The library's own way, which is the controller's.
			s := &ssv1alpha1.SealedSecret{ObjectMeta: metav1.ObjectMeta{Namespace: "payments", Name: "db", Annotations: ssv1alpha1.UpdateScopeAnnotations(nil, scope)}}
			s.Spec.EncryptedData = map[string]string{"k": sealed}
			if TargetOf(s) != (Target{"payments", "db", scope}) {
				t.Errorf("target %s", TargetOf(s))
			}
			if secret, err := s.Unseal(scheme.Codecs, ring); err != nil || !bytes.Equal(secret.Data["k"], value) {
				t.Errorf("%s: the controller would not open it: %v", &scope, err)
			}
		}
	}
}

func TestNothingIsSealedForNobody(t *testing.T) {
	p, _ := pair(t, 2048)
	for target, want := range map[Target]string{
		{Name: "db"}:           "strict scope binds the namespace",
		{Namespace: "x"}:       "strict scope binds the name,",
		{Scope: NamespaceWide}: "namespace-wide scope binds the namespace",
	} {
		if _, err := Item(&p.Key.PublicKey, target, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v, want %q", target, err, want)
		}
	}
	if _, err := Item(&p.Key.PublicKey, Target{Scope: ClusterWide}, nil); err != nil {
		t.Error(err)
	}
}

func TestADamagedItemIsAnErrorThatSaysWhy(t *testing.T) {
	p, ring := pair(t, 2048)
	target := Target{"payments", "db", Strict}
	sealed, err := Item(&p.Key.PublicKey, target, []byte("swordfish"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(raw)
	flipped[len(flipped)-1] ^= 1
	long := bytes.Clone(raw)
	long[0] = 255
	encode := base64.StdEncoding.EncodeToString
	for sealed, want := range map[string]error{
		"":                              ErrTruncated,
		"AQ==":                          ErrTruncated,
		encode(raw[:len(raw)-10]):       ErrTruncated,
		encode(long):                    ErrTruncated,
		"swordfish!":                    ErrNotBase64,
		sealed[:60] + " " + sealed[60:]: ErrNotBase64,
		encode(flipped):                 ErrNotOpened,
		encode(append(raw, 0)):          ErrNotOpened,
	} {
		if _, err := Open(ring, target, sealed); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	if value, err := Open(ring, target, sealed[:60]+"\n"+sealed[60:]+"\n"); err != nil || string(value) != "swordfish" {
		t.Errorf("with line breaks, which the controller does not mind: %v", err)
	}
}

func TestAKeyOfAnotherSizeOrASmallerModulusIsRuledOut(t *testing.T) {
	p, _ := pair(t, 2048)
	larger, _ := pair(t, 3072)
	sealed, err := Item(&p.Key.PublicKey, Target{Scope: ClusterWide}, nil)
	if err != nil {
		t.Fatal(err)
	}
	e, err := Inspect(sealed)
	if err != nil {
		t.Fatal(err)
	}
	if e.KeyBytes != 256 || e.RulesOut(&p.Key.PublicKey) || !e.RulesOut(&larger.Key.PublicKey) {
		t.Errorf("%d bytes, own key ruled out: %t, larger one: %t", e.KeyBytes, e.RulesOut(&p.Key.PublicKey), e.RulesOut(&larger.Key.PublicKey))
	}
	p.Key.N.FillBytes(e.raw[2 : 2+256])
	if !e.RulesOut(&p.Key.PublicKey) {
		t.Error("RSA never makes an integer that equals the modulus")
	}
}

func TestTheDigestTellsItemsAndTargetsApart(t *testing.T) {
	base := map[string]string{"a": "AgAB", "b": "AgAC"}
	same := map[string]string{"b": "AgA\nC\n", "a": "AgAB"}
	target := Target{Namespace: "payments", Name: "db"}
	digest := Digest(target, base)
	if digest != Digest(target, same) || !strings.HasPrefix(digest, "sha256:") {
		t.Errorf("%s and %s differ", digest, Digest(target, same))
	}
	for _, other := range []map[string]string{
		nil, {"a": "AgAB"}, {"a": "AgAC", "b": "AgAB"}, {"a": "AgAB", "c": "AgAC"}, {"a": "AgAB", "b": "no base64"}, {"aAgAB": "", "b": "AgAC"},
	} {
		if Digest(target, other) == digest {
			t.Errorf("%v has the same digest", other)
		}
	}
	for _, other := range []Target{
		{Namespace: "payments", Name: "db2"}, {Namespace: "shop", Name: "db"},
		{Namespace: "payments", Name: "db", Scope: NamespaceWide}, {Namespace: "payments", Name: "db", Scope: ClusterWide},
	} {
		if Digest(other, base) == digest {
			t.Errorf("%v has the same digest", other)
		}
	}
	if a, b := (Target{Namespace: "payments", Name: "a", Scope: NamespaceWide}), (Target{Namespace: "payments", Name: "b", Scope: NamespaceWide}); Digest(a, base) != Digest(b, base) {
		t.Error("a name that the scope does not bind counts")
	}
	if got := Fingerprints("SHA256:a, SHA256:b"); len(got) != 2 || got[1] != "SHA256:b" {
		t.Errorf("got %v", got)
	}
}

func FuzzOpen(f *testing.F) {
	p, ring := pair(f, 2048)
	target := Target{"payments", "db", Strict}
	sealed, err := Item(&p.Key.PublicKey, target, []byte("swordfish"))
	if err != nil {
		f.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{raw, raw[:20], {}, {0}, {0, 0}, {255, 255, 0}} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, text := range []string{string(raw), base64.StdEncoding.EncodeToString(raw)} {
			if e, err := Inspect(text); err == nil {
				e.RulesOut(&p.Key.PublicKey)
			}
			value, err := Open(ring, target, text)
			if err == nil && string(value) != "swordfish" {
				t.Errorf("%q was opened", text)
			}
			if err != nil && !errors.Is(err, ErrNotBase64) && !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrNotOpened) {
				t.Errorf("got %v", err)
			}
		}
	})
}
