package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gitops-drift/gitops-drift/pkg/api/v1alpha1"
	"github.com/gitops-drift/gitops-drift/test/harness"
)

// class is what the guard owes to an edit.
type class string

const (
	// deny: refused, warned or recorded, as the policy says.
	deny class = "D"
	// allow: admitted without a word.
	allow class = "A"
	// record: admitted and written down, whatever the policy says.
	record class = "R"
	// reach: out of a webhook's reach. The row shows that it is, and names what closes it.
	reach class = "X"
)

// actions are the rounds of the suite.
var actions = []v1alpha1.Action{v1alpha1.Deny, v1alpha1.Warn, v1alpha1.Record}

// row is one way to change or destroy what Flux manages.
type row struct {
	// id names the row's objects. $NAME stands for it in templates and commands.
	id string
	// way is what the table of facts calls it.
	way  string
	want class
	// edit describes what is done where the command line does not.
	edit string
	// objects are templates that git declares and Flux applies.
	objects []string
	// given are templates that an administrator applies before, and helm those that helm-controller applies.
	given, helm []string
	// apart puts the objects into a namespace of their own; a template has to make it. $NS stands for the namespace.
	apart bool
	// all judges the row by a policy of scope All.
	all bool
	// revised has Flux apply the objects twice, the first time with an older image.
	revised bool

	// before is done by the administrator, whom the policies exempt.
	before []command
	// run is the edit, made by user; zero: the engineer on call.
	run  []command
	user harness.User
	// by is whose requests are judged: a controller that the edit sets in motion, or the bearer of a token. Empty: user.
	by string
	// told says that the editor gets a warning whatever the action is: of what Flux will do, though the edit goes through.
	told bool
	// answer is the API server's status code for an edit that is admitted; zero: any that means success.
	answer int
	// closing says of a row that is out of reach what closes it; closed is somebody to whom RBAC closes it already.
	closing string
	closed  harness.User
}

// command is a call of the real kubectl.
type command struct {
	args []string
	// in makes the input.
	in input
	// editor is the sed expression with which kubectl edit's editor changes the file.
	editor string
}

// input is a template or, by its live name, an object as the API server has it, with a word replaced.
type input struct {
	template, live, text string
	old, new             string
}

func kubectl(args ...string) []command { return []command{{args: args}} }

func (c command) with(in input) []command {
	c.in = in
	return []command{c}
}

// patch is kubectl patch of a row's object of a resource.
func patch(kind, resource, body string, more ...string) []command {
	return kubectl(append([]string{"patch", resource, "$NAME", "--type=" + kind, "-p=" + body}, more...)...)
}

func call(args ...string) command { return command{args: args} }

// namespace returns where the row's objects are.
func (r *row) namespace(action v1alpha1.Action) string {
	name := strings.ToLower(string(action))
	switch {
	case r.apart:
		return name + "-" + r.id
	case r.all:
		return name + "-all"
	}
	return name
}

// expand puts the row's names into a template or an argument.
func (r *row) expand(text string, action v1alpha1.Action) string {
	return strings.NewReplacer("$NAME", r.id, "$NS", r.namespace(action)).Replace(text)
}

// render returns the documents of templates for this row.
func (r *row) render(action v1alpha1.Action, templates ...string) (string, error) {
	var out strings.Builder
	for _, name := range templates {
		text, err := os.ReadFile(filepath.Join("testdata", "objects", name+".yaml"))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&out, "---\n%s", r.expand(string(text), action))
	}
	return out.String(), nil
}

// described returns the row's edit as the table shows it.
func (r *row) described() string {
	if r.edit != "" {
		return r.edit
	}
	var lines []string
	for _, c := range r.run {
		lines = append(lines, strings.NewReplacer("$NAME", r.id, "$NS", "ns").Replace("kubectl "+strings.Join(c.args, " ")))
	}
	return strings.Join(lines, "; ")
}
