package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gitops-drift/gitops-drift/hack/reference"
)

// programs are the flags of every command, by its path, from docs/reference, of which other tests hold that it is what the
// code says. Those of every command of a program are below its name and " *".
func programs(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, name := range []string{reference.Drift, reference.Reconcile, reference.Seal, reference.Controller} {
		text, err := os.ReadFile(filepath.Join("reference", strings.ReplaceAll(name, " ", "-")+".md"))
		if err != nil {
			t.Fatal(err)
		}
		command := name
		for _, line := range strings.Split(string(text), "\n") {
			if title, ok := strings.CutPrefix(line, "## "); ok {
				command = title
				if title == "Flags of every command" {
					command = name + " *"
				}
				out[command] = append(out[command], "--help")
			}
			if cell, ok := strings.CutPrefix(line, "| `-"); ok {
				cell, _, _ = strings.Cut("`-"+cell, " | ")
				out[command] = append(out[command], spans(cell)...)
			}
		}
		if len(out[name]) < 5 && len(out[name+" *"]) < 5 {
			t.Fatalf("the reference of %s has no flags", name)
		}
	}
	return out
}

// aliases are the names under which Flux runs the plugins.
var aliases = map[string]string{"flux drift": reference.Drift, "flux sync": reference.Reconcile, "flux seal": reference.Seal}

var (
	ourCommand = regexp.MustCompile(`\b(kubectl gitops-\w+|flux (?:drift|sync|seal))\b([^\n|;&)$]*)`)
	aFlag      = regexp.MustCompile(`^(--[a-z][a-z0-9-]*|-[a-zA-Z])(=.*)?$`)
	continued  = regexp.MustCompile(`\\\n\s*`)
	quoted     = regexp.MustCompile(`"[^"]*"|'[^']*'`)
)

func TestCommandsHaveTheFlagsThatTheyAreShownWith(t *testing.T) {
	known := programs(t)
	checked := 0
	for _, p := range written(t) {
		code, prose := p.blocks()
		var texts []string
		for _, b := range code {
			texts = append(texts, b.text)
		}
		for _, text := range append(texts, spans(prose)...) {
			for _, match := range ourCommand.FindAllStringSubmatch(quoted.ReplaceAllString(continued.ReplaceAllString(text, " "), "QUOTED"), -1) {
				checked++
				if err := check(known, match[1], strings.Fields(match[2])); err != nil {
					t.Errorf("%s: %s%s: %v", p.path, match[1], match[2], err)
				}
			}
		}
	}
	if checked < 80 {
		t.Errorf("only %d commands were found", checked)
	}
}

// check says what is wrong with the arguments of a program.
func check(known map[string][]string, program string, args []string) error {
	if name := aliases[program]; name != "" {
		program = name
	}
	if known[program] == nil {
		return fmt.Errorf("there is no program %s", program)
	}
	command := program
	for _, arg := range args {
		if arg == "#" || arg == ">" || arg == "-" {
			break
		}
		if known[command+" "+arg] != nil {
			command += " " + arg
			continue
		}
		flag := aFlag.FindStringSubmatch(arg)
		if flag == nil {
			continue
		}
		if !slices.Contains(known[command], flag[1]) && !slices.Contains(known[program+" *"], flag[1]) {
			return fmt.Errorf("%s has no flag %s", command, flag[1])
		}
	}
	return nil
}

// others are flags of other programs that the documentation speaks of.
var others = []string{
	"--override-manager", "--default-service-account", "--no-remote-bases", // Flux's controllers
	"--key-renew-period", "--key-cutoff-time", // the Sealed Secrets controller
	"--server-side", "--as", "--dry-run", "--field-manager", "--field-selector", "--force-conflicts", "--ignore-not-found", "--validate", // kubectl, kubeseal
	"--cert", "--path", // flux, kubeseal
}

// TestFlagsInTheTextExist looks at flags that stand alone, as `--events-addr`.
func TestFlagsInTheTextExist(t *testing.T) {
	all := map[string]bool{}
	for _, flags := range programs(t) {
		for _, flag := range flags {
			all[flag] = true
		}
	}
	alone := regexp.MustCompile(`^--[a-z][a-z-]*`)
	checked := 0
	for _, p := range written(t) {
		_, prose := p.blocks()
		for _, text := range spans(prose) {
			flag := alone.FindString(text)
			if flag == "" {
				continue
			}
			checked++
			if !all[flag] && !slices.Contains(others, flag) {
				t.Errorf("%s: nothing has the flag %s", p.path, flag)
			}
		}
	}
	if checked < 50 {
		t.Errorf("only %d flags were found", checked)
	}
}

func TestWrongFlagsAreFound(t *testing.T) {
	known := programs(t)
	for line, ok := range map[string]bool{
		"kubectl gitops-drift break-glass deployment/a -n b --for 30m --reason QUOTED": true,
		"kubectl gitops-drift break-glass deployment/a --until 30m":                    false,
		"kubectl gitops-drift history --for 30m":                                       false,
		"flux sync ks/apps --with-source":                                              true,
		"kubectl gitops-seal seal -f x --contexts a":                                   true,
		"kubectl gitops-nothing":                                                       false,
	} {
		match := ourCommand.FindStringSubmatch(line)
		if err := check(known, match[1], strings.Fields(match[2])); (err == nil) != ok {
			t.Errorf("%s: %v", line, err)
		}
	}
}
