package reference

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Tester is what Check needs of a *testing.T.
type Tester interface {
	Helper()
	Fatal(args ...any)
}

// Check demands that a file holds text, or writes it there where UPDATE_GOLDEN is set.
func Check(t Tester, file, text string) {
	t.Helper()
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(written, []byte(text)) {
		t.Fatal(file + " is not what the code says; run make generate")
	}
}

// Of is the reference of a program whose command and subcommands are given, called as people call it.
func Of(root *cobra.Command) string {
	var out strings.Builder
	name := root.DisplayName()
	begin(&out, name)
	write(&out, root)
	out.WriteString("\n## Flags of every command\n\nThose of kubectl, which choose the cluster and the user, and some more.\n\n")
	table(&out, root.PersistentFlags())
	environment(&out, name)
	return out.String()
}

// OfFlags is the reference of a program that has flags alone; usage is the text before them.
func OfFlags(name, usage string, flags *pflag.FlagSet) string {
	var out strings.Builder
	begin(&out, name)
	fmt.Fprintf(&out, "\n%s\n\n", usage)
	table(&out, flags)
	environment(&out, name)
	return out.String()
}

func begin(out *strings.Builder, name string) {
	fmt.Fprintf(out, "<!-- Written by `make generate` from the code. -->\n# %s: commands and flags\n", name)
}

// write tells of a command and those below it.
func write(out *strings.Builder, cmd *cobra.Command) {
	if cmd.Hidden {
		return
	}
	cmd.InitDefaultHelpFlag()
	fmt.Fprintf(out, "\n## %s\n\n", cmd.CommandPath())
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	fmt.Fprintf(out, "%s\n\n```\n%s\n```\n", strings.TrimSpace(prose(text)), cmd.UseLine())
	if cmd.Example != "" {
		fmt.Fprintf(out, "\n```sh\n%s\n```\n", unindented(cmd.Example))
	}
	if flags := local(cmd); flags.HasAvailableFlags() {
		out.WriteString("\n")
		table(out, flags)
	}
	for _, sub := range cmd.Commands() {
		if sub.Name() != "help" {
			write(out, sub)
		}
	}
}

// local are the flags of a command alone, --help left out.
func local(cmd *cobra.Command) *pflag.FlagSet {
	out := pflag.NewFlagSet("", pflag.ContinueOnError)
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" {
			out.AddFlag(f)
		}
	})
	return out
}

// zero are the texts of defaults that say nothing.
var zero = []string{"", "false", "0", "0s", "[]"}

func table(out *strings.Builder, flags *pflag.FlagSet) {
	home, _ := os.UserHomeDir()
	out.WriteString("| flag | default | |\n| --- | --- | --- |\n")
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Deprecated != "" {
			return
		}
		name, usage := pflag.UnquoteUsage(f)
		flag := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			flag = "`-" + f.Shorthand + "`, " + flag
		}
		if name != "" {
			flag += " " + name
		}
		value := f.DefValue
		if home != "" {
			value = strings.ReplaceAll(value, home, "~")
		}
		if slices.Contains(zero, value) {
			value = ""
		} else {
			value = "`" + value + "`"
		}
		fmt.Fprintf(out, "| %s | %s | %s |\n", flag, value, cell(usage))
	})
}

// cell fits text into a table.
func cell(text string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "<", "&lt;").Replace(strings.TrimSpace(text))
}

// prose keeps Markdown from making tags and headings of a text.
func prose(text string) string {
	return strings.ReplaceAll(text, "<", "&lt;")
}

// unindented takes the two blanks away that examples begin their lines with.
func unindented(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	return strings.Join(lines, "\n")
}
