package restore

import (
	"sync"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
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
	if err := kustomizev1.AddToScheme(c.scheme); err != nil {
		return nil, err
	}
	var err error
	c.own, err = c.open(config)
	return c, err
}

func (c *clients) open(config *rest.Config) (client.Client, error) {
	return client.New(config, client.Options{Scheme: c.scheme, Mapper: c.mapper})
}

// of returns the client with whose rights the owner's objects are applied. As in Flux (fluxcd/pkg/runtime/client), the
// impersonation sets the user name and nothing else.
func (c *clients) of(ks *kustomizev1.Kustomization) (client.Client, error) {
	account := ks.Spec.ServiceAccountName
	if account == "" {
		account = c.defaultAccount
	}
	if account == "" {
		return c.own, nil
	}
	user := "system:serviceaccount:" + ks.Namespace + ":" + account
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
