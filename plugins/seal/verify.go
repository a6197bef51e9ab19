package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gitops-drift/gitops-drift/pkg/fleet"
	"github.com/gitops-drift/gitops-drift/pkg/report"
	"github.com/gitops-drift/gitops-drift/pkg/sealcheck"
	"github.com/gitops-drift/gitops-drift/pkg/sealconfig"
	"github.com/gitops-drift/gitops-drift/pkg/sealfleet"
	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
	"github.com/gitops-drift/gitops-drift/plugins/internal/terminal"
)

type verifyFlags struct {
	fleetFlags
	keys []string
}

func (o *options) verifyCommand(name string) *cobra.Command {
	f := &verifyFlags{}
	cmd := &cobra.Command{
		Use:   "verify [PATH ...] [--key FILE]",
		Short: "Prove that clusters, or a private key, open what the repository has sealed",
		Long: fmt.Sprintf(`Have the Sealed Secrets controllers of clusters open every SealedSecret of the repository, or those in PATH, as Flux would
apply it, and say which do not open, where, and as far as can be told why: sealed for another name, namespace or scope, with another
key, or damaged. Nothing is made of it in the clusters. With --key FILE it is done here.

Without --contexts the clusters are those of %[1]s, else the one of the current context. A cluster for which
%[1]s names a certificate is asked for what is sealed with that one. Controllers answer about twice a second.

A controller tries every key that it holds: that one cluster opens something does not prove that it is sealed with the shared key.
That all clusters do, does, and check and doctor tell of each.

Exit code: 0 everything opens, 1 something does not, 2 bad input or something could not be verified.`, sealconfig.FileName),
		Example: fmt.Sprintf(`  %[1]s verify --contexts prod-eu,prod-us,prod-ap,stage,dev

  # without a cluster, by who has the key
  %[1]s verify --key ~/keys/shared.key

  # what is about to be committed
  %[1]s verify apps/payments/database.yaml`, name),
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return o.verify(cmd, args, f) },
	}
	f.addFlags(cmd, 30*time.Minute)
	cmd.Flags().StringArrayVar(&f.keys, "key", nil, "a file with private keys, PEM or key Secrets of a controller, instead of clusters; may be repeated")
	return cmd
}

// verification is what became of the SealedSecrets that a cluster was asked about.
type verification = sealfleet.Verification

func (o *options) verify(cmd *cobra.Command, args []string, f *verifyFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	if len(f.keys) > 0 && (o.clusters.Several() || cmd.Flags().Changed("context")) {
		return errors.New("--key opens here, without any cluster; give that or contexts")
	}
	config, paths, err := o.repository(args)
	if err != nil {
		return err
	}
	repository, err := sealcheck.Read(cmd.Context(), config.Root(), sealcheck.WorkingTree(config.Root()))
	if err != nil {
		return err
	}
	if err := repository.Render(cmd.Context()); err != nil {
		return err
	}
	subjects, err := repository.Subjects(config, paths...)
	if err != nil {
		return err
	}
	if len(subjects) == 0 {
		return errors.New("there is no SealedSecret")
	}
	progress := terminal.NewProgress(cmd.ErrOrStderr())
	var results []fleet.Result[*verification]
	by := "the key"
	if len(f.keys) > 0 {
		results, err = o.verifyHere(cmd, f, subjects, progress)
	} else {
		by = "the cluster"
		results, err = o.verifyClusters(cmd, f, config, subjects, progress)
	}
	progress.Stop()
	if err != nil {
		return err
	}
	list := report.NewSealVerifyReport(results)
	out := cmd.OutOrStdout()
	if err := writeReport(out, f.output, list, func(color bool) error { return list.WriteTable(out, color, by) }); err != nil {
		return err
	}
	errs := fleetErrors(results)
	for _, e := range repository.Errors {
		errs = append(errs, e)
	}
	switch {
	case len(errs) > 0:
		return &cli.ExitError{Code: cli.CodeError, Err: errors.Join(errs...)}
	case len(list.Items) > 0:
		return &cli.ExitError{Code: cli.CodeIncomplete}
	}
	return nil
}

// verifyHere opens with private keys at hand.
func (o *options) verifyHere(cmd *cobra.Command, f *verifyFlags, subjects []sealfleet.Subject, progress *terminal.Progress) ([]fleet.Result[*verification], error) {
	keys := keyFlags{files: f.keys}
	ring, err := keys.read(cmd.Context(), o, ".", cmd)
	if err != nil {
		return nil, err
	}
	found, err := sealfleet.Verify(cmd.Context(), sealfleet.Keys(ring), subjects, func(done, of int) {
		progress.Say("%s %d of %d SealedSecrets", bar(done, of), done, of)
	})
	return []fleet.Result[*verification]{{Value: found, Err: err}}, nil
}

// verifyClusters has clusters open what is sealed with the certificate that is theirs.
func (o *options) verifyClusters(cmd *cobra.Command, f *verifyFlags, config *sealconfig.Config, subjects []sealfleet.Subject, progress *terminal.Progress) ([]fleet.Result[*verification], error) {
	contexts, err := o.contexts(cmd, config)
	if err != nil {
		return nil, err
	}
	limits := fleet.Limits{AtOnce: cli.ClustersAtOnce, Timeout: f.timeout}
	results := fleet.Ask(cmd.Context(), contexts, limits, func(ctx context.Context, name string) (*verification, error) {
		cluster := config.Cluster(name)
		pinned, err := config.Usable(cluster.Certificate)
		if err != nil {
			return nil, err
		}
		connection, _, err := o.clusters.Connection(ctx, name, cmd.ErrOrStderr())
		if err != nil {
			return nil, err
		}
		controller, err := sealfleet.Connect(ctx, connection, f.service(cluster))
		if err != nil {
			return nil, err
		}
		return sealfleet.Verify(ctx, controller, sealfleet.SealedWith(pinned.Name, subjects), func(done, of int) {
			progress.Say("%s %s: %d of %d SealedSecrets", bar(done, of), name, done, of)
		})
	})
	return explained(results), nil
}

// explained puts what is wrong with connections into few words.
func explained[T any](results []fleet.Result[T]) []fleet.Result[T] {
	for i := range results {
		results[i].Err = fleet.Explain(results[i].Err)
	}
	return results
}

// fleetErrors are what went wrong with clusters, each with its name.
func fleetErrors[T any](results []fleet.Result[T]) []error {
	var errs []error
	for _, result := range results {
		switch {
		case result.Err == nil:
		case result.Cluster == "":
			errs = append(errs, result.Err)
		default:
			errs = append(errs, fmt.Errorf("%s: %w", result.Cluster, result.Err))
		}
	}
	return errs
}
