package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/gitops-drift/gitops-drift/test/harness"
)

// Siblings are the clusters that are to hold the same sealing key as Environment; see [Stage.StartSiblings].
func Siblings() []string { return []string{"prod-us", "prod-ap", "stage", "dev"} }

// Database is the file of the example repository's SealedSecret.
const Database = "apps/payments-api/base/sealed-secret.yaml"

// database is the Secret that a developer seals.
const database = `apiVersion: v1
kind: Secret
metadata:
  name: payments-api-database
  namespace: payments
stringData:
  username: payments
  password: correct horse battery staple
`

// StartSiblings starts further clusters, without Flux, and adds their contexts to the kubeconfig of the engineer on call. In
// the first one it starts a Sealed Secrets controller as it was before there was a shared key, and ends it again: it has made
// a key of its own. Into the folder keys go fetched.crt, the certificate of that key, and secret.yaml, a Secret to be sealed.
func (s *Stage) StartSiblings(ctx context.Context, keys string, names ...string) error {
	file := s.Cluster.Kubeconfig(harness.OnCall)
	config, err := clientcmd.LoadFromFile(file)
	if err != nil {
		return err
	}
	for _, name := range names {
		sibling, err := harness.Start(ctx, harness.Options{WithoutFlux: true})
		if err != nil {
			return err
		}
		s.siblings = append(s.siblings, sibling)
		other, err := clientcmd.LoadFromFile(sibling.Kubeconfig(harness.OnCall))
		if err != nil {
			return err
		}
		there := other.Contexts[other.CurrentContext]
		config.Clusters[name], config.AuthInfos[name] = other.Clusters[there.Cluster], other.AuthInfos[there.AuthInfo]
		config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	}
	if err := clientcmd.WriteToFile(*config, file); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(keys, "secret.yaml"), []byte(database), 0o600); err != nil {
		return err
	}
	return s.fetchOwn(ctx, filepath.Join(keys, "fetched.crt"))
}

func (s *Stage) fetchOwn(ctx context.Context, file string) error {
	controller, err := s.Cluster.StartSealedSecrets(ctx)
	if err != nil {
		return err
	}
	result, err := s.Cluster.Run(ctx, harness.Dev, "", "kubeseal", "--fetch-cert")
	if err != nil {
		return err
	}
	if result.Code != 0 {
		return fmt.Errorf("kubeseal --fetch-cert: %s", result.Stderr)
	}
	// Certificates begin at whole seconds, and of two that begin at once the older Secret's is served.
	time.Sleep(time.Second)
	return errors.Join(os.WriteFile(file, []byte(result.Stdout), 0o600), controller.Stop(ctx))
}

// ShareKey brings the key that keygen wrote into the folder keys into all these clusters, and starts their controllers.
func (s *Stage) ShareKey(ctx context.Context, keys string) error {
	for _, cluster := range append([]*harness.Cluster{s.Cluster}, s.siblings...) {
		result, err := cluster.Kubectl(ctx, harness.Admin, "", "apply", "-f", filepath.Join(keys, "shared.secret.yaml"))
		if err != nil {
			return err
		}
		if result.Code != 0 {
			return fmt.Errorf("apply the shared key: %s", result.Stderr)
		}
		if _, err := cluster.StartSealedSecrets(ctx, "--key-renew-period=0"); err != nil {
			return err
		}
	}
	return nil
}
