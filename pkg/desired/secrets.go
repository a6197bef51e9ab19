package desired

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/kustomize"
	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/gitops-drift/gitops-drift/pkg/redact"
)

// Quote returns a message of Flux about ks, such as that of its Ready condition, without the values of Secrets that it
// may quote, as kustomize does from the source's present artifact. An error says that it cannot be told what these are.
func (b *Builder) Quote(ctx context.Context, ks *kustomizev1.Kustomization, message string) (quoted string, err error) {
	if ks.Spec.Decryption != nil {
		return "", errors.New("Flux knows values that only it can decrypt")
	}
	artifact, err := b.artifact(ctx, ks)
	if err != nil {
		return "", err
	}
	root, release, err := b.checkout(ctx, artifact, sourceName(ks))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, release()) }()
	hidden := &redact.Values{}
	spec, err := hideSpec(ks, root, hidden)
	if err != nil {
		return "", err
	}
	if ks.Spec.PostBuild != nil {
		ctx = kustomize.ContextWithSecretVarsCollector(ctx, func(variables map[string]string) {
			for _, value := range variables {
				hidden.Add(value)
			}
		})
		if _, err := kustomize.LoadVariables(ctx, b.client, unstructured.Unstructured{Object: spec}); err != nil {
			return "", err
		}
	}
	return hide(errors.New(message), root, hidden).Error(), nil
}

// hideSpec adds the values of Secrets that the spec of ks holds, for its patches are parts of the build too. It returns
// ks as unstructured content.
func hideSpec(ks *kustomizev1.Kustomization, root string, known *redact.Values) (map[string]any, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(ks)
	if err != nil {
		return nil, err
	}
	text, err := yaml.Marshal(content["spec"])
	if err != nil {
		return nil, err
	}
	secretCollector{known}.text(text, root, false)
	return content, nil
}

// objectError is what went wrong with one object. Its kind and name are in every report, so they are shown even where
// a Secret has a value that reads the same.
type objectError struct {
	kind, name, doing string
	err               error
}

func (e *objectError) Error() string {
	return fmt.Sprintf("%s in %s %q failed: %v", e.doing, e.kind, e.name, e.err)
}

func (e *objectError) Unwrap() error { return e.err }

// hide returns err without the values of Secrets that its message quotes from the files below root, and
// in one line without root, which is gone when people read it: kustomize and its YAML library show the input that
// they cannot read. Known are other values to hide; they are added to.
func hide(err error, root string, known *redact.Values) error {
	if err == nil {
		return nil
	}
	if of := (*objectError)(nil); errors.As(err, &of) {
		return &objectError{of.kind, of.name, of.doing, hide(of.err, root, known)}
	}
	collector := secretCollector{known}
	walkErr := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		return collector.file(path)
	})
	if walkErr != nil {
		return errors.New("the reason is not shown, because it cannot be told whether it quotes a Secret: " + walkErr.Error())
	}
	text := err.Error()
	for _, dir := range []string{root, realPath(root)} {
		text = strings.ReplaceAll(strings.ReplaceAll(text, dir+"/", ""), dir, ".")
	}
	text = known.Text(text)
	if strings.Contains(text, "\n") {
		text = strings.Join(strings.Fields(text), " ")
	}
	if text != err.Error() {
		return errors.New(text)
	}
	return err
}

// realPath is path without symbolic links, as kustomize names it.
func realPath(path string) string {
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		return resolved
	}
	return path
}

// secretCollector finds the values of Secrets in manifests, patches and kustomizations.
type secretCollector struct {
	values *redact.Values
}

func (c secretCollector) file(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	c.text(content, filepath.Dir(path), false)
	return nil
}

// text collects from YAML or JSON; all says that every value in it belongs to a Secret. What cannot be parsed
// is hidden line by line if it speaks of Secrets.
func (c secretCollector) text(content []byte, dir string, all bool) {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			if all || bytes.Contains(content, []byte("Secret")) || bytes.Contains(content, []byte("secretGenerator")) {
				c.lines(string(content))
			}
			return
		}
		// A scalar that is read again would be found within itself for ever.
		if len(node.Content) == 1 && (all || node.Content[0].Kind != yaml.ScalarNode) {
			c.node(node.Content[0], dir, all)
		}
	}
}

// lines hides every line and what stands behind its first separator.
func (c secretCollector) lines(content string) {
	for line := range strings.Lines(content) {
		line = strings.TrimSpace(line)
		for _, separator := range []string{": ", "="} {
			if _, value, ok := strings.Cut(line, separator); ok {
				c.values.Add(strings.Trim(value, `"'`))
			}
		}
	}
}

func (c secretCollector) node(node *yaml.Node, dir string, all bool) {
	switch node.Kind {
	case yaml.ScalarNode:
		if all {
			c.values.Add(node.Value)
		} else if strings.ContainsAny(node.Value, "\n{[") {
			c.text([]byte(node.Value), dir, false) // a patch within a kustomization
		}
	case yaml.MappingNode:
		c.mapping(node, dir, all)
	case yaml.AliasNode:
		// What it stands for may contain the alias itself, so it is not followed further than its own values.
		for _, value := range append([]*yaml.Node{node.Alias}, node.Alias.Content...) {
			if all && value.Kind == yaml.ScalarNode {
				c.values.Add(value.Value)
			}
		}
	default:
		for _, child := range node.Content {
			c.node(child, dir, all)
		}
	}
}

func (c secretCollector) mapping(node *yaml.Node, dir string, all bool) {
	fields := map[string]*yaml.Node{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		fields[node.Content[i].Value] = node.Content[i+1]
	}
	isSecret := is(fields["kind"], "Secret")
	forSecret := targetsSecret(fields["target"])
	for name, value := range fields {
		switch {
		case all, isSecret && (name == "data" || name == "stringData" || name == "annotations"):
			c.node(value, dir, true)
		case isSecret && name == "metadata":
			c.mapping(value, dir, false)
		case name == "secretGenerator":
			for _, generator := range value.Content {
				c.generator(generator, dir)
			}
		case forSecret && name == "patch":
			c.text([]byte(value.Value), dir, true)
		case forSecret && name == "path":
			c.reference(value.Value, dir)
		default:
			c.node(value, dir, false)
		}
	}
}

// generator collects what one secretGenerator reads.
func (c secretCollector) generator(node *yaml.Node, dir string) {
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i].Value, node.Content[i+1]
		for _, item := range append([]*yaml.Node{value}, value.Content...) {
			if item.Kind != yaml.ScalarNode {
				continue
			}
			switch name {
			case "literals":
				c.values.Add(item.Value)
				if _, literal, ok := strings.Cut(item.Value, "="); ok {
					c.values.Add(strings.Trim(literal, `"'`))
				}
			case "files", "envs", "env":
				_, file, ok := strings.Cut(item.Value, "=")
				if !ok {
					file = item.Value
				}
				c.reference(file, dir)
			}
		}
	}
}

// reference hides the content of a file that a kustomization names; one that is not there has none.
func (c secretCollector) reference(file, dir string) {
	content, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		return
	}
	c.values.Add(string(content))
	c.lines(string(content))
	c.text(content, dir, true)
}

func is(node *yaml.Node, value string) bool { return node != nil && node.Value == value }

func targetsSecret(node *yaml.Node) bool {
	if node == nil || node.Kind != yaml.MappingNode {
		return false
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == "kind" {
			return strings.Contains(node.Content[i+1].Value, "Secret")
		}
	}
	return true // a target without a kind can be a Secret
}
