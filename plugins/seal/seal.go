package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gitops-drift/gitops-drift/pkg/seal"
	"github.com/gitops-drift/gitops-drift/pkg/sealdoc"
	"github.com/gitops-drift/gitops-drift/pkg/yamledit"
)

type sealFlags struct {
	files   []string
	inPlace bool
	into    string
	scope   string
	keys    keyFlags
	create  literals
}

func (o *options) sealCommand(name string) *cobra.Command {
	f := &sealFlags{}
	cmd := &cobra.Command{
		Use:   "seal -f FILE|FOLDER|- | seal NAME --from-file …",
		Short: "Seal Secrets into SealedSecrets",
		Long: `Seal the Secrets of files with the certificate that the repository pins. Objects of other kinds stay as they are, and so do comments,
order and style. The result goes to standard output, with --in-place into the files themselves, each replaced as a whole, and with
--into FILE into the SealedSecrets of that file: those of the same name become what the Secrets say, others are added. With a private
key at hand (--key, --from-cluster) values that did not change keep their ciphertext there, so that git shows what changed.

A Secret's namespace is its own, or that of -n or of the rule for the file; the kubeconfig's does not count.`,
		Example: fmt.Sprintf(`  %[1]s seal -f apps/payments/database.yaml --in-place

  kubectl create secret generic database -n payments --from-file=password --dry-run=client -o yaml | %[1]s seal -f - > sealed.yaml

  # without a manifest
  %[1]s seal database -n payments --from-file=password=/dev/stdin --into apps/payments/database.yaml`, name),
		Args: cobra.ArbitraryArgs, // source tells more than cobra would
		RunE: func(cmd *cobra.Command, args []string) error { return o.seal(cmd, args, f) },
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&f.files, "filename", "f", nil, "a file, a folder, or - for standard input; may be repeated")
	flags.BoolVarP(&f.inPlace, "in-place", "i", false, "replace the files")
	flags.StringVar(&f.into, "into", "", "the file whose SealedSecrets are brought up to date, made if it is not there")
	flags.StringVar(&f.scope, "scope", "", "the scope to seal in, whatever the Secret says: "+strings.Join(seal.ScopeNames, ", "))
	f.keys.addFlags(cmd, "the private key, with which --into keeps what did not change")
	f.create.addFlags(cmd)
	_ = cmd.RegisterFlagCompletionFunc("scope", cobra.FixedCompletions(seal.ScopeNames, cobra.ShellCompDirectiveNoFileComp)) // the flag is there
	return cmd
}

// input is a text with Secrets to be sealed.
type input struct {
	path string // "-" for standard input
	text []byte
	// folder: it was found in one that was named, so that it need not hold a Secret, or YAML.
	folder bool
}

func (o *options) seal(cmd *cobra.Command, args []string, f *sealFlags) error {
	inputs, err := f.inputs(cmd, args, o.namespace())
	if err != nil {
		return err
	}
	if f.into != "" {
		return o.sealInto(cmd.Context(), cmd, inputs, f)
	}
	if f.keys.given() {
		return errors.New("--key and --from-cluster keep what did not change of --into FILE; say which file that is")
	}
	var errs []error
	type result struct {
		path string
		text []byte
		file *yamledit.File
		done []string
	}
	var results []result
	for _, in := range inputs {
		file, done, err := o.sealInput(cmd, in, in.path, f)
		if err != nil {
			errs = append(errs, err)
		} else if file != nil && (len(done) > 0 || !in.folder) {
			results = append(results, result{in.path, in.text, file, done})
		}
	}
	if len(errs) > 0 { // of several files none is sealed then, so that what is left is as it was
		return errors.Join(errs...)
	}
	sealed := 0
	for i, r := range results {
		sealed += len(r.done)
		if f.inPlace {
			if err := replace(r.path, r.text, r.file.Bytes()); err != nil {
				return err
			}
			for _, what := range r.done {
				if err := say(cmd, "%s: %s\n", r.path, what); err != nil {
					return err
				}
			}
			continue
		}
		if err := writeDocuments(cmd.OutOrStdout(), r.file, i > 0); err != nil {
			return err
		}
	}
	if sealed == 0 && f.inPlace {
		return say(cmd, "There is no Secret to seal.\n")
	}
	return nil
}

// inputs are the texts that the command line names.
func (f *sealFlags) inputs(cmd *cobra.Command, args []string, namespace string) ([]input, error) {
	if f.inPlace && f.into != "" {
		return nil, errors.New("--in-place and --into exclude each other")
	}
	if f.create.given() || len(args) > 0 {
		if len(args) != 1 || len(f.files) > 0 || f.inPlace {
			return nil, errors.New("either -f names manifests, or one NAME and --from-file, --from-env-file, --from-literal say what the Secret holds")
		}
		text, err := f.create.secret(cmd, args[0], namespace)
		return []input{{path: stdin, text: text}}, err
	}
	if len(f.files) == 0 {
		return nil, errors.New("say with -f what to seal: a file, a folder, or - for standard input")
	}
	var out []input
	for _, path := range f.files {
		if path == stdin {
			if f.inPlace {
				return nil, errors.New("standard input cannot be replaced; leave --in-place out")
			}
			text, err := read(stdin, cmd.InOrStdin())
			if err != nil {
				return nil, err
			}
			out = append(out, input{path: stdin, text: text})
			continue
		}
		files, err := manifests(path)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := read(file, nil)
			if err != nil {
				return nil, err
			}
			out = append(out, input{path: file, text: text, folder: len(files) != 1 || file != path})
		}
	}
	return out, nil
}

// sealInput seals the Secrets of a text for a place in the repository. It returns nil where there is none, of a folder, and else
// says of each what was done.
func (o *options) sealInput(cmd *cobra.Command, in input, place string, f *sealFlags) (*yamledit.File, []string, error) {
	if in.folder && !mentions(in.text, "Secret") {
		return nil, nil, nil
	}
	text, err := sealdoc.Expand(in.text)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", shown(in.path), err)
	}
	file, err := parseFile(in.path, text)
	if err != nil {
		if in.folder && isTemplate(in.text) {
			warn(cmd.ErrOrStderr(), "%s looks like a template; it stays as it is", in.path)
			return nil, nil, nil
		}
		return nil, nil, err
	}
	var how *how
	var done []string
	for _, d := range file.Documents() {
		if sealdoc.Kind(d) != sealdoc.SecretKind {
			continue
		}
		if sealdoc.Encrypted(d) {
			warn(cmd.ErrOrStderr(), "%s: line %d: the Secret is encrypted with SOPS; it stays as it is", shown(in.path), d.Line())
			continue
		}
		if how == nil {
			if how, err = o.sealer(placed(place), cmd.ErrOrStderr()); err != nil {
				return nil, nil, err
			}
		}
		scope, err := f.scopeFor(how)
		if err != nil {
			return nil, nil, err
		}
		remarks, err := how.sealer.Seal(d, scope)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", shown(in.path), err)
		}
		sealed, err := sealdoc.Read(d)
		if err != nil {
			return nil, nil, err
		}
		target := seal.TargetOf(sealed)
		if remark := sealdoc.SizeRemark(sealed); remark != "" {
			remarks = append(remarks, remark)
		}
		for _, remark := range remarks {
			warn(cmd.ErrOrStderr(), "%s: %s: %s", shown(in.path), target, remark)
		}
		done = append(done, fmt.Sprintf("sealed %s, %s, with %s", target, count(len(sealed.Spec.EncryptedData), "item"), how.name))
	}
	if len(done) == 0 && !in.folder {
		return nil, nil, fmt.Errorf("%s holds no Secret to seal", shown(in.path))
	}
	return file, done, nil
}

// placed is the path that rules are looked for: of standard input the working folder.
func placed(path string) string {
	if path == stdin {
		return filepath.Join(".", "standard-input")
	}
	return path
}

// scopeFor is the scope of the flag, else of the configuration.
func (f *sealFlags) scopeFor(how *how) (sealdoc.Scope, error) {
	if f.scope == "" {
		return sealdoc.Scope{Scope: how.scope}, nil
	}
	scope, err := seal.ParseScope(f.scope)
	if err != nil {
		return sealdoc.Scope{}, fmt.Errorf("--scope: %w", err)
	}
	return sealdoc.Scope{Scope: scope, Forced: true}, nil
}

// writeDocuments writes a file behind others.
func writeDocuments(out io.Writer, file *yamledit.File, behind bool) error {
	text := file.Bytes()
	if behind && !strings.HasPrefix(string(text), "---") {
		text = append([]byte("---\n"), text...)
	}
	if len(text) > 0 && text[len(text)-1] != '\n' {
		text = append(text, '\n')
	}
	_, err := out.Write(text)
	return err
}

// sealInto brings the SealedSecrets of a file up to what Secrets say.
func (o *options) sealInto(ctx context.Context, cmd *cobra.Command, inputs []input, f *sealFlags) error {
	keys, err := f.keys.read(ctx, o, f.into, cmd)
	if err != nil {
		return err
	}
	how, err := o.sealer(f.into, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	scope, err := f.scopeFor(how)
	if err != nil {
		return err
	}
	present, err := readIfThere(f.into)
	if err != nil {
		return err
	}
	file, err := parseFile(f.into, present)
	if err != nil {
		return err
	}
	var done []string
	var added []*yamledit.Document
	for _, in := range inputs {
		if in.folder && !mentions(in.text, "Secret") {
			continue
		}
		text, err := sealdoc.Expand(in.text)
		if err != nil {
			return fmt.Errorf("%s: %w", shown(in.path), err)
		}
		source, err := parseFile(in.path, text)
		if err != nil {
			return err
		}
		found := false
		for _, d := range source.Documents() {
			if sealdoc.Kind(d) != sealdoc.SecretKind || sealdoc.Encrypted(d) {
				continue
			}
			found = true
			what, remarks, err := how.sealer.SealInto(file, d, scope, keys)
			if err != nil {
				return fmt.Errorf("%s: %w", shown(in.path), err)
			}
			for _, remark := range remarks {
				warn(cmd.ErrOrStderr(), "%s: %s", shown(in.path), remark)
			}
			if what.New {
				added = append(added, d)
			}
			done = append(done, what.String())
		}
		if !found && !in.folder {
			return fmt.Errorf("%s holds no Secret to seal", shown(in.path))
		}
	}
	for _, d := range slices.Concat(file.Documents(), added) {
		if sealdoc.Kind(d) == sealdoc.SealedSecretKind {
			if err := warnSize(cmd, f.into, d); err != nil {
				return err
			}
		}
	}
	text, err := sealdoc.Append(file, added)
	if err != nil {
		return fmt.Errorf("%s: %w", f.into, err)
	}
	if string(text) != string(present) {
		if err := replace(f.into, present, text); err != nil {
			return err
		}
	}
	for _, what := range done {
		if err := say(cmd, "%s: %s\n", f.into, what); err != nil {
			return err
		}
	}
	return nil
}
