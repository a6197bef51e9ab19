package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/gitops-drift/gitops-drift/pkg/ephemeral"
	"github.com/gitops-drift/gitops-drift/pkg/sealdoc"
	"github.com/gitops-drift/gitops-drift/pkg/yamledit"
)

// reapName is the hidden command that cleans up behind edit.
const reapName = "__reap"

func reapCommand() *cobra.Command {
	return &cobra.Command{
		Use:    reapName + " FOLDER",
		Short:  "Remove the folder of an edit when its process is gone",
		Hidden: true,
		Args:   exactly(1, "one folder is removed"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return ephemeral.Reap(cmd.InOrStdin(), cmd.OutOrStdout(), args[0])
		},
	}
}

type editFlags struct {
	keys keyFlags
	name string
}

func (o *options) editCommand(name string) *cobra.Command {
	f := &editFlags{}
	cmd := &cobra.Command{
		Use:   "edit FILE",
		Short: "Edit the values of a SealedSecret in an editor",
		Long: `Open the values of a SealedSecret in $KUBE_EDITOR or $EDITOR, and seal those that you change with the pinned certificate. The others
keep their ciphertext, and the file its comments.

The values are in a file for you alone, in memory where the system has such a place (/dev/shm), and it is gone when the editor
ends, also if this program is killed. vim and nvim are told to keep no swap file, backup, undo file or history of it; other editors
may keep copies in places of their own.`,
		Example: fmt.Sprintf(`  %[1]s edit apps/payments/database.yaml --key ~/keys/shared.key

  # with the key of the cluster, where you may read it
  %[1]s edit apps/payments/database.yaml --from-cluster --context stage`, name),
		Args: exactly(1, "edit is for one file"),
		RunE: func(cmd *cobra.Command, args []string) error { return o.edit(cmd, args[0], f) },
	}
	f.keys.addFlags(cmd, "the private key that opens the values")
	cmd.Flags().StringVar(&f.name, "name", "", "the SealedSecret, [NAMESPACE/]NAME, if the file holds several")
	return cmd
}

func (o *options) edit(cmd *cobra.Command, path string, flags *editFlags) error {
	if path == stdin {
		return errors.New("edit needs a file; standard input is the editor's")
	}
	how, err := o.sealer(path, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	keys, err := flags.keys.require(cmd.Context(), o, path, cmd)
	if err != nil {
		return err
	}
	f, err := openFile(path, nil, flags.name)
	if err != nil {
		return err
	}
	target, values, err := f.values(how.sealer.Namespace, keys)
	if err != nil {
		return err
	}
	shown, err := editable(target.String(), values)
	if err != nil {
		return err
	}
	edited, err := editing(cmd, filepath.Base(path), shown)
	if err != nil || edited == nil {
		return err
	}
	changed, err := how.sealer.SetAll(f.document, keys, edited)
	if err != nil {
		return inFile(path, err)
	}
	if len(changed) == 0 {
		return say(cmd, "Nothing was changed.\n")
	}
	if err := warnSize(cmd, path, f.document); err != nil {
		return err
	}
	if err := replace(path, f.text, f.file.Bytes()); err != nil {
		return err
	}
	return say(cmd, "%s: %s: changed %s\n", path, target, strings.Join(changed, ", "))
}

// inFile names the file in an error, in each of several.
func inFile(path string, err error) error { return errors.Join(eachInFile(path, err)...) }

func eachInFile(path string, err error) []error {
	parts := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		parts = joined.Unwrap()
	}
	var out []error
	for _, part := range parts {
		out = append(out, fmt.Errorf("%s: %w", path, part))
	}
	return out
}

// editable is a text of the values that people can edit: text as such, everything else in base64.
func editable(target string, values map[string][]byte) ([]byte, error) {
	plain, binary := map[string]string{}, map[string][]byte{}
	for key, value := range values {
		if isText(value) {
			plain[key] = string(value)
		} else {
			binary[key] = value
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Values of SealedSecret %s. What you change is sealed when you save and close; what you leave stays as it is.\n", target)
	b.WriteString("# Below stringData is text, below data base64 of what is no text. Remove a key to remove its item.\n")
	for _, part := range []struct {
		values any
		empty  bool
	}{{map[string]any{"stringData": plain}, len(plain) == 0 && len(binary) > 0}, {map[string]any{"data": binary}, len(binary) == 0}} {
		if part.empty {
			continue
		}
		out, err := yaml.Marshal(part.values)
		if err != nil {
			return nil, errors.New("the values cannot be written as YAML")
		}
		b.Write(out)
	}
	return b.Bytes(), nil
}

func isText(value []byte) bool {
	return utf8.Valid(value) && !bytes.ContainsFunc(value, func(r rune) bool {
		return !unicode.IsPrint(r) && r != '\n' && r != '\t'
	})
}

// parseEdited reads what was edited.
func parseEdited(text []byte) (map[string][]byte, error) {
	d, err := yamledit.NewDocument(string(text))
	if err != nil {
		return nil, err
	}
	if d.Root() == nil {
		return nil, errors.New("nothing is left; to leave the file as it is, change nothing")
	}
	secret, err := sealdoc.ReadSecret(d)
	if err != nil {
		return nil, err
	}
	values := map[string][]byte{}
	for key, value := range secret.Data {
		values[key] = value
	}
	for key, value := range secret.StringData {
		if _, twice := values[key]; twice {
			return nil, fmt.Errorf("%s is below stringData and below data", key)
		}
		values[key] = []byte(value)
	}
	return values, nil
}

// editing lets a person edit a text until it can be read. It returns nil if nothing was changed.
func editing(cmd *cobra.Command, name string, text []byte) (_ map[string][]byte, err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := ephemeral.New(program, reapName)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	if !dir.InMemory() {
		warn(cmd.ErrOrStderr(), "this system has no folder in memory that is known here; while you edit, the values are on disk, in %s", dir.Path(""))
	}
	name = strings.TrimSuffix(name, filepath.Ext(name)) + ".yaml" // for the colours
	var last []byte                                               // what could not be read
	for shown := text; ; {
		if err := dir.Write(name, shown); err != nil {
			return nil, err
		}
		if err := launch(cmd, dir.Path(name)); err != nil {
			return nil, err
		}
		edited, err := dir.Read(name)
		if err != nil {
			return nil, errors.New("the editor removed the file; nothing is written")
		}
		switch {
		case bytes.Equal(edited, text):
			return nil, say(cmd, "Nothing was changed.\n")
		case bytes.Equal(withoutProblem(edited), last):
			return nil, errors.New("what was edited cannot be read; nothing is written")
		}
		values, problem := parseEdited(edited)
		if problem == nil {
			return values, nil
		}
		warn(cmd.ErrOrStderr(), "what was edited cannot be read: %v", problem)
		last = withoutProblem(edited)
		shown = append([]byte("# Cannot be read: "+strings.ReplaceAll(problem.Error(), "\n", " ")+"\n"), last...)
	}
}

// withoutProblem takes off what was said about the text before.
func withoutProblem(text []byte) []byte {
	if bytes.HasPrefix(text, []byte("# Cannot be read: ")) {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	return text
}

// launch runs the editor on a file. Ctrl-C is the editor's; whoever asks this program to end, ends the editor.
func launch(cmd *cobra.Command, file string) error {
	editor := os.Getenv("KUBE_EDITOR")
	if editor == "" {
		editor = os.Getenv("EDITOR")
	}
	if editor == "" {
		editor = "vi"
		if runtime.GOOS == "windows" {
			editor = "notepad"
		}
	}
	if words := strings.Fields(editor); len(words) > 0 && isVim(words[0]) {
		// Neither swap file, viminfo, backup nor undo file: they are not in the folder that is removed, but in the home folder.
		editor += ` -n -i NONE -c "set nobackup nowritebackup noundofile"`
	}
	run := exec.Command("sh", "-c", editor+` "$1"`, "sh", file)
	if runtime.GOOS == "windows" {
		run = exec.Command("cmd", "/C", editor, file)
	}
	run.Stdin, run.Stdout, run.Stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := run.Start(); err != nil {
		return fmt.Errorf("the editor %q: %w; nothing is written", editor, err)
	}
	var ended error
	done := make(chan struct{})
	go func() {
		defer close(done)
		ended = run.Wait()
	}()
	for {
		select {
		case s := <-signals:
			if s == syscall.SIGTERM {
				return errors.Join(errors.New("told to end; nothing is written"), killed(run, done))
			}
		case <-done:
			if ended != nil {
				return fmt.Errorf("the editor %q: %w; nothing is written", editor, ended)
			}
			return nil
		}
	}
}

// killed ends a process and waits for that.
func killed(run *exec.Cmd, done <-chan struct{}) error {
	if err := run.Process.Kill(); err != nil {
		return err
	}
	<-done
	return nil
}

// isVim reports whether a program is vim or nvim, behind links too.
func isVim(program string) bool {
	path, err := exec.LookPath(program)
	if err != nil {
		return false
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	name := filepath.Base(path)
	return name == "nvim" || name == "vim" || strings.HasPrefix(name, "vim.")
}
