package harness

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// User is a person who can log in to the cluster, named as the API server sees them.
type User string

const (
	// Admin is in system:masters: the harness itself.
	Admin User = "admin@contoso.com"
	// OnCall is the engineer on call, in group oncall, bound to cluster-admin.
	OnCall User = "oncall@contoso.com"
	// Dev is a developer, in group dev, bound to the ClusterRole edit in every namespace.
	Dev User = "dev@contoso.com"

	// kubelet is a node of the cluster, which has none; in system:masters so that no Pod need be on it.
	kubelet User = "system:node:harness"
)

// groups lists each user's groups, in the order of the token file.
func groups() map[User][]string {
	return map[User][]string{
		Admin:   {"system:masters"},
		OnCall:  {"oncall"},
		Dev:     {"dev"},
		kubelet: {"system:nodes", "system:masters"},
	}
}

// credentials are the bearer tokens of a cluster's users.
type credentials map[User]string

// newCredentials makes a token for every user and writes the API server's token file.
func newCredentials(file string) (credentials, error) {
	tokens := credentials{}
	var csv strings.Builder
	for user, groups := range groups() {
		tokens[user] = rand.Text()
		// The user's uid is its name: people have no other.
		fmt.Fprintf(&csv, "%s,%s,%s,%q\n", tokens[user], user, user, strings.Join(groups, ","))
	}
	return tokens, os.WriteFile(file, []byte(csv.String()), 0o600)
}

// usersRBAC gives the people their rights.
const usersRBAC = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: oncall}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: oncall}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: dev}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: dev}]
`

// Kubeconfig returns the path of the user's kubeconfig file. Its context is called "harness". It is gone
// after [Cluster.Stop].
func (c *Cluster) Kubeconfig(user User) string {
	return filepath.Join(c.dir, "kubeconfig", string(user)+".yaml")
}

// RESTConfig returns a new client configuration of the user, without client-side rate limits. For a User that is none
// of this package's constants it carries no token: the API server answers 401.
func (c *Cluster) RESTConfig(user User) *rest.Config {
	return c.restConfig(c.tokens[user])
}

func (c *Cluster) restConfig(token string) *rest.Config {
	return &rest.Config{
		Host:            c.url,
		BearerToken:     token,
		TLSClientConfig: rest.TLSClientConfig{CAData: c.pki.ca},
		QPS:             -1,
	}
}

// Login returns a client configuration of any user in any groups, by a certificate of the cluster's authority.
func (c *Cluster) Login(user string, groups ...string) (*rest.Config, error) {
	certificate, key, err := c.pki.login(user, groups)
	if err != nil {
		return nil, err
	}
	config := c.restConfig("")
	config.CertData, config.KeyData = certificate, key
	return config, nil
}

// LoginKubeconfig returns a kubeconfig that holds what [Cluster.Login] returns.
func (c *Cluster) LoginKubeconfig(user string, groups ...string) ([]byte, error) {
	certificate, key, err := c.pki.login(user, groups)
	if err != nil {
		return nil, err
	}
	const name = "harness"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: c.url, CertificateAuthorityData: c.pki.ca}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{ClientCertificateData: certificate, ClientKeyData: key}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: user}
	config.CurrentContext = name
	return clientcmd.Write(*config)
}

// writeKubeconfig writes a kubeconfig file with one context for the bearer of token.
func (c *Cluster) writeKubeconfig(path, user, token, namespace string) error {
	const name = "harness"
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: c.url, CertificateAuthorityData: c.pki.ca}
	config.AuthInfos[user] = &clientcmdapi.AuthInfo{Token: token}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: user, Namespace: namespace}
	config.CurrentContext = name
	return clientcmd.WriteToFile(*config, path)
}
