package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gitops-drift/gitops-drift/pkg/sealdoc"
	"github.com/gitops-drift/gitops-drift/pkg/sealkey"
	"github.com/gitops-drift/gitops-drift/pkg/wholefile"
	"github.com/gitops-drift/gitops-drift/plugins/internal/cli"
	"github.com/gitops-drift/gitops-drift/plugins/internal/terminal"
)

type resealFlags struct {
	keys  keyFlags
	write bool
}

func (o *options) resealCommand(name string) *cobra.Command {
	f := &resealFlags{}
	cmd := &cobra.Command{
		Use:   "reseal [PATH ...] --key OLD-KEY",
		Short: "Seal anew, with the pinned certificate, what is sealed with another key",
		Long: `Open the SealedSecrets below PATH, the working folder by default, with the private keys that are given, and seal their items anew with
the certificate that the repository pins, offline. Templates, labels, annotations and comments stay. Without --write nothing is
written: it shows what would be done, and proves that the keys open everything.

Each file is replaced as a whole, and one of which an item does not open stays as it is. What is sealed with the pinned
certificate already is left alone, so that it can be run again after it was interrupted.

Exit code: 0 done, or it can be done; 1 some SealedSecrets cannot be opened; 2 bad input.`,
		Example: fmt.Sprintf(`  %[1]s reseal --key ~/keys/shared.key
  %[1]s reseal --key ~/keys/shared.key --write

  # what one cluster's own key has sealed
  %[1]s reseal apps/payments --from-cluster --context prod-eu --write`, name),
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return o.reseal(cmd, args, f) },
	}
	f.keys.addFlags(cmd, "the old private key")
	cmd.Flags().BoolVar(&f.write, "write", false, "replace the files")
	return cmd
}

// resealing is the work on many files.
type resealing struct {
	keys    sealkey.Keyring
	write   bool
	done    int // SealedSecrets that are, or would be, sealed anew
	files   int // in which they are
	already int
	errs    []error
}

func (o *options) reseal(cmd *cobra.Command, args []string, f *resealFlags) error {
	if len(args) == 0 {
		args = []string{"."}
	}
	keys, err := f.keys.require(cmd.Context(), o, args[0], cmd)
	if err != nil {
		return err
	}
	var files []string
	named := map[string]bool{}
	for _, path := range args {
		found, err := manifests(path)
		if err != nil {
			return err
		}
		files = append(files, found...)
		named[path] = true
	}
	r := &resealing{keys: keys, write: f.write}
	var report []string
	progress := terminal.NewProgress(cmd.ErrOrStderr())
	for i, path := range files {
		if cmd.Context().Err() != nil {
			r.errs = append(r.errs, errors.New("interrupted; run it again to go on"))
			break
		}
		progress.Say("%s %d of %d files, %d SealedSecrets sealed anew", bar(i, len(files)), i, len(files), r.done)
		lines, err := o.resealFile(cmd, path, named[path], r)
		if err != nil {
			progress.Stop()
			return err
		}
		report = append(report, lines...)
	}
	progress.Stop()
	for _, line := range report {
		if err := say(cmd, "%s\n", line); err != nil {
			return err
		}
	}
	return r.conclude(cmd)
}

// bar is a progress bar of ten columns.
func bar(done, of int) string {
	const columns = 10
	full := columns * done / max(of, 1)
	return "[" + strings.Repeat("#", full) + strings.Repeat("·", columns-full) + "]"
}

// resealFile seals what is in one file anew. What cannot be opened is noted; errors are those that end it all.
func (o *options) resealFile(cmd *cobra.Command, path string, named bool, r *resealing) ([]string, error) {
	text, err := read(path, nil)
	if err != nil {
		return nil, err
	}
	if !mentions(text, sealdoc.SealedSecretKind.Kind) {
		return nil, nil
	}
	file, err := parseFile(path, text)
	if err != nil {
		if named || !isTemplate(text) {
			r.errs = append(r.errs, err)
		}
		return nil, nil
	}
	var how *how
	var lines []string
	var problems []error
	done := 0
	for _, d := range file.Documents() {
		if sealdoc.Kind(d) != sealdoc.SealedSecretKind {
			continue
		}
		if how == nil {
			if how, err = o.sealer(path, cmd.ErrOrStderr()); err != nil {
				return nil, err
			}
		}
		result, err := how.sealer.Reseal(d, r.keys)
		switch {
		case err != nil:
			problems = append(problems, eachInFile(path, err)...)
		case result.Changed:
			done++
			lines = append(lines, fmt.Sprintf("%s: %s/%s: %s", path, result.Namespace, result.Name, count(result.Items, "item")))
		default:
			r.already++
		}
	}
	if len(problems) > 0 {
		r.errs = append(r.errs, problems...)
		return nil, nil
	}
	if done == 0 {
		return nil, nil
	}
	if r.write {
		if err := wholefile.Replace(path, file.Bytes(), 0o644); err != nil {
			r.errs = append(r.errs, err)
			return nil, nil
		}
	}
	r.done += done
	r.files++
	return lines, nil
}

// conclude says in a sentence what came of it all.
func (r *resealing) conclude(cmd *cobra.Command) error {
	var b strings.Builder
	verb := "To be sealed anew"
	if r.write {
		verb = "Sealed anew"
	}
	fmt.Fprintf(&b, "%s: %s in %s; sealed with the pinned certificate already: %d.", verb, count(r.done, "SealedSecret"), count(r.files, "file"), r.already)
	if !r.write && r.done > 0 {
		b.WriteString(" Nothing is written; --write does it.")
	}
	if err := say(cmd, "%s\n", b.String()); err != nil {
		return err
	}
	if len(r.errs) > 0 {
		return &cli.ExitError{Code: cli.CodeIncomplete, Err: errors.Join(r.errs...)}
	}
	return nil
}
