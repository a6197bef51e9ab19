package sealhealth

import (
	"strings"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"sigs.k8s.io/yaml"
)

func TestOnlyWorkingHealthChecksNotice(t *testing.T) {
	exprs := func(failed, current string) string {
		out := "healthCheckExprs:\n- apiVersion: bitnami.com/v1alpha1\n  kind: SealedSecret\n  current: \"" + current + "\"\n"
		if failed != "" {
			out += "  failed: \"" + failed + "\"\n"
		}
		return out
	}
	const synced = "status.conditions.filter(e, e.type == 'Synced').all(e, e.status == 'True')"
	for name, test := range map[string]struct{ spec, want string }{
		"as we advise":           {"wait: true\n" + Expressions, ""},
		"current alone":          {"wait: true\n" + exprs("", synced), ""},
		"listed":                 {"healthChecks: [{apiVersion: bitnami.com/v1alpha1, kind: SealedSecret, namespace: payments, name: db}]\n" + Expressions, ""},
		"nothing":                {"{}", "spec.wait is not true"},
		"no wait":                {Expressions, "spec.wait is not true"},
		"wait alone":             {"wait: true", "nothing for SealedSecret"},
		"another kind":           {"wait: true\nhealthCheckExprs: [{apiVersion: bitnami.com/v1alpha1, kind: Sealed, current: 'true'}]", "nothing for SealedSecret"},
		"another group":          {"wait: true\nhealthCheckExprs: [{apiVersion: contoso.com/v1, kind: SealedSecret, current: 'true'}]", "nothing for SealedSecret"},
		"another one is listed":  {"healthChecks: [{apiVersion: bitnami.com/v1alpha1, kind: SealedSecret, namespace: payments, name: other}]\n" + Expressions, "does not list SealedSecret payments/db"},
		"always healthy":         {"wait: true\n" + exprs("", "true"), "healthy that was not opened"},
		"wrong condition":        {"wait: true\n" + exprs("", "status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True')"), "healthy that was not opened"},
		"never healthy":          {"wait: true\n" + exprs("", "status.phase == 'Synced'"), "never calls"},
		"no expression":          {"wait: true\n" + exprs("", "status.("), "cannot be read"},
		"failed although synced": {"wait: true\n" + exprs("true", synced), "never calls"},
	} {
		t.Run(name, func(t *testing.T) {
			ks := &kustomizev1.Kustomization{}
			if err := yaml.UnmarshalStrict([]byte(test.spec), &ks.Spec); err != nil {
				t.Fatal(err)
			}
			got := Unnoticed(ks, []Object{{"payments", "db"}})
			if got != test.want && (test.want == "" || !strings.Contains(got, test.want)) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
