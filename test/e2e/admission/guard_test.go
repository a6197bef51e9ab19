package admission

import (
	"strings"
	"testing"

	"github.com/gitops-drift/gitops-drift/test/harness"
)

func TestTheFirst(t *testing.T) {
	r := kubectl(t, harness.OnCall, "", "-n", "payments", "set", "resources", "deployment/payments-api", "--limits=memory=1Gi")
	t.Logf("%d %s %s", r.Code, r.Stdout, r.Stderr)
	if !strings.Contains(r.Stderr, "512Mi") {
		log, _ := product.Log()
		t.Error(log)
	}
}
