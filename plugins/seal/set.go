package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/gitops-drift/gitops-drift/pkg/sealdoc"
	"github.com/gitops-drift/gitops-drift/pkg/yamledit"
	"github.com/gitops-drift/gitops-drift/plugins/internal/terminal"
)

// itemFlags say which SealedSecret set and unset are about.
type itemFlags struct{ file, name string }

func (f *itemFlags) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.file, "filename", "f", "", "the file that holds the SealedSecret")
	cmd.Flags().StringVar(&f.name, "name", "", "the SealedSecret, [NAMESPACE/]NAME, if the file holds several")
	cmd.ValidArgsFunction = func(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return items(f.file), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

func (o *options) setCommand(name string) *cobra.Command {
	f := &itemFlags{}
	cmd := &cobra.Command{
		Use:   "set -f FILE KEY[=@FILE|=-|=VALUE] ...",
		Short: "Seal values into items of a SealedSecret, with the certificate alone",
		Long: `Change items of a SealedSecret in its file, or add them, in the SealedSecret's own scope. All other lines stay as they are, apart from
the annotations that say how it was sealed.

  KEY         asks for the value, which is not shown; without a terminal it is read from standard input
  KEY=-       standard input, to its end
  KEY=@FILE   what the file holds
  KEY=VALUE   the value itself, which your shell's history keeps and other processes can see`,
		Example: fmt.Sprintf(`  %[1]s set -f apps/payments/database.yaml password
  openssl rand -base64 24 | tr -d '\n' | %[1]s set -f apps/payments/database.yaml password=-
  %[1]s set -f apps/payments/tls.yaml tls.crt=@new.crt tls.key=@new.key`, name),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("say which item to set: KEY, KEY=@FILE or KEY=-")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.set(cmd, args, f) },
	}
	f.addFlags(cmd)
	return cmd
}

func (o *options) unsetCommand(name string) *cobra.Command {
	f := &itemFlags{}
	cmd := &cobra.Command{
		Use:     "unset -f FILE KEY ...",
		Short:   "Remove items of a SealedSecret",
		Long:    "Remove items of a SealedSecret from its file. Comments above them stay, since nobody knows what they are about.",
		Example: fmt.Sprintf("  %[1]s unset -f apps/payments/database.yaml password", name),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("say which item to remove: KEY")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.open(cmd, f)
			if err != nil {
				return err
			}
			for _, key := range args {
				if _, ok := c.sealed.Spec.EncryptedData[key]; !ok {
					return fmt.Errorf("%s: SealedSecret %s has no item %s; it has %s", f.file, c.sealed.Name, key,
						strings.Join(slices.Sorted(maps.Keys(c.sealed.Spec.EncryptedData)), ", "))
				}
			}
			return c.apply(cmd, args, func(key string) (string, error) { return c.sealer.Unset(c.document, key) })
		},
	}
	f.addFlags(cmd)
	return cmd
}

func (o *options) set(cmd *cobra.Command, args []string, f *itemFlags) error {
	values := map[string][]byte{}
	var keys []string
	piped := ""
	for _, arg := range args {
		key, source, given := strings.Cut(arg, "=")
		if _, twice := values[key]; twice {
			return fmt.Errorf("%s is given twice", key)
		}
		if !given && !terminal.Is(cmd.InOrStdin()) {
			source, given = stdin, true
		}
		if given && source == stdin {
			if piped != "" {
				return fmt.Errorf("%s and %s cannot both be read from standard input", piped, key)
			}
			piped = key
		}
		keys, values[key] = append(keys, key), nil
	}
	c, err := o.open(cmd, f) // before anything is asked
	if err != nil {
		return err
	}
	for _, arg := range args {
		key, source, given := strings.Cut(arg, "=")
		value, err := value(cmd, key, source, given)
		if err != nil {
			return err
		}
		values[key] = value
	}
	return c.apply(cmd, keys, func(key string) (string, error) { return c.sealer.Set(c.document, key, values[key]) })
}

// value is what an argument gives an item.
func value(cmd *cobra.Command, key, source string, given bool) ([]byte, error) {
	file, isFile := strings.CutPrefix(source, "@")
	switch {
	case !given && terminal.Is(cmd.InOrStdin()):
		return ask(cmd, key)
	case !given, source == stdin:
		value, err := read(stdin, cmd.InOrStdin())
		if err == nil && oneLine(value) {
			warn(cmd.ErrOrStderr(), "the value of %s ends with a line break, which is part of it", key)
		}
		return value, err
	case isFile:
		return read(file, nil)
	}
	if source != "" {
		warn(cmd.ErrOrStderr(), "the value of %s was visible to other processes, and your shell's history may keep it; %s alone asks for it", key, key)
	}
	return []byte(source), nil
}

// oneLine reports whether a value is a single line with a line break, as echo writes it.
func oneLine(value []byte) bool {
	return len(value) > 1 && bytes.IndexByte(value, '\n') == len(value)-1
}

// ask asks for a value on the terminal.
func ask(cmd *cobra.Command, key string) ([]byte, error) {
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok {
		return nil, errors.New("there is no terminal to ask on")
	}
	prompt := cmd.ErrOrStderr()
	if _, err := fmt.Fprintf(prompt, "Value of %s: ", key); err != nil {
		return nil, err
	}
	fd := int(in.Fd())
	state, err := term.GetState(fd)
	if err != nil {
		return nil, fmt.Errorf("read the value of %s: %w", key, err)
	}
	var value []byte
	read := make(chan error, 1)
	go func() {
		var err error
		value, err = term.ReadPassword(fd)
		read <- err
	}()
	select {
	case err = <-read:
	case <-cmd.Context().Done(): // Ctrl-C; the terminal must show again what is typed
		err = errors.Join(errors.New("interrupted; nothing is written"), term.Restore(fd, state))
	}
	if _, err := io.WriteString(prompt, "\n"); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("read the value of %s: %w", key, err)
	}
	if len(value) == 0 {
		return nil, fmt.Errorf("nothing was typed; for an empty value say %s=", key)
	}
	return value, nil
}

// opened is the SealedSecret that set and unset are about, and what seals it.
type opened struct {
	*sealedFile
	sealer *sealdoc.Sealer
}

func (o *options) open(cmd *cobra.Command, f *itemFlags) (*opened, error) {
	if f.file == "" || f.file == stdin {
		return nil, errors.New("say with -f which file holds the SealedSecret")
	}
	how, err := o.sealer(f.file, cmd.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	file, err := openFile(f.file, nil, f.name)
	if err != nil {
		return nil, err
	}
	return &opened{file, how.sealer}, nil
}

// apply changes items and writes the file, or changes nothing.
func (c *opened) apply(cmd *cobra.Command, keys []string, change func(key string) (remark string, err error)) error {
	told := ""
	for _, key := range keys {
		remark, err := change(key)
		if err != nil {
			return fmt.Errorf("%s: %w", c.path, err)
		}
		if remark != told {
			warn(cmd.ErrOrStderr(), "%s: %s", c.path, remark)
			told = remark
		}
	}
	if err := warnSize(cmd, c.path, c.document); err != nil {
		return err
	}
	if err := replace(c.path, c.text, c.file.Bytes()); err != nil {
		return err
	}
	return say(cmd, "%s: %s: %s %s\n", c.path, c.sealed.Name, cmd.Name(), strings.Join(keys, ", "))
}

// items are the keys of the SealedSecrets of a file, for completion.
func items(file string) []string {
	text, err := read(file, nil)
	if err != nil {
		return nil
	}
	parsed, err := yamledit.Parse(text)
	if err != nil {
		return nil
	}
	var out []string
	for _, d := range parsed.Documents() {
		if s, err := sealdoc.Read(d); err == nil {
			for key := range s.Spec.EncryptedData {
				out = append(out, key)
			}
		}
	}
	return out
}

func completeFileThenItem(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return items(args[0]), cobra.ShellCompDirectiveNoFileComp
}
