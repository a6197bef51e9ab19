package seal

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/seal"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// random are bytes that no compression makes smaller.
func random(t *testing.T, n int) []byte {
	t.Helper()
	out := make([]byte, n)
	if _, err := rand.Read(out); err != nil {
		t.Fatal(err)
	}
	return out
}

// opens applies a SealedSecret as Flux does, server-side, and returns what the controller of a cluster makes of it.
func opens(t *testing.T, cluster, ns, name, sealed string) *corev1.Secret {
	t.Helper()
	kubectl(t, cluster, sealed, "apply", "--server-side", "-f", "-")
	out := &corev1.Secret{}
	patient.Until(t, cluster+" has opened "+name, func() bool {
		return kubectl(t, cluster, "", "get", "sealedsecret", name, "-n", ns, "-o", "jsonpath={.status.conditions[0].status}") == "True"
	})
	if err := yaml.Unmarshal([]byte(kubectl(t, cluster, "", "get", "secret", name, "-n", ns, "-o", "yaml")), out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestTheLargestSecretIsSealedStoredAndOpened(t *testing.T) {
	r := newRepository(t)
	ns := namespace(t, "large")
	value := random(t, seal.MaxValues)
	file := filepath.Join(t.TempDir(), "value")
	write(t, file, value)
	r.must("kubectl-gitops_seal", "seal", "blob", "-n", ns, "--from-file", "blob="+file, "--into", "blob.yaml")
	r.seal(0, []string{"Nothing is wrong: 1 SealedSecret"}, "check")
	r.seal(0, []string{"prod-eu and prod-us open the SealedSecret."}, "verify")
	if got := opens(t, us, ns, "blob", r.read("blob.yaml")); !bytes.Equal(got.Data["blob"], value) {
		t.Errorf("the Secret has %d bytes, and not those that were sealed", len(got.Data["blob"]))
	}

	// A byte more, in whichever way, no API server takes.
	write(t, file, append(value, 0))
	for _, args := range [][]string{
		{"seal", "more", "-n", ns, "--from-file", "blob=" + file}, {"seal", "blob", "-n", ns, "--from-file", "blob=" + file, "--into", "blob.yaml"},
		{"set", "-f", "blob.yaml", "blob=@" + file}, {"set", "-f", "blob.yaml", "one=1"},
	} {
		r.seal(2, []string{fmt.Sprintf("has %d bytes of values, and no API server takes a Secret of more than %d; split it", seal.MaxValues+1, seal.MaxValues)}, args...)
	}
	text := fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: more, namespace: %s}\ndata: {blob: %s}\n", ns, base64.StdEncoding.EncodeToString(append(value, 0)))
	if result := create(t, us, text); result.Code == 0 || !strings.Contains(result.Stderr, "Too long") {
		t.Errorf("the API server takes it: %d, %.300s", result.Code, result.Stderr)
	}
	r.write("theirs.yaml", r.pipe(text, "kubeseal", "--cert", filepath.Join(shared.keys, "shared.crt"), "--format", "yaml"))
	r.seal(1, []string{fmt.Sprintf("TooLarge SealedSecret large/more Its values have %d bytes, and no API server takes a Secret of more than %d.", seal.MaxValues+1, seal.MaxValues)}, "check", "theirs.yaml")
}

func TestASealedSecretThatIsTooLargeToBeStoredIsToldBefore(t *testing.T) {
	r := newRepository(t)
	ns := namespace(t, "many")
	// Each item takes 274 bytes besides its value, and base64 a third of all.
	of := func(name string, items int) string {
		var b strings.Builder
		fmt.Fprintf(&b, "apiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: %s}\ndata:\n", name, ns)
		for i := range items {
			fmt.Fprintf(&b, "  item-%04d: %s\n", i, base64.StdEncoding.EncodeToString(random(t, 512)))
		}
		return b.String()
	}
	const fits, tooMany = 1450, 1530
	result := r.run(of("fits", fits), "kubectl-gitops_seal", "seal", "-f", "-")
	if result.Code != 0 || result.Stderr != "" {
		t.Fatalf("%d: %s", result.Code, result.Stderr)
	}
	if got := opens(t, us, ns, "fits", result.Stdout); len(got.Data) != fits {
		t.Errorf("the Secret has %d items", len(got.Data))
	}
	result = r.run(of("many", tooMany), "kubectl-gitops_seal", "seal", "-f", "-")
	if result.Code != 0 || !strings.Contains(result.Stderr, "and API servers store no object of more than 1572864, unless their etcd is told otherwise; split it") {
		t.Fatalf("%d: %s", result.Code, result.Stderr)
	}
	r.write("many.yaml", result.Stdout)
	r.seal(1, []string{"TooLarge SealedSecret many/many It has about"}, "check", "many.yaml")
	if applied := create(t, us, result.Stdout); applied.Code == 0 || !strings.Contains(applied.Stderr, "too large") {
		t.Errorf("the API server takes it: %d, %.300s", applied.Code, applied.Stderr)
	}
}
