package fleet

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/client-go/tools/clientcmd/api"
)

// Contexts returns the names of all contexts of a kubeconfig, in alphabetical order. That there is none is an error.
func Contexts(config api.Config) ([]string, error) {
	names := slices.Sorted(maps.Keys(config.Contexts))
	if len(names) == 0 {
		return nil, errors.New("the kubeconfig has no contexts")
	}
	return names, nil
}

// Named checks that every name is one of a context of the kubeconfig, and that none comes twice. The error lists names
// that somebody may have meant.
func Named(config api.Config, names []string) error {
	if len(names) == 0 {
		return errors.New("no context is named")
	}
	known, err := Contexts(config)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, name := range names {
		switch {
		case name == "":
			return errors.New("a context has an empty name")
		case !slices.Contains(known, name):
			return fmt.Errorf("the kubeconfig has no context %q; %s", name, advise(name, known))
		case seen[name]:
			return fmt.Errorf("context %q is named twice", name)
		}
		seen[name] = true
	}
	return nil
}

// listed is how many names an error lists.
const listed = 8

// advise lists the known names that are near to name, or else those that there are.
func advise(name string, known []string) string {
	var near []string
	for _, k := range known {
		a, b := strings.ToLower(name), strings.ToLower(k)
		if distance(a, b) <= max(len(a), len(b))/3 || len(a) > 2 && strings.Contains(b, a) {
			near = append(near, k)
		}
	}
	if len(near) > 0 {
		slices.SortStableFunc(near, func(a, b string) int { return distance(name, a) - distance(name, b) })
		return "did you mean " + list(near, "or") + "?"
	}
	return "it has " + list(known, "and")
}

func list(names []string, last string) string {
	if more := len(names) - listed; more > 0 {
		names = append(slices.Clone(names[:listed]), fmt.Sprintf("%d more", more))
	}
	if len(names) == 1 {
		return names[0]
	}
	end := len(names) - 1
	return strings.Join(names[:end], ", ") + " " + last + " " + names[end]
}

// distance is how many bytes have to be added, removed, replaced or swapped with the next to make one string of the other.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before, last, row = last, row, before
		row[0] = i + 1
		for j := range len(b) {
			replace := last[j]
			if a[i] != b[j] {
				replace++
			}
			row[j+1] = min(replace, row[j]+1, last[j+1]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
