package glass

import (
	"encoding/base64"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/gitops-drift/gitops-drift/test/patient"
)

func TestValuesOfSecretsAreInNothingThatABreakGlassLeaves(t *testing.T) {
	const value = "made-by-hand"
	opened := must(t, "", "gitops-drift", "break-glass", "secret/payments-api", "-n", "payments", "--for", "5m", "--reason", "leaked")
	name := strings.Fields(opened)[1]
	must(t, "", "-n", "payments", "patch", "secret", "payments-api", "--type=merge", `-p={"stringData":{"password":"`+value+`"}}`)
	closed := must(t, "", "gitops-drift", "break-glass", "close", name)
	if !strings.Contains(closed, "data.password: ***") {
		t.Errorf("closing says\n%s", closed)
	}
	log, err := product.Log()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{closed, must(t, "", "get", "breakglass", name, "-o", "yaml"), must(t, "", "get", "editrecords", "-o", "yaml"), log} {
		for _, secret := range []string{value, "from-git"} {
			if strings.Contains(text, secret) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(secret))) {
				t.Errorf("%s is in\n%s", secret, text)
			}
		}
	}
	eventually(t, "git's value is back", func() bool {
		object := &corev1.Secret{}
		return cluster.Admin().Get(patient.Context(t), api, object) == nil && string(object.Data["password"]) == "from-git"
	})
}
