package main

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/gitops-drift/gitops-drift/pkg/sealdoc"
	"github.com/gitops-drift/gitops-drift/pkg/sealkey"
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
	o     *options
	keys  sealkey.Keyring
	write bool
	named map[string]bool // files that are named, in which nothing is passed over

	mu       sync.Mutex // guards what follows, and the options
	finished int        // files
	done     int        // SealedSecrets that are, or would be, sealed anew
}

// resealed is what became of a file.
type resealed struct {
	lines         []string // a SealedSecret each
	done, already int
	errs          []error
}

func (o *options) reseal(cmd *cobra.Command, args []string, f *resealFlags) error {
	if len(args) == 0 {
		args = []string{"."}
	}
	keys, err := f.keys.require(cmd.Context(), o, args[0], cmd)
	if err != nil {
		return err
	}
	r := &resealing{o: o, keys: keys, write: f.write, named: map[string]bool{}}
	var files []string
	for _, path := range args {
		found, err := manifests(path)
		if err != nil {
			return err
		}
		files = append(files, found...)
		r.named[path] = true
	}
	results, err := r.all(cmd, files)
	if err != nil {
		return err
	}
	return r.conclude(cmd, results)
}

// all does the work, as much of it at once as there are processors: opening takes almost all of the time.
func (r *resealing) all(cmd *cobra.Command, files []string) ([]resealed, error) {
	progress := terminal.NewProgress(cmd.ErrOrStderr())
	defer progress.Stop()
	results := make([]resealed, len(files))
	group, ctx := errgroup.WithContext(cmd.Context())
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, path := range files {
		group.Go(func() (err error) {
			if ctx.Err() != nil {
				return nil
			}
			results[i], err = r.file(cmd, path)
			r.mu.Lock()
			defer r.mu.Unlock()
			r.finished++
			r.done += results[i].done
			progress.Say("%s %d of %d files, %s sealed anew", bar(r.finished, len(files)), r.finished, len(files), count(r.done, "SealedSecret"))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if cmd.Context().Err() != nil {
		results = append(results, resealed{errs: []error{fmt.Errorf("interrupted after %d of %d files; run it again to go on", r.finished, len(files))}})
	}
	return results, nil
}

// bar is a progress bar of ten columns.
func bar(done, of int) string {
	const columns = 10
	full := columns * done / max(of, 1)
	return "[" + strings.Repeat("#", full) + strings.Repeat("·", columns-full) + "]"
}

// sealer is that of the options.
func (r *resealing) sealer(path string, cmd *cobra.Command) (*how, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.o.sealer(path, cmd.ErrOrStderr())
}

// file seals what is in one file anew. What cannot be opened is noted; errors are those that end it all.
func (r *resealing) file(cmd *cobra.Command, path string) (out resealed, err error) {
	text, err := read(path, nil)
	if err != nil {
		return out, err
	}
	if !mentions(text, sealdoc.SealedSecretKind.Kind) {
		return out, nil
	}
	file, err := parseFile(path, text)
	if err != nil {
		if r.named[path] || !isTemplate(text) {
			out.errs = append(out.errs, err)
		}
		return out, nil
	}
	var how *how
	for _, d := range file.Documents() {
		if sealdoc.ListsSealed(d) {
			out.errs = append(out.errs, fmt.Errorf("%s: line %d: the SealedSecrets of a List are not sealed anew; write each as a document of its own", path, d.Line()))
		}
		if sealdoc.Kind(d) != sealdoc.SealedSecretKind {
			continue
		}
		if how == nil {
			if how, err = r.sealer(path, cmd); err != nil {
				return out, err
			}
		}
		result, err := how.sealer.Reseal(d, r.keys)
		switch {
		case err != nil:
			out.errs = append(out.errs, eachInFile(path, err)...)
		case result.Changed:
			out.done++
			out.lines = append(out.lines, fmt.Sprintf("%s: %s/%s: %s", path, result.Namespace, result.Name, count(result.Items, "item")))
		default:
			out.already++
		}
	}
	if len(out.errs) == 0 && out.done > 0 && r.write {
		if err := replace(path, text, file.Bytes()); err != nil {
			out.errs = append(out.errs, err)
		}
	}
	if len(out.errs) > 0 { // the file stays as it is
		out.lines, out.done = nil, 0
	}
	return out, nil
}

// conclude says what came of each, and of all in a sentence.
func (r *resealing) conclude(cmd *cobra.Command, results []resealed) error {
	files, already := 0, 0
	var errs []error
	for _, result := range results {
		for _, line := range result.lines {
			if err := say(cmd, "%s\n", line); err != nil {
				return err
			}
		}
		if result.done > 0 {
			files++
		}
		already += result.already
		errs = append(errs, result.errs...)
	}
	verb, more := "Sealed anew", ""
	if !r.write {
		verb = "To be sealed anew"
		if r.done > 0 {
			more = " Nothing is written; --write does it."
		}
	}
	if err := say(cmd, "%s: %s in %s; sealed with the pinned certificate already: %d.%s\n",
		verb, count(r.done, "SealedSecret"), count(files, "file"), already, more); err != nil {
		return err
	}
	if len(errs) > 0 {
		return &cli.ExitError{Code: cli.CodeIncomplete, Err: errors.Join(errs...)}
	}
	return nil
}
