package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gitops-drift/gitops-drift/pkg/seal"
	"github.com/gitops-drift/gitops-drift/pkg/sealconfig"
	"github.com/gitops-drift/gitops-drift/pkg/sealkey"
	"github.com/gitops-drift/gitops-drift/pkg/wholefile"
	"github.com/gitops-drift/gitops-drift/pkg/yamledit"
)

type initFlags struct {
	cert, name, scope string
	rules             []string
	rotate            bool
}

func (o *options) initCommand(name string) *cobra.Command {
	f := &initFlags{}
	cmd := &cobra.Command{
		Use:   "init --cert FILE",
		Short: "Pin the certificate that this repository's secrets are sealed with",
		Long: fmt.Sprintf(`Write %s at the root of the repository: the pinned certificate with its fingerprint, the default scope, rules for
folders, and the clusters by their contexts. A certificate that lies outside is copied into the repository; it is public.
With --rotate another certificate is pinned beside those that are, and used from then on.`, sealconfig.FileName),
		Example: fmt.Sprintf(`  # five clusters with one key
  %[1]s init --cert ~/keys/shared.crt --contexts prod-eu,prod-us,prod-ap,stage,dev

  # all of one folder is for one namespace
  %[1]s init --cert shared.crt --rule path=apps/payments,namespace=payments

  # after keygen --rotate, once every cluster has the new key
  %[1]s init --rotate --cert ~/keys/shared-2026-11-23.crt`, name),
		Args: exactly(0, "init takes flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.init(cmd, f) },
	}
	cmd.Flags().StringVar(&f.cert, "cert", "", "the certificate, PEM")
	cmd.Flags().StringVar(&f.name, "name", "", `what the certificate is called here; by default as its file`)
	cmd.Flags().StringVar(&f.scope, "scope", "strict", "the scope that is sealed in by default: "+strings.Join(seal.ScopeNames, ", "))
	cmd.Flags().StringArrayVar(&f.rules, "rule", nil, "path=FOLDER[,namespace=NAME][,certificate=NAME][,scope=SCOPE]; may be repeated, the first that matches a file counts")
	cmd.Flags().BoolVar(&f.rotate, "rotate", false, "pin another certificate, use it from now on, and retire the present one")
	_ = cmd.RegisterFlagCompletionFunc("scope", cobra.FixedCompletions(seal.ScopeNames, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return cmd
}

var certificateName = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?$`)

func (o *options) init(cmd *cobra.Command, f *initFlags) error {
	if f.cert == "" {
		return errors.New("say with --cert which certificate to pin; keygen makes one, and so does kubeseal --fetch-cert for a cluster that has a key")
	}
	text, err := read(f.cert, cmd.InOrStdin())
	if err != nil {
		return err
	}
	cert, err := sealkey.ParseCertificate(text)
	if err != nil {
		return fmt.Errorf("%s %w", f.cert, err)
	}
	if f.name == "" {
		f.name = strings.TrimSuffix(filepath.Base(f.cert), filepath.Ext(f.cert))
	}
	if !certificateName.MatchString(f.name) {
		return fmt.Errorf("a certificate cannot be called %q: letters, digits, and - _ . between them; choose with --name", f.name)
	}
	if cert.Expired(time.Now()) {
		warn(cmd.ErrOrStderr(), "the certificate expired on %s; kubeseal refuses it", cert.NotAfter.Format(time.DateOnly))
	}
	if cert.NotBefore.After(time.Now()) {
		warn(cmd.ErrOrStderr(), "the certificate begins on %s only: a controller that has its key serves it for the newest, and programs that heed that day refuse it until then", cert.NotBefore.Format(time.DateOnly))
	}
	if f.rotate {
		return o.repin(cmd, f, cert)
	}
	return o.pin(cmd, f, cert)
}

// pin writes a new configuration.
func (o *options) pin(cmd *cobra.Command, f *initFlags, cert *sealkey.Certificate) error {
	file := o.config
	if file == "" {
		root, err := repositoryRoot(".")
		if err != nil {
			return err
		}
		file = filepath.Join(root, sealconfig.FileName)
	}
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("%s is there already; edit it, or pin another certificate beside its own with --rotate", file)
	}
	path, write := inRepository(filepath.Dir(file), f)
	var b strings.Builder
	fmt.Fprintf(&b, `# What this repository's secrets are sealed with (kubectl gitops-seal). Whoever changes a fingerprint changes who can read them.
apiVersion: %s
kind: %s
scope: %s
certificate: %s
certificates:
  %s:
    path: %s
    fingerprint: %s
`, sealconfig.APIVersion, sealconfig.Kind, yamledit.Scalar(f.scope), yamledit.Scalar(f.name), yamledit.Scalar(f.name), yamledit.Scalar(path), cert.Fingerprint)
	if err := f.writeRules(&b); err != nil {
		return err
	}
	if err := o.writeClusters(cmd, &b); err != nil {
		return err
	}
	root, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return err
	}
	if _, err := sealconfig.Parse([]byte(b.String()), root); err != nil {
		return fmt.Errorf("what the flags say is not valid: %w", err)
	}
	if write != "" {
		if err := copyCertificate(write, cert); err != nil {
			return err
		}
	}
	if err := wholefile.Create(file, []byte(b.String()), 0o644); err != nil {
		return err
	}
	return say(cmd, "%s pins %s %s, valid until %s. Commit it%s.\n", relative(file), f.name, cert.Fingerprint, cert.NotAfter.Format(time.DateOnly), with(path, write))
}

// repin adds a certificate to a configuration and uses it from now on.
func (o *options) repin(cmd *cobra.Command, f *initFlags, cert *sealkey.Certificate) error {
	config, err := o.load(".")
	if err != nil {
		return err
	}
	if cmd.Flags().Changed("scope") || len(f.rules) > 0 || o.clusters.Several() {
		return fmt.Errorf("--rotate changes the certificate only; edit %s for the rest", sealconfig.FileName)
	}
	if pinned := config.Pinned(cert.Fingerprint); pinned != nil {
		return fmt.Errorf("the key %s is pinned already, as %s", cert.Fingerprint, pinned.Name)
	}
	if _, there := config.Certificates[f.name]; there {
		return fmt.Errorf("there is a certificate %s already; call the new one something else with --name", f.name)
	}
	file := o.config
	if file == "" {
		file = filepath.Join(config.Root(), sealconfig.FileName)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	d, err := yamledit.NewDocument(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	path, write := inRepository(config.Root(), f)
	for _, change := range [][]string{
		{path, "certificates", f.name, "path"},
		{cert.Fingerprint, "certificates", f.name, "fingerprint"},
		{time.Now().UTC().Format(time.DateOnly), "certificates", config.Certificate, "retired"},
		{f.name, "certificate"},
	} {
		if err := d.Set(change[0], change[1:]...); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	if _, err := sealconfig.Parse([]byte(d.Text()), config.Root()); err != nil {
		return fmt.Errorf("%s would not be valid any more: %w", file, err)
	}
	if write != "" {
		if err := copyCertificate(write, cert); err != nil {
			return err
		}
	}
	if err := wholefile.Replace(file, []byte(d.Text()), 0o644); err != nil {
		return err
	}
	return say(cmd, "%s pins %s %s from now on; %s is retired: what it sealed still counts as the team's.\nSeal that anew: %s reseal --key OLD-KEY --write\n",
		relative(file), f.name, cert.Fingerprint, config.Certificate, cmd.Root().DisplayName())
}

// repositoryRoot is the folder of the git repository that a folder is in, itself if it is in none.
func repositoryRoot(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if root, ok := enclosing(dir); ok {
		return root, nil
	}
	return dir, nil
}

// enclosing is the root of the git repository that a folder is in.
func enclosing(dir string) (string, bool) {
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, ".git")); err == nil {
			return at, true
		}
		if at == filepath.Dir(at) {
			return "", false
		}
	}
}

// inRepository is the path of the certificate from the root on, and where it has to be written if it is not there yet.
func inRepository(root string, f *initFlags) (path, write string) {
	abs, err := filepath.Abs(f.cert)
	absRoot, errRoot := filepath.Abs(root)
	if f.cert != stdin && err == nil && errRoot == nil {
		if rel, err := filepath.Rel(absRoot, abs); err == nil && filepath.IsLocal(rel) {
			return filepath.ToSlash(rel), ""
		}
	}
	path = ".gitops-seal/" + f.name + ".crt"
	return path, filepath.Join(root, filepath.FromSlash(path))
}

func copyCertificate(file string, cert *sealkey.Certificate) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	err := wholefile.Create(file, cert.PEM(), 0o644)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	// Of an earlier attempt, or somebody else's.
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if there, err := sealkey.ParseCertificate(text); err != nil || there.Fingerprint != cert.Fingerprint {
		return fmt.Errorf("%s is there already and holds another key; choose another --name", file)
	}
	return nil
}

func with(path, write string) string {
	if write == "" {
		return ""
	}
	return " with " + path + ", a copy of the certificate"
}

// relative is a path from the working folder on where that is shorter.
func relative(file string) string {
	dir, err := os.Getwd()
	if err != nil {
		return file
	}
	if rel, err := filepath.Rel(dir, file); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return file
}

func (f *initFlags) writeRules(b *strings.Builder) error {
	for i, rule := range f.rules {
		if i == 0 {
			b.WriteString("rules:\n")
		}
		lead := "  - "
		seen := map[string]bool{}
		for _, part := range strings.Split(rule, ",") {
			key, value, ok := strings.Cut(part, "=")
			if !ok || value == "" || seen[key] {
				return fmt.Errorf("--rule %q: it looks like path=apps/payments,namespace=payments", rule)
			}
			seen[key] = true
			fmt.Fprintf(b, "%s%s: %s\n", lead, yamledit.Scalar(key), yamledit.Scalar(value))
			lead = "    "
		}
	}
	return nil
}

func (o *options) writeClusters(cmd *cobra.Command, b *strings.Builder) error {
	if !o.clusters.Several() {
		return nil
	}
	contexts, err := o.clusters.Names(cmd.Flags())
	if err != nil {
		return err
	}
	b.WriteString("clusters:\n")
	for _, context := range contexts {
		fmt.Fprintf(b, "  - context: %s\n", yamledit.Scalar(context))
	}
	return nil
}
