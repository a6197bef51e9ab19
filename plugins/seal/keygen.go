package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/sealconfig"
	"github.com/gitops-drift/gitops-drift/pkg/sealkey"
	"github.com/gitops-drift/gitops-drift/pkg/wholefile"
	"github.com/gitops-drift/gitops-drift/plugins/internal/terminal"
)

type keygenFlags struct {
	dir, name    string
	bits         int
	valid        time.Duration
	rotate       bool
	vault        sealkey.Vault
	inRepository bool
}

func (o *options) keygenCommand(name string) *cobra.Command {
	f := &keygenFlags{}
	cmd := &cobra.Command{
		Use:   "keygen",
		Short: "Make a key for all clusters, offline, and what they need of it",
		Long: `Make an RSA key and its certificate, without any cluster, and write into a folder outside of every git repository:

  NAME.key            the private key, for its owner alone; keep it in a vault
  NAME.crt            the certificate, which is public; init pins it
  NAME.secret.yaml    the Secret that Sealed Secrets controllers take the key from, for its owner alone
  NAME.values.yaml    values for the controller's Helm chart, with which it keeps to this key
  NAME.vault.yaml     with --vault: the SecretProviderClass that syncs the Secret from Azure Key Vault

No file is overwritten. With --rotate the key is made beside the one that the repository pins, which goes on opening what it
sealed; nothing is sealed with the new one before init --rotate pins it.`,
		Example: fmt.Sprintf(`  %[1]s keygen --dir ~/keys

  # synced from a vault by the Secrets Store CSI driver
  %[1]s keygen --dir ~/keys --vault contoso-keys --tenant 72f988bf-… --client-id 1f3b…

  # a successor of the key that the repository pins
  %[1]s keygen --dir ~/keys --rotate`, name),
		Args: exactly(0, "keygen takes flags only"),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.keygen(cmd, f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.dir, "dir", ".", "the folder to write into")
	flags.StringVar(&f.name, "name", "", `what the key is called (default "shared"; with --rotate the present name and today's date)`)
	flags.IntVar(&f.bits, "bits", sealkey.DefaultBits, "size of the key")
	flags.DurationVar(&f.valid, "valid", sealkey.DefaultValidity, "how long the certificate is valid; controllers open what it sealed afterwards, too")
	flags.BoolVar(&f.rotate, "rotate", false, "make a successor of the key that the repository pins")
	flags.StringVar(&f.vault.Name, "vault", "", "name of the Azure Key Vault that the clusters sync the key from")
	flags.StringVar(&f.vault.Tenant, "tenant", "", "ID of the vault's tenant")
	flags.StringVar(&f.vault.Client, "client-id", "", "client ID of the workload identity that reads the vault")
	flags.BoolVar(&f.inRepository, "in-repository", false, "write the private key into a git repository all the same")
	return cmd
}

// dated is the end of the name of a key that --rotate has made.
var dated = regexp.MustCompile(`-\d{4}-\d\d-\d\d$`)

// secretName is the Secret that a key becomes in a cluster.
func secretName(name string) string { return "sealed-secrets-" + name }

func (o *options) keygen(cmd *cobra.Command, f *keygenFlags) error {
	var present *sealconfig.Certificate
	namespace := o.namespace()
	config, err := o.load(".")
	switch {
	case err == nil && f.rotate:
		if present, err = config.Usable(""); err != nil {
			return err
		}
	case f.rotate:
		return fmt.Errorf("--rotate makes a successor of the key that the repository pins: %w", err)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if namespace == "" && config != nil && len(config.Clusters) > 0 {
		namespace = config.Clusters[0].Controller.Namespace
	}
	if namespace == "" {
		namespace = sealconfig.DefaultControllerNamespace
	}
	if f.name == "" {
		f.name = "shared"
		if present != nil {
			f.name = dated.ReplaceAllString(present.Name, "") + "-" + time.Now().UTC().Format(time.DateOnly)
		}
	}
	if problems := validation.IsDNS1123Label(f.name); len(problems) > 0 {
		return fmt.Errorf("a key cannot be called %q, for it becomes the name of a Secret: %s; choose with --name", f.name, strings.Join(problems, "; "))
	}
	if err := f.checkDir(); err != nil {
		return err
	}
	now := time.Now()
	if present != nil {
		if err := successor(config, present, now); err != nil {
			return err
		}
	}
	progress := terminal.NewProgress(cmd.ErrOrStderr())
	progress.Say("making a key of %d bits", f.bits)
	pair, err := sealkey.Generate(f.bits, f.valid, now)
	progress.Stop()
	if err != nil {
		return err
	}
	files, err := f.files(pair, namespace, present)
	if err != nil {
		return err
	}
	if err := write(files); err != nil {
		return err
	}
	return f.explain(cmd, pair, namespace, present)
}

// checkDir refuses folders from which a private key gets into git.
func (f *keygenFlags) checkDir() error {
	dir, err := filepath.Abs(f.dir)
	if err != nil {
		return err
	}
	switch info, err := os.Stat(dir); {
	case errors.Is(err, fs.ErrNotExist): // write makes it
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is no folder", f.dir)
	}
	if root, ok := enclosing(dir); ok && !f.inRepository {
		return fmt.Errorf("%s is in the git repository %s, where a private key must not lie; choose a folder outside with --dir", f.dir, root)
	}
	return nil
}

// successor refuses a key that controllers would not take for the newer one.
func successor(config *sealconfig.Config, present *sealconfig.Certificate, now time.Time) error {
	cert, err := config.Read(present)
	if err != nil {
		return err
	}
	if !cert.NotBefore.Before(now) {
		return fmt.Errorf("certificate %q begins on %s, later than one that is made now; controllers would go on serving it", present.Name, cert.NotBefore.Format(time.DateTime))
	}
	return nil
}

type output struct {
	path    string
	content []byte
	mode    fs.FileMode
}

func (f *keygenFlags) path(suffix string) string { return filepath.Join(f.dir, f.name+suffix) }

func (f *keygenFlags) files(pair *sealkey.Pair, namespace string, present *sealconfig.Certificate) ([]output, error) {
	secret, err := yaml.Marshal(pair.Secret(namespace, secretName(f.name)))
	if err != nil {
		return nil, err
	}
	var classes []string
	if f.vault.Name != "" {
		classes = append(classes, secretName(f.name))
		if present != nil {
			classes = append(classes, secretName(present.Name))
		}
	}
	values, err := sealkey.Values(classes...)
	if err != nil {
		return nil, err
	}
	out := []output{
		{f.path(".key"), pair.KeyPEM(), 0o600},
		{f.path(".crt"), pair.Certificate.PEM(), 0o644},
		{f.path(".secret.yaml"), secret, 0o600},
		{f.path(".values.yaml"), values, 0o644},
	}
	if f.vault.Name == "" {
		if f.vault != (sealkey.Vault{}) {
			return nil, errors.New("--tenant and --client-id are about a vault; give --vault too")
		}
		return out, nil
	}
	if f.vault.Tenant == "" {
		return nil, errors.New("--vault needs the ID of its --tenant")
	}
	class, err := f.vault.SecretProviderClass(namespace, secretName(f.name))
	return append(out, output{f.path(".vault.yaml"), class, 0o644}), err
}

// write writes all files or none, into a folder that is for its owner alone if it was not there.
func write(files []output) error {
	if err := os.MkdirAll(filepath.Dir(files[0].path), 0o700); err != nil {
		return err
	}
	for _, file := range files {
		if _, err := os.Lstat(file.path); err == nil {
			return fmt.Errorf("%s is there already; nothing is overwritten. Choose another --name or --dir", file.path)
		}
	}
	for i, file := range files {
		if err := wholefile.Create(file.path, file.content, file.mode); err != nil {
			for _, done := range slices.Backward(files[:i]) {
				err = errors.Join(err, os.Remove(done.path))
			}
			return err
		}
	}
	return nil
}

func (f *keygenFlags) explain(cmd *cobra.Command, pair *sealkey.Pair, namespace string, present *sealconfig.Certificate) error {
	var b strings.Builder
	program := cmd.Root().DisplayName()
	fmt.Fprintf(&b, "Key %s of %d bits, valid until %s: %s\n", f.name, f.bits, pair.Certificate.NotAfter.Format(time.DateOnly), pair.Certificate.Fingerprint)
	fmt.Fprintf(&b, "  %s, %s: private; keep them in a vault and nowhere else\n  %s: public\n\n", f.path(".key"), f.path(".secret.yaml"), f.path(".crt"))
	step := 0
	next := func(format string, args ...any) {
		step++
		fmt.Fprintf(&b, "%d. %s\n", step, fmt.Sprintf(format, args...))
	}
	when := ", before its controller starts for the first time"
	if present != nil {
		when = fmt.Sprintf(", beside Secret %s, which stays and opens what it sealed", secretName(present.Name))
	}
	if f.vault.Name == "" {
		next("Bring the key into every cluster%s:\n     kubectl create -f %s", when, f.path(".secret.yaml"))
	} else {
		next("Put the key into the vault, and the class into every cluster%s:\n"+
			"     az keyvault secret set --vault-name %[2]s --name %[3]s --encoding utf-8 --file %[4]s\n"+
			"     az keyvault secret set --vault-name %[2]s --name %[5]s --encoding utf-8 --file %[6]s\n"+
			"     kubectl create -f %[7]s", when, f.vault.Name,
			sealkey.Object(secretName(f.name), "tls.crt"), f.path(".crt"), sealkey.Object(secretName(f.name), "tls.key"), f.path(".key"), f.path(".vault.yaml"))
	}
	next("Run each controller with %s (its keyrenewperiod is 0), in namespace %s, and restart it: it reads keys when it starts.", f.path(".values.yaml"), namespace)
	if present == nil {
		next("Pin the certificate in the repository: %s init --cert %s", program, f.path(".crt"))
	} else {
		next("See that every cluster has it: %s doctor", program)
		next("Pin it: %s init --rotate --cert %s", program, f.path(".crt"))
		next("Seal anew what is there, with the old private key: %s reseal --key OLD-KEY --write", program)
		next("When every cluster has applied that, take the old key out of use and restart the controllers:\n     kubectl label secret %s -n %s %s=retired --overwrite",
			secretName(present.Name), namespace, sealkey.Label)
	}
	b.WriteString("\nA controller whose renewal period is not 0 makes a key of its own 30 days after this certificate's first day, and serves that.\n" +
		"A controller that starts before its Secret is there makes a key of its own at once, even with period 0.")
	if f.vault.Name != "" {
		b.WriteString("\nThe vault's Secret is synced only once a Pod mounts the class; with these values the controller does, and waits for it.")
	}
	b.WriteString("\n")
	return say(cmd, "%s", b.String())
}
