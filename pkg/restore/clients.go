package restore

import (
	"errors"
	"sync"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
)

// clients holds the uncached clients: this controller's own and one for each service account that an owner names.
// It may be used concurrently.
type clients struct {
	config *rest.Config
	mapper meta.RESTMapper
	scheme *runtime.Scheme
	own    client.Client
	// defaultAccount is kustomize-controller's --default-service-account.
	defaultAccount string

	mu     sync.Mutex
	byUser map[string]client.Client
}

func newClients(config *rest.Config, mapper meta.RESTMapper, defaultAccount string) (*clients, error) {
	c := &clients{
		config: config, mapper: mapper, scheme: runtime.NewScheme(),
		defaultAccount: defaultAccount, byUser: map[string]client.Client{},
	}
	err := errors.Join(kustomizev1.AddToScheme(c.scheme), helmv2.AddToScheme(c.scheme), v1alpha1.AddToScheme(c.scheme))
	if err != nil {
		return nil, err
	}
	c.own, err = c.open(config)
	return c, err
}

func (c *clients) open(config *rest.Config) (client.Client, error) {
	return client.New(config, client.Options{Scheme: c.scheme, Mapper: c.mapper})
}

// of returns the client with whose rights the objects of an owner are applied that is in this namespace and names this account,
// empty for none. As in Flux (fluxcd/pkg/runtime/client), the
// impersonation sets the user name and nothing else.
func (c *clients) of(namespace, account string) (client.Client, error) {
	if account == "" {
		account = c.defaultAccount
	}
	if account == "" {
		return c.own, nil
	}
	user := "system:serviceaccount:" + namespace + ":" + account
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.byUser[user]; ok {
		return known, nil
	}
	config := rest.CopyConfig(c.config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user}
	opened, err := c.open(config)
	if err != nil {
		return nil, err
	}
	c.byUser[user] = opened
	return opened, nil
}
