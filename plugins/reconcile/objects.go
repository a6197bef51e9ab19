package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/gitops-drift/gitops-drift/pkg/reconcile"
)

// parseObjects reads TYPE/NAME arguments.
func parseObjects(namespace string, args []string) ([]reconcile.Object, error) {
	if len(args) == 0 {
		return nil, errors.New("name what to reconcile, for example kustomization/apps")
	}
	var objects []reconcile.Object
	for _, arg := range args {
		kind, name, found := strings.Cut(arg, "/")
		switch {
		case !found || kind == "" || name == "":
			return nil, fmt.Errorf("%q does not name an object; write TYPE/NAME, for example kustomization/apps", arg)
		case strings.Contains(name, "/"):
			return nil, fmt.Errorf("%q has too many parts; write TYPE/NAME, and give the namespace with -n", arg)
		case !isKustomization(kind):
			return nil, fmt.Errorf("%q: only Kustomizations can be reconciled (kustomization/NAME or ks/NAME);"+
				" their sources come along with --with-source", arg)
		}
		objects = append(objects, reconcile.Kustomization(namespace, name))
	}
	return objects, nil
}

// isKustomization knows the names that kubectl takes for the kind.
func isKustomization(kind string) bool {
	switch strings.TrimSuffix(strings.ToLower(kind), ".kustomize.toolkit.fluxcd.io") {
	case "ks", "kustomization", "kustomizations":
		return true
	}
	return false
}

// label names an object as people type it; its namespace is shown where it is another than theirs.
func label(namespace string, object reconcile.Object) string {
	text := strings.ToLower(object.Kind) + "/" + object.Name
	if object.Namespace != namespace {
		text = object.Namespace + "/" + text
	}
	return text
}
