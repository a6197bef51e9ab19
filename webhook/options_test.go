package main

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	t.Setenv("POD_NAMESPACE", "flux-system")
	o, err := parse("gitops-drift", []string{"--override-manager=a", "--override-manager=b", "--webhook-configuration=c", "--webhook-port=1"}, &strings.Builder{})
	if err != nil {
		t.Fatal(err)
	}
	if o.overrideManagers.String() != "a,b" || o.configurations.String() != "c" || o.webhookPort != 1 || o.namespace != "flux-system" || o.fluxNamespace != "flux-system" {
		t.Errorf("got %+v", o)
	}
}

func TestControllersOfFluxAreInItsNamespaceUnlessTheySayOtherwise(t *testing.T) {
	o, err := parse("gitops-drift", []string{
		"--flux-controller=kustomize-controller-tenants", "--flux-controller=flux-operator/flux-operator",
		"--flux-namespace=gitops", "--namespace=gitops", "--default-service-account=default",
	}, &strings.Builder{})
	if err != nil {
		t.Fatal(err)
	}
	if got := o.fluxControllers.String(); got != "gitops/kustomize-controller-tenants,flux-operator/flux-operator" || o.defaultServiceAccount != "default" {
		t.Errorf("got %s", got)
	}
}

func TestParseRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		namespace string
		args      []string
		want      string
	}{
		"an unknown flag":                    {"a", []string{"--colour"}, "colour"},
		"an argument":                        {"a", []string{"serve"}, `unexpected argument "serve"`},
		"a certificate for a second":         {"a", []string{"--certificate-lifetime=1s"}, "at least 10s"},
		"an authority for no certificate":    {"a", []string{"--certificate-lifetime=24h", "--ca-lifetime=48h"}, "three times as long"},
		"a pause that ends before it begins": {"a", []string{"--shutdown-delay=-1s"}, "neither can be negative"},
		"no namespace":                       {"", nil, "set --namespace or POD_NAMESPACE"},
		"no retention":                       {"a", []string{"--record-retention=0"}, "more than 0"},
		"no retention of BreakGlasses":       {"a", []string{"--break-glass-retention=0"}, "more than 0"},
		"a negative limit":                   {"a", []string{"--record-limit=-1"}, "more than 0"},
		"an address without scheme":          {"a", []string{"--events-addr=notification-controller"}, "such as http://"},
		"a controller with no name":          {"a", []string{"--flux-controller=gitops/"}, "must be NAME or NAMESPACE/NAME"},
		"a controller in no namespace":       {"a", []string{"--flux-controller=/a"}, "must be NAME or NAMESPACE/NAME"},
		"a controller in two namespaces":     {"a", []string{"--flux-controller=a/b/c"}, "must be NAME or NAMESPACE/NAME"},
	} {
		t.Setenv("POD_NAMESPACE", test.namespace)
		if _, err := parse("gitops-drift", test.args, &strings.Builder{}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
	}
}
