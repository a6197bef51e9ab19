package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/gitops-drift/gitops-drift/pkg/sealconfig"
	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
)

// options are the flags that all commands share.
type options struct {
	clusters cli.Clusters
	// config is the path of .gitops-seal.yaml; empty: it is looked for.
	config string
	// warned are the certificates that were warned about already, by fingerprint.
	warned map[string]bool
}

func newCommand(name string) *cobra.Command {
	o := &options{clusters: cli.Clusters{Config: genericclioptions.NewConfigFlags(true)}, warned: map[string]bool{}}
	cmd := &cobra.Command{
		Use:   "gitops-seal",
		Short: "Seal secrets once for all clusters that share a key, and look after what is sealed",
		Long: fmt.Sprintf(`Seal Secrets into SealedSecrets with the certificate that the repository pins in %s, so that every cluster which holds
the shared key can open them, and no other key is used by mistake. Sealing needs no cluster and no private key.

Exit code: 0 done, 1 not everything is done, 2 bad input or something that cannot be read.`, sealconfig.FileName),
		Example: fmt.Sprintf(`  # a key for all clusters, offline, and the certificate pinned in the repository
  %[1]s keygen --dir ~/keys
  %[1]s init --cert ~/keys/shared.crt

  # seal what is in a file, in its place
  %[1]s seal -f apps/payments/database.yaml --in-place

  # change one value of it, with the certificate alone; it is asked for
  %[1]s set -f apps/payments/database.yaml password`, name),
	}
	o.clusters.AddFlags(cmd)
	var about []string // clusters
	cmd.PersistentFlags().VisitAll(func(flag *pflag.Flag) { about = append(about, flag.Name) })
	cmd.PersistentFlags().StringVar(&o.config, "config", "", "the repository's "+sealconfig.FileName+"; by default it is looked for from the files on upwards")
	uses := func(cmd *cobra.Command, flags ...string) *cobra.Command { return only(cmd, about, flags) }
	one := slices.DeleteFunc(slices.Clone(about), func(flag string) bool { return flag == "contexts" || flag == "all-contexts" })
	fleet := slices.DeleteFunc(slices.Clone(about), func(flag string) bool { return flag == "namespace" })
	cmd.AddCommand(
		uses(o.initCommand(name), "kubeconfig", "contexts", "all-contexts"), uses(o.keygenCommand(name), "namespace"),
		uses(o.sealCommand(name), one...), uses(o.setCommand(name), "namespace"), uses(o.unsetCommand(name), "namespace"),
		uses(o.viewCommand(name), one...), uses(o.editCommand(name), one...), uses(o.resealCommand(name), one...),
		uses(o.checkCommand(name)), uses(o.verifyCommand(name), fleet...), uses(o.doctorCommand(name), fleet...), reapCommand())
	return cmd
}

// only has the help of a command show, of the flags about clusters, those that it uses, and makes it an error to choose
// with another one what it does not ask.
func only(cmd *cobra.Command, about, uses []string) *cobra.Command {
	unused := slices.DeleteFunc(slices.Clone(about), func(flag string) bool { return slices.Contains(uses, flag) })
	cmd.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		for _, flag := range unused {
			cmd.InheritedFlags().Lookup(flag).Hidden = true
		}
		cmd.Root().HelpFunc()(cmd, args)
	})
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		for _, flag := range []string{"context", "contexts", "all-contexts", "cluster", "server", "namespace"} {
			if slices.Contains(unused, flag) && cmd.Flags().Changed(flag) {
				return fmt.Errorf("%s does not use --%s; see %s --help", cmd.Name(), flag, cmd.CommandPath())
			}
		}
		return nil
	}
	return cmd
}

// namespace is what -n says, empty if nothing. The kubeconfig's namespace does not count: it depends on who seals.
func (o *options) namespace() string { return *o.clusters.Config.Namespace }

// say writes what was done.
func say(cmd *cobra.Command, format string, args ...any) error {
	_, err := fmt.Fprintf(cmd.OutOrStdout(), format, args...)
	return err
}

// warn writes what people should know though it goes on.
func warn(stderr io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(stderr, "warning: "+format+"\n", args...) // nobody is left to tell
}

// exactly demands a number of arguments, in words for people.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != n {
			return fmt.Errorf("%s; got %d arguments", what, len(args))
		}
		return nil
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
