package main

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/cli-runtime/pkg/genericclioptions"
)

func parse(o *options, args ...string) (selection, error) {
	o.clusters.Config = genericclioptions.NewConfigFlags(true)
	return o.selection(args)
}

func TestArgumentsNameObjectsAsKubectlsDo(t *testing.T) {
	const ks, hr = "kustomizations.kustomize.toolkit.fluxcd.io/", "helmreleases.helm.toolkit.fluxcd.io/"
	for args, want := range map[string]string{
		"ks/apps":             ks + "apps",
		"Kustomization/apps":  ks + "apps",
		"kustomizations/apps": ks + "apps",
		"kustomization.kustomize.toolkit.fluxcd.io/apps":  ks + "apps",
		"kustomizations.v1.kustomize.toolkit.fluxcd.io/a": ks + "a",
		"ks/infrastructure hr/catalog":                    ks + "infrastructure " + hr + "catalog",
		"hr catalog web":                                  hr + "catalog " + hr + "web",
		"gitrepo/fleet":                                   "gitrepositories.source.toolkit.fluxcd.io/fleet",
		"ocirepo/a helmrepo/b hc/c bucket/d":              "ocirepositories.source.toolkit.fluxcd.io/a helmrepositories.source.toolkit.fluxcd.io/b helmcharts.source.toolkit.fluxcd.io/c buckets.source.toolkit.fluxcd.io/d",
	} {
		got, err := parse(&options{}, strings.Fields(args)...)
		if err != nil || !slices.Equal(got.named, strings.Fields(want)) {
			t.Errorf("%s: got %v, %v", args, got.named, err)
		}
	}
}

func TestTypesChooseAllOfTheirObjects(t *testing.T) {
	for args, want := range map[string]int{"": 2, "ks": 1, "ks,hr": 2, "gitrepo,ocirepo,bucket": 3} {
		got, err := parse(&options{all: true}, strings.Fields(args)...)
		if err != nil || len(got.kinds) != want || len(got.named) != 0 {
			t.Errorf("%q: got %+v, %v", args, got, err)
		}
	}
	if got, err := parse(&options{selector: "team=shop", allNamespaces: true}, "hr"); err != nil || got.labels != "team=shop" || !got.allNamespaces {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestArgumentsThatChooseNothingAreRefused(t *testing.T) {
	for _, test := range []struct {
		args string
		o    *options
		want string
	}{
		{"", &options{}, "name what to reconcile"},
		{"apps", &options{}, `"apps" is no type that Flux reconciles; these are kustomization (ks), helmrelease (hr), `},
		{"ks/", &options{}, "write TYPE/NAME"},
		{"/apps", &options{}, "write TYPE/NAME"},
		{"ks/flux-system/apps", &options{}, "give the namespace with -n"},
		{"deployment/api", &options{}, `"deployment" is no type`},
		{"kustomization.other.io/apps", &options{}, "is no type"},
		{"ks", &options{}, "give --all or -l"},
		{"ks,hr apps", &options{}, "names several types"},
		{"ks/a hr", &options{}, `"hr" does not name an object`},
		{"ks apps hr/web", &options{}, `"hr/web" is not a name`},
		{"ks/apps", &options{all: true}, "names cannot go with --all"},
		{"ks/apps", &options{selector: "a=b"}, "names cannot go with --all or -l"},
		{"ks/apps", &options{allNamespaces: true}, "names cannot go with -A"},
		{"ks", &options{all: true, selector: "a=b"}, "exclude each other"},
		{"ks", &options{selector: "a=b=c"}, "-l: "},
	} {
		if _, err := parse(test.o, strings.Fields(test.args)...); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: error %v does not say %q", test.args, err, test.want)
		}
	}
}
