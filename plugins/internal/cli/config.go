package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"
)

// RESTConfig returns the configuration of the cluster that the flags choose. Warnings of the API server
// go to stderr, each once.
func RESTConfig(flags *genericclioptions.ConfigFlags, stderr io.Writer) (*rest.Config, error) {
	raw, err := flags.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return nil, fmt.Errorf("cannot read the kubeconfig: %w", err)
	}
	// Without this, client-go would go on and try localhost:8080.
	if len(raw.Clusters) == 0 && *flags.APIServer == "" && os.Getenv("KUBERNETES_SERVICE_HOST") == "" {
		return nil, errors.New("no cluster is configured; set KUBECONFIG, or give --kubeconfig or --server")
	}
	config, err := flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("cannot use the kubeconfig: %w", err)
	}
	config.QPS = -1 // a person waits; the API server's own fairness is the limit
	config.WarningHandler = rest.NewWarningWriter(stderr, rest.WarningWriterOptions{Deduplicate: true})
	return config, nil
}
