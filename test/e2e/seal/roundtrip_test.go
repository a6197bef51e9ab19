package seal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/seal"
)

// secrets are what has to survive both ways.
func secrets(t *testing.T) map[string]*corev1.Secret {
	t.Helper()
	binary := make([]byte, 256)
	for i := range binary {
		binary[i] = byte(i)
	}
	data := func(values map[string][]byte) *corev1.Secret {
		return &corev1.Secret{Data: values}
	}
	typed := data(map[string][]byte{".dockerconfigjson": []byte(`{"auths":{"ghcr.io":{"auth":"` + canary + `"}}}`)})
	typed.Type = corev1.SecretTypeDockerConfigJson
	immutable := data(map[string][]byte{"password": []byte(canary)})
	immutable.Immutable = ptr.To(true)
	labelled := data(map[string][]byte{"password": []byte(canary)})
	labelled.Labels = map[string]string{"contoso.com/team": "payments"}
	labelled.Annotations = map[string]string{"contoso.com/owner": "payments@contoso.com", "reflector.v1.k8s.emberstack.com/reflection-allowed": "true"}
	return map[string]*corev1.Secret{
		"text":   data(map[string][]byte{"password": []byte(canary), "user": []byte("payments")}),
		"binary": data(map[string][]byte{"all-bytes": binary}),
		"empty":  data(map[string][]byte{"empty": {}, "line": []byte("\n")}),
		"lines":  data(map[string][]byte{"cert.pem": []byte("-----BEGIN X-----\r\n" + canary + "\n\ttab: é 漢 \x00\n")}),
		"1 MB":   data(map[string][]byte{"blob": random(t, 1_000_000)}),
		"1 MiB":  data(map[string][]byte{"blob": random(t, seal.MaxValues)}),
		"names": data(map[string][]byte{".hidden": []byte("1"), "a..b": []byte("2"), "UPPER_case-1.2": []byte("3"), "true": []byte("4"), "1e3": []byte("5"),
			"null": []byte("6"), "-": []byte("7"), "_": []byte("8"), strings.Repeat("k", 253): []byte("9")}),
		"typed":     typed,
		"immutable": immutable,
		"labelled":  labelled,
	}
}

// named is a Secret with its identity, in a scope.
func named(from *corev1.Secret, name string, scope seal.Scope) *corev1.Secret {
	out := from.DeepCopy()
	out.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}
	out.Namespace, out.Name = "payments", name
	if out.Type == "" {
		out.Type = corev1.SecretTypeOpaque
	}
	switch scope {
	case seal.NamespaceWide:
		metav1.SetMetaDataAnnotation(&out.ObjectMeta, "sealedsecrets.bitnami.com/namespace-wide", "true")
	case seal.ClusterWide:
		metav1.SetMetaDataAnnotation(&out.ObjectMeta, "sealedsecrets.bitnami.com/cluster-wide", "true")
	case seal.Strict:
	}
	return out
}

func manifest(t *testing.T, secret *corev1.Secret) string {
	t.Helper()
	text, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// same compares what a Secret is, apart from the mark of its scope.
func same(t *testing.T, got, want *corev1.Secret) {
	t.Helper()
	if got.Name != want.Name || got.Namespace != want.Namespace || got.Type != want.Type || ptr.Deref(got.Immutable, false) != ptr.Deref(want.Immutable, false) {
		t.Errorf("got %s/%s of type %q, want %s/%s of type %q", got.Namespace, got.Name, got.Type, want.Namespace, want.Name, want.Type)
	}
	if !maps.Equal(got.Labels, want.Labels) {
		t.Errorf("labels are %v, want %v", got.Labels, want.Labels)
	}
	for key, value := range want.Annotations {
		if got.Annotations[key] != value {
			t.Errorf("annotation %s is %q, want %q", key, got.Annotations[key], value)
		}
	}
	if !maps.EqualFunc(got.Data, want.Data, bytes.Equal) {
		for key, value := range want.Data {
			if !bytes.Equal(got.Data[key], value) {
				t.Errorf("item %q differs: %d bytes, want %d", key, len(got.Data[key]), len(value))
			}
		}
		t.Errorf("there are %d items, want %d", len(got.Data), len(want.Data))
	}
}

func decode(t *testing.T, text string) *corev1.Secret {
	t.Helper()
	out := &corev1.Secret{}
	if err := yaml.Unmarshal([]byte(text), out); err != nil {
		t.Fatal(err)
	}
	for key, value := range out.StringData {
		if out.Data == nil {
			out.Data = map[string][]byte{}
		}
		out.Data[key] = []byte(value)
	}
	return out
}

func TestWhatWeSealKubesealOpensAndWhatItSealsWeOpen(t *testing.T) {
	r := newRepository(t)
	key, cert := filepath.Join(shared.keys, "shared.key"), filepath.Join(shared.keys, "shared.crt")
	all := secrets(t)
	for _, scope := range []seal.Scope{seal.Strict, seal.NamespaceWide, seal.ClusterWide} {
		for kind, secret := range all {
			if scope != seal.Strict && strings.HasPrefix(kind, "1 M") {
				continue // once is enough
			}
			t.Run(fmt.Sprintf("%s %s", scope.String(), kind), func(t *testing.T) {
				r.t = t
				want := named(secret, strings.ToLower(strings.ReplaceAll(kind, " ", "-")), scope)
				ours := r.pipe(manifest(t, want), "kubectl-gitops_seal", "seal", "-f", "-")
				if strings.Contains(ours, canary) {
					t.Error("the SealedSecret holds a value")
				}
				same(t, decode(t, r.pipe(ours, "kubeseal", "--recovery-unseal", "--recovery-private-key", key)), want)

				theirs := r.pipe(manifest(t, want), "kubeseal", "--cert", cert, "--format", "yaml")
				r.write("theirs.yaml", theirs)
				got := decode(t, r.must("kubectl-gitops_seal", "view", "theirs.yaml", "--key", key, "--reveal"))
				same(t, got, want)
				if want.Immutable != nil && !strings.Contains(ours, "immutable: true") && !strings.Contains(ours, `"immutable": true`) {
					t.Error("what we seal is not immutable any more")
				}
			})
		}
	}
}

func TestTemplatesAreFilledInTheSameWay(t *testing.T) {
	r := newRepository(t)
	key := filepath.Join(shared.keys, "shared.key")
	sealed := r.pipe(secret("payments"), "kubectl-gitops_seal", "seal", "-f", "-")
	r.write("db.yaml", sealed+"  template:\n    data:\n      dsn: 'postgres://payments:{{ .password | urlquery }}@db'\n")
	theirs := decode(t, r.pipe(r.read("db.yaml"), "kubeseal", "--recovery-unseal", "--recovery-private-key", key))
	ours := decode(t, r.must("kubectl-gitops_seal", "view", "db.yaml", "--key", key, "--reveal"))
	if want := "postgres://payments:" + canary + "+of+db@db"; string(theirs.Data["dsn"]) != want || string(ours.Data["dsn"]) != want {
		t.Errorf("kubeseal fills in %q and we %q, want %q", theirs.Data["dsn"], ours.Data["dsn"], want)
	}
	r.seal(0, []string{"The key opens the SealedSecret."}, "verify", "--key", key)
	r.write("db.yaml", strings.Replace(r.read("db.yaml"), "urlquery", "nosuchfunction", 1))
	r.seal(1, []string{"Template payments/db Its items open, but its template cannot be filled in with them."}, "verify", "--key", key)
	r.seal(1, []string{"Template payments/db not in prod-us"}, "verify", "--contexts", us)
}
