package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"

	"github.com/gitops-drift/gitops-drift/pkg/fleet"
)

// ClustersAtOnce is how many clusters are asked at a time: enough that waiting for them overlaps, while what is held
// in memory of each stays bounded.
const ClustersAtOnce = 8

// connecting is how long a cluster may take until it is called unreachable.
const connecting = 10 * time.Second

// Clusters are the flags that choose one cluster, as kubectl's, or several contexts of the kubeconfig.
type Clusters struct {
	// Config are kubectl's own flags.
	Config *genericclioptions.ConfigFlags

	contexts []string
	all      bool

	mu       sync.Mutex
	warnings map[string]rest.WarningHandler
}

// AddFlags adds the flags to a command and those below it.
func (c *Clusters) AddFlags(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	c.Config.AddFlags(flags)
	flags.StringSliceVar(&c.contexts, "contexts", nil, "contexts of the kubeconfig, to ask several clusters at once: a,b,c")
	flags.BoolVar(&c.all, "all-contexts", false, "ask the clusters of all contexts of the kubeconfig at once")
	complete := func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return c.complete(typed), cobra.ShellCompDirectiveNoFileComp
	}
	_ = cmd.RegisterFlagCompletionFunc("contexts", complete) // the flag is there
	_ = cmd.RegisterFlagCompletionFunc("context", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return c.complete(""), cobra.ShellCompDirectiveNoFileComp
	})
}

// complete lists the contexts that may come next, after those that are typed already with a comma behind them.
func (c *Clusters) complete(typed string) []string {
	raw, err := c.Config.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return nil
	}
	names, err := fleet.Contexts(raw)
	if err != nil {
		return nil
	}
	before := ""
	if i := strings.LastIndexByte(typed, ','); i >= 0 {
		before = typed[:i+1]
	}
	var out []string
	for _, name := range names {
		if !strings.Contains(","+before, ","+name+",") {
			out = append(out, before+name)
		}
	}
	return out
}

// single are the flags that say what one cluster is or how to log in there, which no two contexts have in common.
var single = []string{
	"context", "cluster", "server", "user", "token", "tls-server-name",
	"certificate-authority", "client-certificate", "client-key", "username", "password",
}

// Names returns the contexts to ask, one or several, in the order asked. One that no flag names is the kubeconfig's
// current one; its name is empty where there is none, or where a flag names another server.
func (c *Clusters) Names(flags *pflag.FlagSet) ([]string, error) {
	several := ""
	for _, name := range []string{"contexts", "all-contexts"} {
		if flags.Changed(name) && (name != "all-contexts" || c.all) {
			if several != "" {
				return nil, errors.New("--contexts and --all-contexts exclude each other")
			}
			several = name
		}
	}
	raw, err := c.Config.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return nil, fmt.Errorf("cannot read the kubeconfig: %w", err)
	}
	if several == "" {
		name := raw.CurrentContext
		if *c.Config.Context != "" {
			name = *c.Config.Context
		}
		if raw.Contexts[name] == nil || *c.Config.APIServer != "" || *c.Config.ClusterName != "" {
			name = ""
		}
		return []string{name}, nil
	}
	for _, name := range single {
		if flags.Changed(name) {
			return nil, fmt.Errorf("--%s is about one cluster; it cannot go with --%s", name, several)
		}
	}
	if c.all {
		names, err := fleet.Contexts(raw)
		if err != nil {
			return nil, fmt.Errorf("--all-contexts: %w", err)
		}
		return names, nil
	}
	if err := fleet.Named(raw, c.contexts); err != nil {
		return nil, fmt.Errorf("--contexts: %w", err)
	}
	return c.contexts, nil
}

// Several reports whether the flags ask for clusters by the names of contexts.
func (c *Clusters) Several() bool { return c.all || len(c.contexts) > 0 }

// Connection returns how to talk to one of the clusters that Names returned, and what tells its kinds. All that is asked
// with it ends with ctx. It may be called concurrently.
func (c *Clusters) Connection(ctx context.Context, name string, stderr io.Writer) (*rest.Config, meta.RESTMapper, error) {
	flags := c.Getter(ctx, name)
	config, err := RESTConfig(flags, stderr)
	if err != nil {
		return nil, nil, err
	}
	config.WarningHandler = c.warner(name, stderr)
	mapper, err := flags.ToRESTMapper()
	if err != nil {
		return nil, nil, fmt.Errorf("cannot use the kubeconfig: %w", err)
	}
	return config, mapper, nil
}

// Namespace is the one that the flags or the kubeconfig name for one of the clusters that Names returned.
func (c *Clusters) Namespace(name string) (string, error) {
	namespace, _, err := c.flags(name).ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return "", fmt.Errorf("cannot read the kubeconfig: %w", err)
	}
	return namespace, nil
}

// Getter returns kubectl's flags for one of the clusters that Names returned, as cli-runtime's resource builder wants them.
// All that is asked with them ends with ctx. It may be called concurrently.
func (c *Clusters) Getter(ctx context.Context, name string) *genericclioptions.ConfigFlags {
	flags := c.flags(name)
	flags.WrapConfigFn = func(config *rest.Config) *rest.Config {
		config = rest.CopyConfig(config)
		fleet.Bind(ctx, config, connecting)
		return config
	}
	return flags
}

// flags are kubectl's flags for one cluster. ConfigFlags remember what they were used for, so each cluster needs its own.
func (c *Clusters) flags(name string) *genericclioptions.ConfigFlags {
	from, flags := c.Config, genericclioptions.NewConfigFlags(true)
	flags.CacheDir, flags.KubeConfig, flags.Namespace, flags.Timeout = from.CacheDir, from.KubeConfig, from.Namespace, from.Timeout
	flags.ClusterName, flags.AuthInfoName, flags.Context, flags.APIServer = from.ClusterName, from.AuthInfoName, from.Context, from.APIServer
	flags.TLSServerName, flags.Insecure, flags.CertFile, flags.KeyFile = from.TLSServerName, from.Insecure, from.CertFile, from.KeyFile
	flags.CAFile, flags.BearerToken, flags.Username, flags.Password = from.CAFile, from.BearerToken, from.Username, from.Password
	flags.Impersonate, flags.ImpersonateUID = from.Impersonate, from.ImpersonateUID
	flags.ImpersonateGroup, flags.ImpersonateUserExtra = from.ImpersonateGroup, from.ImpersonateUserExtra
	flags.DisableCompression, flags.ProxyURL = from.DisableCompression, from.ProxyURL
	if c.Several() {
		flags.Context = &name
	}
	return flags
}

// warner writes each warning of a cluster once, however often a connection is made.
func (c *Clusters) warner(name string, stderr io.Writer) rest.WarningHandler {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.warnings == nil {
		c.warnings = map[string]rest.WarningHandler{}
	}
	if c.warnings[name] == nil {
		if c.Several() {
			stderr = &labelled{out: stderr, label: name + ": ", mu: &c.mu}
		}
		c.warnings[name] = rest.NewWarningWriter(stderr, rest.WarningWriterOptions{Deduplicate: true})
	}
	return c.warnings[name]
}

// labelled puts a label before everything that is written at once.
type labelled struct {
	out   io.Writer
	label string
	mu    *sync.Mutex
}

// Write writes a line.
func (l *labelled) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := io.WriteString(l.out, l.label+string(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}
