package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gitops-drift/gitops-drift/pkg/fleet"
	"github.com/gitops-drift/gitops-drift/pkg/report"
	"github.com/gitops-drift/gitops-drift/pkg/sealconfig"
	"github.com/gitops-drift/gitops-drift/pkg/sealfleet"
	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
)

func (o *options) doctorCommand(name string) *cobra.Command {
	f := &fleetFlags{}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Examine the Sealed Secrets controllers of clusters that share a key",
		Long: fmt.Sprintf(`Look at the Sealed Secrets controller of each cluster, and change nothing:

  is the certificate that it serves the pinned one; is the shared key there, labelled, and does its certificate match; are there
  other active keys; will the controller make keys of its own; how long is the certificate valid; which SealedSecrets
  were not opened, since when; and would Flux notice

Without --contexts the clusters are those of %s, else the one of the current context.

It needs the right to reach the controller through the API server (services/proxy), which every user has by default, and to list secrets and
deployments in its namespace, sealedsecrets and kustomizations. What you may not see is named, and the rest is told. Private keys are compared
with their certificates, never shown.

In the midst of a rotation it says how far that is: pending.

Exit code: 0 all clusters are sound, 1 something is wrong or a rotation is not done, 2 bad input or something is unknown.`, sealconfig.FileName),
		Example: fmt.Sprintf(`  %[1]s doctor --contexts prod-eu,prod-us,prod-ap,stage,dev`, name),
		Args:    exactly(0, "doctor takes flags only"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.doctor(cmd, f) },
	}
	f.addFlags(cmd, time.Minute)
	return cmd
}

func (o *options) doctor(cmd *cobra.Command, f *fleetFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	config, err := o.load(".")
	if err != nil {
		return err
	}
	contexts, err := o.contexts(cmd, config)
	if err != nil {
		return err
	}
	limits := fleet.Limits{AtOnce: cli.ClustersAtOnce, Timeout: f.timeout}
	results := explained(fleet.Ask(cmd.Context(), contexts, limits, func(ctx context.Context, name string) (sealfleet.Checkup, error) {
		doctor, err := o.doctorOf(config, config.Cluster(name), f)
		if err != nil {
			return nil, err
		}
		connection, _, err := o.clusters.Connection(ctx, name, cmd.ErrOrStderr())
		if err != nil {
			return nil, err
		}
		return doctor.Examine(ctx, connection)
	}))
	alike := map[string]map[string]sealfleet.Checkup{} // clusters that have one certificate pinned
	for _, result := range results {
		certificate := config.Cluster(result.Cluster).Certificate
		if alike[certificate] == nil {
			alike[certificate] = map[string]sealfleet.Checkup{}
		}
		if result.Value != nil {
			alike[certificate][result.Cluster] = result.Value
		}
	}
	for _, checkups := range alike {
		sealfleet.Compare(checkups)
	}
	list := report.NewSealDoctorReport(results)
	out := cmd.OutOrStdout()
	if err := writeReport(out, f.output, list, func(color bool) error { return list.WriteTable(out, color, time.Now()) }); err != nil {
		return err
	}
	errs := fleetErrors(results)
	wrong, unknown := false, len(errs) > 0
	for _, result := range results {
		wrong = wrong || result.Value.Has(sealfleet.Wrong) || result.Value.Has(sealfleet.Pending)
		unknown = unknown || result.Value.Has(sealfleet.Unknown)
	}
	switch {
	case unknown:
		return &cli.ExitError{Code: cli.CodeError, Err: errors.Join(errs...)}
	case wrong:
		return &cli.ExitError{Code: cli.CodeIncomplete}
	}
	return nil
}

// doctorOf is the doctor for a cluster: it holds the key that the configuration says, and retired ones perhaps.
func (o *options) doctorOf(config *sealconfig.Config, cluster sealconfig.Cluster, f *fleetFlags) (*sealfleet.Doctor, error) {
	pinned, err := config.Usable(cluster.Certificate)
	if err != nil {
		return nil, err
	}
	certificate, err := config.Read(pinned)
	if err != nil {
		return nil, err
	}
	doctor := &sealfleet.Doctor{Pinned: certificate, Service: f.service(cluster), Now: time.Now()}
	for _, other := range config.Certificates {
		if other.Retired != "" {
			doctor.Retired = append(doctor.Retired, other.Fingerprint)
		}
	}
	return doctor, nil
}
