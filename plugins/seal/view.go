package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/redact"
)

type viewFlags struct {
	keys   keyFlags
	name   string
	reveal bool
}

func (o *options) viewCommand(name string) *cobra.Command {
	f := &viewFlags{}
	cmd := &cobra.Command{
		Use:   "view FILE [ITEM]",
		Short: "Show the Secret that a cluster makes of a SealedSecret",
		Long: `Open a SealedSecret with the private key and show the Secret that a cluster makes of it, templates filled in. Values are masked
unless --reveal is given; then ITEM alone is written as it is, byte by byte, for a pipe.`,
		Example: fmt.Sprintf(`  %[1]s view apps/payments/database.yaml --key ~/keys/shared.key

  # the value of one item
  %[1]s view apps/payments/database.yaml password --key ~/keys/shared.key --reveal`, name),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return fmt.Errorf("view is for one file, and one ITEM of it perhaps; got %d arguments", len(args))
			}
			return nil
		},
		RunE:              func(cmd *cobra.Command, args []string) error { return o.view(cmd, args, f) },
		ValidArgsFunction: completeFileThenItem,
	}
	f.keys.addFlags(cmd, "the private key that opens the values")
	cmd.Flags().StringVar(&f.name, "name", "", "the SealedSecret, [NAMESPACE/]NAME, if the file holds several")
	cmd.Flags().BoolVar(&f.reveal, "reveal", false, "show the values")
	return cmd
}

func (o *options) view(cmd *cobra.Command, args []string, f *viewFlags) error {
	path := args[0]
	keys, err := f.keys.require(cmd.Context(), o, path, cmd)
	if err != nil {
		return err
	}
	opened, err := openFile(path, cmd.InOrStdin(), f.name)
	if err != nil {
		return err
	}
	namespace := o.namespace()
	if namespace == "" {
		namespace = o.ruled(path)
	}
	target, values, err := opened.values(namespace, keys)
	if err != nil {
		return err
	}
	sealed := opened.sealed
	sealed.Namespace = target.Namespace // as kustomize would
	secret, err := sealed.Unseal(scheme.Codecs, keys)
	if err != nil {
		hidden := &redact.Values{}
		for _, value := range values {
			hidden.Add(string(value))
		}
		return fmt.Errorf("%s: spec.template.data: %s", shown(path), hidden.Text(err.Error()))
	}
	if len(args) == 2 {
		value, ok := secret.Data[args[1]]
		if !ok {
			return fmt.Errorf("%s: the Secret has no item %s", shown(path), args[1])
		}
		if !f.reveal {
			return say(cmd, "%s\n", redact.Masked)
		}
		_, err := cmd.OutOrStdout().Write(value)
		return err
	}
	secret.Namespace, secret.Name = target.Namespace, target.Name // not those of a template that was changed
	return writeSecret(cmd.OutOrStdout(), manifestOf(secret), secret.Data, f.reveal)
}

// ruled is the namespace that a rule has for a file, empty where nobody says so.
func (o *options) ruled(path string) string {
	if path == stdin {
		path = "."
	}
	config, err := o.load(path)
	if err != nil {
		return ""
	}
	choice, err := config.For(path)
	if err != nil {
		return ""
	}
	return choice.Namespace
}

// manifestOf is a Secret without its values.
func manifestOf(secret *corev1.Secret) map[string]any {
	metadata := map[string]any{"name": secret.Name, "namespace": secret.Namespace}
	if len(secret.Labels) > 0 {
		metadata["labels"] = secret.Labels
	}
	if len(secret.Annotations) > 0 {
		metadata["annotations"] = secret.Annotations
	}
	out := map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
	if secret.Type != "" {
		out["type"] = secret.Type
	}
	if secret.Immutable != nil {
		out["immutable"] = *secret.Immutable
	}
	return out
}

// writeSecret writes a Secret as YAML: values as text where they are, else in base64, or masked.
func writeSecret(out io.Writer, manifest map[string]any, values map[string][]byte, reveal bool) error {
	plain, binary := map[string]string{}, map[string][]byte{}
	for key, value := range values {
		switch {
		case !reveal:
			plain[key] = redact.Masked
		case isText(value):
			plain[key] = string(value)
		default:
			binary[key] = value
		}
	}
	if len(plain) > 0 {
		manifest["stringData"] = plain
	}
	if len(binary) > 0 {
		manifest["data"] = binary
	}
	text, err := yaml.Marshal(manifest)
	if err != nil {
		return errors.New("the values cannot be written as YAML")
	}
	_, err = out.Write(text)
	return err
}
