package sealfleet

import (
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/gitops-drift/gitops-drift/pkg/sealkey"
)

// pairs are keys of tests, the later ones newer; making them takes long.
var pairs = map[string]func() *sealkey.Pair{"old": pair(-2 * time.Hour), "shared": pair(-time.Hour), "new": pair(0)}

func pair(age time.Duration) func() *sealkey.Pair {
	return sync.OnceValue(func() *sealkey.Pair {
		p, err := sealkey.Generate(sealkey.MinBits, sealkey.DefaultValidity, time.Now().Add(age))
		if err != nil {
			panic(err)
		}
		return p
	})
}

func TestKeysAreReadAsTheControllerReadsThem(t *testing.T) {
	secret := func(name string, change func(*corev1.Secret)) corev1.Secret {
		out := pairs["shared"]().Secret("kube-system", name)
		change(out)
		return *out
	}
	nothing := func(*corev1.Secret) {}
	unlabelled := func(s *corev1.Secret) { s.Labels = nil }
	for name, test := range map[string]struct {
		secret  corev1.Secret
		want    bool // among the keys
		loaded  bool
		err     string
		matches bool
	}{
		"a key":                   {secret: secret("shared", nothing), want: true, loaded: true, matches: true},
		"without its label":       {secret: secret("shared", unlabelled), want: true, matches: true},
		"with the name of old":    {secret: secret("sealed-secrets-key", unlabelled), want: true, loaded: true, matches: true},
		"taken out of use":        {secret: secret("shared", func(s *corev1.Secret) { s.Labels[sealkey.Label] = "compromised" }), want: true, matches: true},
		"another certificate":     {secret: secret("shared", func(s *corev1.Secret) { s.Data["tls.crt"] = pairs["new"]().Certificate.PEM() }), want: true, loaded: true},
		"no key":                  {secret: secret("shared", func(s *corev1.Secret) { delete(s.Data, "tls.key") }), want: true, loaded: true, err: "tls.key is no private key"},
		"no certificate":          {secret: secret("shared", func(s *corev1.Secret) { s.Data["tls.crt"] = []byte("x") }), want: true, loaded: true, err: "tls.crt holds no certificate"},
		"nonsense without labels": {secret: secret("other", func(s *corev1.Secret) { s.Labels, s.Data = nil, nil })},
	} {
		t.Run(name, func(t *testing.T) {
			keys := sealingKeys([]corev1.Secret{test.secret}, defaultKeyPrefix)
			if !test.want {
				if len(keys) > 0 {
					t.Errorf("got %+v", keys)
				}
				return
			}
			key := keys[0]
			if key.loaded != test.loaded || (key.err == nil) != (test.err == "") || key.err != nil && !strings.Contains(key.err.Error(), test.err) {
				t.Errorf("got loaded %v and error %v, want %v and %q", key.loaded, key.err, test.loaded, test.err)
			}
			if test.err == "" && (key.fingerprint == key.certified) != test.matches {
				t.Errorf("opens with %s and is certified as %s", key.fingerprint, key.certified)
			}
		})
	}
}

func TestNewerKeysComeFirst(t *testing.T) {
	var secrets []corev1.Secret
	for _, name := range []string{"shared", "new", "old"} {
		secrets = append(secrets, *pairs[name]().Secret("kube-system", name))
	}
	var got []string
	for _, key := range sealingKeys(secrets, defaultKeyPrefix) {
		got = append(got, key.name)
	}
	if strings.Join(got, " ") != "new shared old" {
		t.Errorf("got %v", got)
	}
}
