package sealfleet

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/bitnami-labs/sealed-secrets/pkg/apis/sealedsecrets/v1alpha1"

	"github.com/gitops-drift/gitops-drift/pkg/seal"
	"github.com/gitops-drift/gitops-drift/pkg/sealkey"
)

const canary = "c4n4ry"

// sealedAs is a SealedSecret payments/db in a scope whose items were sealed with a key for a target.
func sealedAs(t testing.TB, scope seal.Scope, key string, target seal.Target) *v1alpha1.SealedSecret {
	t.Helper()
	out := &v1alpha1.SealedSecret{}
	out.APIVersion, out.Kind = v1alpha1.SchemeGroupVersion.String(), "SealedSecret"
	out.Namespace, out.Name = "payments", "db"
	out.Annotations = v1alpha1.UpdateScopeAnnotations(nil, scope)
	out.Spec.EncryptedData = v1alpha1.SealedSecretEncryptedData{}
	for _, item := range []string{"password", "user"} {
		text, err := seal.Item(&pairs[key]().Key.PublicKey, target, []byte(canary))
		if err != nil {
			t.Fatal(err)
		}
		out.Spec.EncryptedData[item] = text
	}
	return out
}

func ring(t testing.TB, names ...string) Keys {
	t.Helper()
	out := sealkey.Keyring{}
	for _, name := range names {
		if err := out.Add(pairs[name]().Key); err != nil {
			t.Fatal(err)
		}
	}
	return Keys(out)
}

var home = seal.Target{Namespace: "payments", Name: "db"}

func TestWhyAnItemDoesNotOpen(t *testing.T) {
	damage := func(s *v1alpha1.SealedSecret) *v1alpha1.SealedSecret {
		raw, err := base64.StdEncoding.DecodeString(s.Spec.EncryptedData["user"])
		if err != nil {
			t.Fatal(err)
		}
		raw[len(raw)-1] ^= 1
		s.Spec.EncryptedData["user"] = base64.StdEncoding.EncodeToString(raw)
		return s
	}
	strict := func(key string, target seal.Target) *v1alpha1.SealedSecret {
		return sealedAs(t, seal.Strict, key, target)
	}
	for name, test := range map[string]struct {
		sealed *v1alpha1.SealedSecret
		want   []string // item, why and part of the message
	}{
		"it opens":              {sealed: strict("shared", home)},
		"with an old key":       {sealed: strict("old", home)},
		"another key":           {sealed: strict("new", home), want: []string{"password AnotherKey", "user AnotherKey"}},
		"another name":          {sealed: strict("shared", seal.Target{Namespace: "payments", Name: "other"}), want: []string{"password AnotherKey", "user AnotherKey"}},
		"another namespace":     {sealed: strict("shared", seal.Target{Namespace: "shop", Name: "db"}), want: []string{"password Elsewhere is sealed for shop/db (strict), and is applied as payments/db (strict)", "user Elsewhere"}},
		"namespace-wide, there": {sealed: strict("shared", seal.Target{Namespace: "shop", Scope: seal.NamespaceWide, Name: "db"}), want: []string{"password Elsewhere is sealed for shop/db (namespace-wide)", "user Elsewhere"}},
		"namespace-wide, here":  {sealed: strict("shared", seal.Target{Namespace: "payments", Scope: seal.NamespaceWide}), want: []string{"password Elsewhere is sealed for payments/db (namespace-wide)", "user Elsewhere"}},
		"cluster-wide":          {sealed: strict("shared", seal.Target{Scope: seal.ClusterWide}), want: []string{"password Elsewhere is sealed for payments/db (cluster-wide)", "user Elsewhere"}},
		"the name of its template": {sealed: func() *v1alpha1.SealedSecret {
			s := strict("shared", seal.Target{Namespace: "payments", Name: "other"})
			s.Spec.Template.Name = "other"
			return s
		}(), want: []string{"password Elsewhere is sealed for payments/other (strict)", "user Elsewhere"}},
		"strict, and annotated": {sealed: sealedAs(t, seal.ClusterWide, "shared", home), want: []string{"password Elsewhere is sealed for payments/db (strict), and is applied as payments/db (cluster-wide)", "user Elsewhere"}},
		"one damaged":           {sealed: damage(strict("shared", home)), want: []string{"user Damaged is damaged: it was sealed with SHA256:"}},
		"damaged and elsewhere": {sealed: damage(strict("shared", seal.Target{Namespace: "shop", Name: "db"})), want: []string{"password Elsewhere", "user Damaged is damaged: it was sealed with SHA256:"}},
		"no ciphertext": {sealed: func() *v1alpha1.SealedSecret {
			s := strict("shared", home)
			s.Spec.EncryptedData["password"] = "hunter2!"
			return s
		}(), want: []string{"password Damaged is no base64"}},
		"a template": {sealed: func() *v1alpha1.SealedSecret {
			s := strict("shared", home)
			s.Spec.Template.Data = map[string]string{"dsn": "{{ nosuch .password }}"}
			return s
		}(), want: []string{" Template its items open, but its template cannot be filled in"}},
	} {
		t.Run(name, func(t *testing.T) {
			elsewhere := strict("shared", seal.Target{Namespace: "shop", Name: "x"})
			elsewhere.Namespace, elsewhere.Name = "shop", "x"
			found, err := Verify(t.Context(), ring(t, "shared", "old"), []Subject{{Object: test.sealed}, {Object: elsewhere}}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(found.Verdicts) != 2 || found.Of != 2 || len(found.Verdicts[1].Failures) > 0 {
				t.Fatalf("got %+v", found)
			}
			got := found.Verdicts[0].Failures
			if len(got) != len(test.want) {
				t.Fatalf("got %+v, want %v", got, test.want)
			}
			for i, f := range got {
				if text := f.Item + " " + string(f.Why) + " " + f.Message; !strings.HasPrefix(text, test.want[i]) {
					t.Errorf("got %q, want %q", text, test.want[i])
				}
				if strings.Contains(f.Message, canary) || strings.Contains(f.Message, "hunter2") {
					t.Errorf("a value is told: %q", f.Message)
				}
			}
		})
	}
}

// forgetful is an opener that cannot tell after a while.
type forgetful struct {
	Opener
	left int
}

func (f *forgetful) Opens(ctx context.Context, sealed *v1alpha1.SealedSecret) (bool, error) {
	if f.left--; f.left < 0 {
		return false, errors.New("connection refused")
	}
	return f.Opener.Opens(ctx, sealed)
}

func TestWhatWasNotVerifiedIsSaid(t *testing.T) {
	subjects := []Subject{{File: "a.yaml", Line: 1, Object: sealedAs(t, seal.Strict, "shared", home)}, {File: "b.yaml", Line: 2, Object: sealedAs(t, seal.Strict, "shared", home)}}
	found, err := Verify(t.Context(), &forgetful{ring(t, "shared"), 1}, subjects, nil)
	if err == nil || err.Error() != "SealedSecret payments/db (b.yaml:2) cannot be verified: connection refused" || len(found.Verdicts) != 1 {
		t.Errorf("got %d verdicts and error %v", len(found.Verdicts), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if found, err = Verify(ctx, ring(t, "shared"), subjects, nil); err == nil || !strings.HasPrefix(err.Error(), "2 of 2 SealedSecrets were not verified") || len(found.Verdicts) != 0 {
		t.Errorf("got %d verdicts and error %v", len(found.Verdicts), err)
	}
}
