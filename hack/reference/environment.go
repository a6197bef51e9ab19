package reference

import (
	"fmt"
	"slices"
	"strings"
)

// The programs, as people call them.
const (
	Drift      = "kubectl gitops-drift"
	Reconcile  = "kubectl gitops-reconcile"
	Seal       = "kubectl gitops-seal"
	Controller = "gitops-drift"
)

// Variable is an environment variable that programs heed.
type Variable struct {
	Name string
	// Programs heed it.
	Programs []string
	Meaning  string
	// Library says that a library of theirs reads it, not their own code.
	Library bool
}

var plugins = []string{Drift, Reconcile, Seal}

// Variables are all that the programs heed.
func Variables() []Variable {
	return []Variable{
		{"EDITOR", []string{Seal}, "the editor of `edit`, where KUBE_EDITOR names none", false},
		{"GIT_DIR", []string{Seal}, "with GIT_INDEX_FILE, where git runs `check --staged` as a hook: the repository and the index that is to be committed", false},
		{"GIT_INDEX_FILE", []string{Seal}, "see GIT_DIR", false},
		{"GOGC", []string{Drift, Controller}, "how much garbage there may be, in percent of what is in use, before it is collected; unless it is set, 50 for the controller and 200 for the plugin", false},
		{"GOMEMLIMIT", []string{Controller}, "the memory that is not to be exceeded; the manifests set it to the container's limit", true},
		{"KUBECONFIG", append([]string{Controller}, plugins...), "the kubeconfig, as kubectl reads it; of the controller one file, where it does not run in a Pod", true},
		{"KUBERNETES_SERVICE_HOST", append([]string{Controller}, plugins...), "the API server of the Pod that it runs in; the plugins use it where there is no kubeconfig", false},
		{"KUBE_EDITOR", []string{Seal}, "the editor of `edit`", false},
		{"NO_COLOR", plugins, "no colours if it is set", false},
		{"PATH", plugins, "where `completion install` looks for the plugin, and demands that the shim goes", false},
		{"POD_NAMESPACE", []string{Controller}, "the default of `--namespace`", false},
		{"TERM", plugins, "no colours, and nothing that changes in place, where it is `dumb`", false},
		{"XDG_RUNTIME_DIR", []string{Seal}, "where `edit` keeps the plain text while it is edited, in memory, if there is no `/dev/shm`", false},
	}
}

// environment lists the variables that a program heeds.
func environment(out *strings.Builder, program string) {
	out.WriteString("\n## Environment\n\n| variable | |\n| --- | --- |\n")
	for _, v := range Variables() {
		if slices.Contains(v.Programs, program) {
			fmt.Fprintf(out, "| `%s` | %s |\n", v.Name, v.Meaning)
		}
	}
}
