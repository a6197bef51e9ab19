package fleet

import (
	"fmt"
	"slices"
	"testing"

	"k8s.io/client-go/tools/clientcmd/api"
)

func kubeconfig(names ...string) api.Config {
	config := api.NewConfig()
	for _, name := range names {
		config.Contexts[name] = api.NewContext()
	}
	return *config
}

func TestContextsAreInAlphabeticalOrder(t *testing.T) {
	if got, err := Contexts(kubeconfig("b", "c", "a")); err != nil || !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestAContextThatIsNotThereIsRefusedWithNamesThatMayBeMeant(t *testing.T) {
	five := kubeconfig("prod-eu", "prod-us", "prod-ap", "stage", "dev")
	var many []string
	for i := range 12 {
		many = append(many, fmt.Sprintf("zone-%02d", i))
	}
	for _, test := range []struct {
		name   string
		config api.Config
		names  []string
		want   string
	}{
		{"all known", five, []string{"stage", "dev"}, ""},
		{"none named", five, nil, "no context is named"},
		{"an empty name", five, []string{"dev", ""}, "a context has an empty name"},
		{"named twice", five, []string{"dev", "stage", "dev"}, `context "dev" is named twice`},
		{"letters swapped", five, []string{"prod-ue"}, `the kubeconfig has no context "prod-ue"; did you mean prod-eu, prod-us or prod-ap?`},
		{"a letter missing", five, []string{"stge"}, `the kubeconfig has no context "stge"; did you mean stage?`},
		{"upper case", five, []string{"DEV"}, `the kubeconfig has no context "DEV"; did you mean dev?`},
		{"a part of the name", kubeconfig("arn:aws:eks:eu-west-1:1:cluster/prod-eu", "minikube"), []string{"prod-eu"},
			`the kubeconfig has no context "prod-eu"; did you mean arn:aws:eks:eu-west-1:1:cluster/prod-eu?`},
		{"nothing near", five, []string{"kubernetes"}, `the kubeconfig has no context "kubernetes"; it has dev, prod-ap, prod-eu, prod-us and stage`},
		{"one", kubeconfig("dev"), []string{"kubernetes"}, `the kubeconfig has no context "kubernetes"; it has dev`},
		{"many", kubeconfig(many...), []string{"kubernetes"},
			`the kubeconfig has no context "kubernetes"; it has zone-00, zone-01, zone-02, zone-03, zone-04, zone-05, zone-06, zone-07 and 4 more`},
		{"no contexts", kubeconfig(), []string{"dev"}, "the kubeconfig has no contexts"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ""
			if err := Named(test.config, test.names); err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "ac", 1}, {"kitten", "sitting", 3}, {"west", "wset", 1}, {"ab", "ba", 1}} {
		if got := distance(test.a, test.b); got != test.want {
			t.Errorf("%q and %q: %d, want %d", test.a, test.b, got, test.want)
		}
	}
}
