package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gitops-drift/gitops-drift/pkg/sealconfig"
	"github.com/gitops-drift/gitops-drift/pkg/sealkey"
)

// keyFlags say where private keys come from.
type keyFlags struct {
	files       []string
	fromCluster bool
}

func (k *keyFlags) addFlags(cmd *cobra.Command, what string) {
	cmd.Flags().StringArrayVar(&k.files, "key", nil, "a file with "+what+": PEM, or key Secrets of a controller; may be repeated")
	cmd.Flags().BoolVar(&k.fromCluster, "from-cluster", false, "take private keys from the controller's key Secrets of the cluster, where you may read them")
}

func (k *keyFlags) given() bool { return k.fromCluster || len(k.files) > 0 }

// read reads the keys of the files and of the cluster.
func (k *keyFlags) read(ctx context.Context, o *options, path string, cmd *cobra.Command) (sealkey.Keyring, error) {
	ring := sealkey.Keyring{}
	for _, file := range k.files {
		text, err := read(file, cmd.InOrStdin())
		if err != nil {
			return nil, err
		}
		keys, err := sealkey.ParseKeys(text)
		clear(text)
		if err != nil {
			return nil, fmt.Errorf("%s %w", shown(file), err)
		}
		for fingerprint, key := range keys {
			ring[fingerprint] = key
		}
	}
	if !k.fromCluster {
		return ring, nil
	}
	keys, err := o.clusterKeys(ctx, path, cmd)
	for fingerprint, key := range keys {
		ring[fingerprint] = key
	}
	return ring, err
}

// require is read for commands that do nothing without a key.
func (k *keyFlags) require(ctx context.Context, o *options, path string, cmd *cobra.Command) (sealkey.Keyring, error) {
	if !k.given() {
		return nil, errors.New("a private key is needed: --key FILE, or --from-cluster")
	}
	return k.read(ctx, o, path, cmd)
}

// clusterKeys are those of the cluster that the flags choose, whose controller is where the configuration says.
func (o *options) clusterKeys(ctx context.Context, path string, cmd *cobra.Command) (sealkey.Keyring, error) {
	contexts, err := o.clusters.Names(cmd.Flags())
	if err != nil {
		return nil, err
	}
	if len(contexts) != 1 {
		return nil, errors.New("--from-cluster takes the keys of one cluster; choose it with --context")
	}
	controller := sealconfig.Controller{}.OrDefault()
	if config, err := o.load(path); err == nil {
		controller = config.Cluster(contexts[0]).Controller.OrDefault()
	}
	config, mapper, err := o.clusters.Connection(ctx, contexts[0], cmd.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	c, err := client.New(config, client.Options{Scheme: scheme.Scheme, Mapper: mapper})
	if err != nil {
		return nil, fmt.Errorf("cannot use the kubeconfig: %w", err)
	}
	return sealkey.FromCluster(ctx, c, controller.Namespace)
}
