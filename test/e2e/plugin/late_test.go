package plugin

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/test/harness"
	"github.com/gitops-drift/gitops-drift/test/patient"
)

// One source does not answer until the time is over.
func TestWhatWasComparedWhenTheTimeIsOverIsShown(t *testing.T) {
	restore(t, shop)
	i := newIsolated(t, "slow")
	ctx := patient.Context(t)
	kubectl(t, "", "scale", "deployment/api", "-n", "shop", "--replicas=3")
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() }))
	t.Cleanup(silent.Close)
	source := &sourcev1.GitRepository{}
	if err := shared.Admin().Get(ctx, key(i.name), source); err != nil {
		t.Fatal(err)
	}
	patch := client.MergeFrom(source.DeepCopy())
	source.Status.Artifact.URL = silent.URL + "/slow.tar.gz"
	if err := shared.Admin().Status().Patch(ctx, source, patch); err != nil {
		t.Fatal(err)
	}
	for _, output := range []string{"table", "json"} {
		began := time.Now()
		result := drift(t, harness.OnCall, "--timeout", "6s", "-o", output)
		if took := time.Since(began); took < 6*time.Second || took > 12*time.Second {
			t.Errorf("it took %s", took)
		}
		want(t, result, 2, "error: Kustomization/flux-system/slow: not checked within 6s; give more time with --timeout\n")
		if output == "table" {
			want(t, result, 2, "shop/deployment/api", "1 field of 1 object differs from git; 1 owner could not be checked.")
			continue
		}
		if list := decode(t, result.Stdout); len(list.Items) != 1 || len(list.Errors) != 1 || list.Errors[0].Owner.Name != "slow" {
			t.Errorf("got %+v", list)
		}
	}
}
