package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/gitops-drift/gitops-drift/pkg/reconcile"
)

// selection is what the command line chooses: objects by name, or all objects of kinds that have certain labels.
type selection struct {
	namespace     string
	allNamespaces bool
	labels        string
	// named are TYPE/NAME arguments with the type's full name.
	named []string
	// kinds are those of named or, without names, those of which all are chosen. optional says that the command line does
	// not name them, so that a cluster need not have each.
	kinds    []reconcile.Kind
	optional bool
}

func (s selection) mayBeReleases() bool {
	return slices.ContainsFunc(s.kinds, func(k reconcile.Kind) bool { return k.Kind == helmv2.HelmReleaseKind })
}

// selection reads the arguments and the flags that choose objects.
func (o *options) selection(args []string) (selection, error) {
	s := selection{namespace: *o.clusters.Config.Namespace, allNamespaces: o.allNamespaces, labels: o.selector}
	if _, err := labels.Parse(o.selector); err != nil {
		return s, fmt.Errorf("-l: %w", err)
	}
	if o.all && o.selector != "" {
		return s, errors.New("--all and -l exclude each other")
	}
	many := o.all || o.selector != ""
	var names []string
	switch {
	case len(args) == 0 && !many:
		return s, errors.New("name what to reconcile, for example kustomization/apps, or give --all or -l")
	case len(args) == 0:
		s.kinds, s.optional = reconcile.Kinds()[:2], true
		return s, nil
	case strings.Contains(args[0], "/"):
		for _, arg := range args {
			kind, name, err := parseObject(arg)
			if err != nil {
				return s, err
			}
			s.kinds, names = append(s.kinds, kind), append(names, name)
		}
	default:
		for _, name := range strings.Split(args[0], ",") {
			kind, err := parseKind(name)
			if err != nil {
				return s, err
			}
			s.kinds = append(s.kinds, kind)
		}
		if len(s.kinds) > 1 && len(args) > 1 {
			return s, fmt.Errorf("%q names several types; write TYPE/NAME for each object", args[0])
		}
		names = args[1:]
		for _, name := range names {
			if strings.Contains(name, "/") {
				return s, fmt.Errorf("%q is not a name; write either TYPE/NAME for each object, or TYPE NAME ...", name)
			}
		}
		s.kinds = append(s.kinds, slices.Repeat(s.kinds, max(len(names)-1, 0))...)
	}
	switch {
	case len(names) == 0 && !many:
		return s, fmt.Errorf("%q names no object; write %s/NAME, or give --all or -l", args[0], args[0])
	case len(names) > 0 && many:
		return s, errors.New("names cannot go with --all or -l")
	case len(names) > 0 && o.allNamespaces:
		return s, errors.New("names cannot go with -A; give their namespace with -n")
	}
	for i, name := range names {
		s.named = append(s.named, s.kinds[i].Plural+"."+s.kinds[i].Group+"/"+name)
	}
	return s, nil
}

func parseObject(arg string) (reconcile.Kind, string, error) {
	typed, name, found := strings.Cut(arg, "/")
	switch {
	case !found || typed == "" || name == "":
		return reconcile.Kind{}, "", fmt.Errorf("%q does not name an object; write TYPE/NAME, for example kustomization/apps", arg)
	case strings.Contains(name, "/"):
		return reconcile.Kind{}, "", fmt.Errorf("%q has too many parts; write TYPE/NAME, and give the namespace with -n", arg)
	}
	kind, err := parseKind(typed)
	return kind, name, err
}

// parseKind knows the names that kubectl takes for the kinds, without asking a cluster: ks, Kustomization, kustomizations,
// kustomizations.kustomize.toolkit.fluxcd.io, kustomizations.v1.kustomize.toolkit.fluxcd.io.
func parseKind(typed string) (reconcile.Kind, error) {
	resource, rest, _ := strings.Cut(strings.ToLower(typed), ".")
	for _, kind := range reconcile.Kinds() {
		group := rest
		if version, after, found := strings.Cut(rest, "."); found && strings.HasPrefix(version, "v") && strings.HasPrefix(kind.Group, after) {
			group = after
		}
		if group != "" && group != kind.Group {
			continue
		}
		if resource != "" && slices.Contains([]string{strings.ToLower(kind.Kind), kind.Plural, kind.Short}, resource) {
			return kind, nil
		}
	}
	return reconcile.Kind{}, fmt.Errorf("%q is no type that Flux reconciles; these are %s", typed, typeNames())
}

// typeNames lists the types as people type them.
func typeNames() string {
	var names []string
	for _, kind := range reconcile.Kinds() {
		name := strings.ToLower(kind.Kind)
		if kind.Short != "" {
			name += " (" + kind.Short + ")"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// find returns what is chosen in a cluster: what is named, and what else is chosen. It is an error that nothing is.
func (s selection) find(getter genericclioptions.RESTClientGetter, mapper meta.RESTMapper) (named, selected []reconcile.Object, err error) {
	var types []string
	for i, kind := range s.kinds {
		if slices.ContainsFunc(s.kinds[:i], func(k reconcile.Kind) bool { return k == kind }) {
			continue
		}
		_, err := mapper.RESTMapping(kind.GroupKind)
		switch {
		case meta.IsNoMatchError(err) && s.optional:
			continue
		case meta.IsNoMatchError(err):
			return nil, nil, reconcile.NotServed(kind)
		case err != nil:
			return nil, nil, fmt.Errorf("cannot reach the cluster: %w", err)
		}
		types = append(types, kind.Plural+"."+kind.Group)
	}
	if len(types) == 0 {
		return nil, nil, reconcile.NotServed(s.kinds[0])
	}
	b := resource.NewBuilder(getter).Unstructured().NamespaceParam(s.namespace).DefaultNamespace().ContinueOnError()
	if len(s.named) > 0 {
		b = b.RequireObject(false).ResourceTypeOrNameArgs(false, s.named...)
	} else {
		b = b.AllNamespaces(s.allNamespaces).LabelSelectorParam(s.labels).SelectAllParam(s.labels == "").RequestChunksOf(500).
			ResourceTypeOrNameArgs(false, strings.Join(types, ",")).Flatten()
	}
	infos, err := b.Do().Infos()
	if err != nil {
		return nil, nil, fmt.Errorf("cannot look for what is to be reconciled: %w", err)
	}
	for _, info := range infos {
		gk := info.Mapping.GroupVersionKind.GroupKind()
		object := reconcile.Object{Group: gk.Group, Kind: gk.Kind, Namespace: info.Namespace, Name: info.Name}
		if len(s.named) > 0 {
			named = append(named, object)
		} else {
			selected = append(selected, object)
		}
	}
	if len(infos) == 0 {
		return nil, nil, s.nothing()
	}
	return named, selected, nil
}

// nothing tells that nothing is chosen.
func (s selection) nothing() error {
	var plurals []string
	for _, kind := range s.kinds {
		plurals = append(plurals, kind.Plural)
	}
	where := "in namespace " + s.namespace + "; -A looks in every one"
	if s.allNamespaces {
		where = "in any namespace"
	}
	with := ""
	if s.labels != "" {
		with = " with labels " + s.labels
	}
	return fmt.Errorf("there are no %s%s %s", strings.Join(plurals, " or "), with, where)
}

// label names an object as people type it; its namespace is shown where it is another than theirs.
func label(namespace string, object reconcile.Object) string {
	text := strings.ToLower(object.Kind) + "/" + object.Name
	if object.Namespace != namespace {
		text = object.Namespace + "/" + text
	}
	return text
}

// complete offers TYPE/, and the objects of a type that is typed already.
func (o *options) complete(cmd *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	prefix, _, found := strings.Cut(typed, "/")
	if !found {
		var types []string
		for _, kind := range reconcile.Kinds() {
			types = append(types, strings.ToLower(kind.Kind)+"/")
		}
		return types, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
	kind, err := parseKind(prefix)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	clusters, err := o.clusters.Names(cmd.Flags())
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completing)
	defer cancel()
	getter := o.clusters.Getter(ctx, clusters[0])
	mapper, err := getter.ToRESTMapper()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	_, objects, _ := selection{namespace: *o.clusters.Config.Namespace, kinds: []reconcile.Kind{kind}}.find(getter, mapper)
	var names []string
	for _, object := range objects {
		names = append(names, prefix+"/"+object.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
