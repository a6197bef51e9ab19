package sealcheck

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// placeholder is a value that is but a variable of Flux's post-build substitution, which the cluster has.
var placeholder = regexp.MustCompile(`^\s*\$\{[^}]*\}\s*$`)

const plaintextAdvice = "seal it: kubectl gitops-seal seal; and change the values, if they are in git's history"

// secret is what is looked at of a Secret.
type secret struct {
	Metadata struct{ Namespace, Name, GenerateName string } `json:"metadata"`
	Data     map[string]any                                 `json:"data"`
	Plain    map[string]any                                 `json:"stringData"`
	SOPS     map[string]any                                 `json:"sops"`
}

// plaintext judges a Secret of a file. Its values are not told.
func (r *Repository) plaintext(n node, report *Report) {
	var s secret
	if json.Unmarshal(n.json, &s) != nil {
		report.Errors = append(report.Errors, Error{File: n.file, Line: n.above + n.at.Line, Err: fmt.Errorf("is no Secret: a field has another type")})
		return
	}
	if s.Metadata.Name == "" && s.Metadata.GenerateName != "" {
		s.Metadata.Name = s.Metadata.GenerateName + "*"
	}
	name := "Secret " + s.Metadata.Name
	if s.Metadata.Namespace != "" {
		name = "Secret " + s.Metadata.Namespace + "/" + s.Metadata.Name
	}
	for _, field := range []struct {
		name   string
		values map[string]any
	}{{"data", s.Data}, {"stringData", s.Plain}} {
		for _, key := range slices.Sorted(maps.Keys(field.values)) {
			text := fmt.Sprint(field.values[key])
			if field.values[key] == nil || text == "" || placeholder.MatchString(text) || s.SOPS != nil && strings.HasPrefix(text, "ENC[") {
				continue
			}
			report.Findings = append(report.Findings, Finding{
				Kind: Plaintext, File: n.file, Line: n.line(field.name, key), Object: name, Item: key,
				Message: "is in plain text", Advice: plaintextAdvice,
			})
		}
	}
}

// generators judges the generators of Secrets in the files of kustomize.
func (r *Repository) generators(report *Report) {
	r.eachGenerator(func(file string, above int, generator *yaml.Node) { r.generator(file, above, generator, report) })
}

// eachGenerator calls use for each generator of Secrets, with the file that it is in and how many lines are above its document.
func (r *Repository) eachGenerator(use func(file string, above int, generator *yaml.Node)) {
	for _, n := range r.makers {
		use(n.file, n.above, n.at)
	}
	for _, dir := range slices.Sorted(maps.Keys(r.kustomizations)) {
		file := r.kustomizations[dir]
		text, err := r.source.ReadFile(file)
		if err != nil || !bytes.Contains(text, []byte("secretGenerator")) {
			continue // what cannot be read cannot be built either, and is said then
		}
		var root yaml.Node
		if yaml.Unmarshal(text, &root) != nil || len(root.Content) == 0 {
			continue // as above
		}
		_, list := entry(root.Content[0], "secretGenerator")
		if list == nil {
			continue
		}
		for _, generator := range list.Content {
			use(file, 0, generator)
		}
	}
}

func (r *Repository) generator(file string, above int, generator *yaml.Node, report *Report) {
	name := "secretGenerator"
	_, metadata := entry(generator, "metadata") // of one that is a file of its own
	for _, in := range []*yaml.Node{generator, metadata} {
		if _, value := entry(in, "name"); value != nil {
			name += " " + value.Value
		}
	}
	add := func(line int, item, message string) {
		report.Findings = append(report.Findings, Finding{
			Kind: Plaintext, File: file, Line: above + line, Object: name, Item: item, Message: message, Advice: plaintextAdvice,
		})
	}
	_, literals := entry(generator, "literals")
	for _, literal := range content(literals) {
		key, value, _ := strings.Cut(literal.Value, "=")
		if value != "" && !placeholder.MatchString(value) {
			add(literal.Line, key, "is in plain text")
		}
	}
	for _, source := range inputs(path.Dir(file), generator) {
		if slices.Contains(r.files, source.file) && !r.encrypted(source.file) {
			add(source.line, source.item, "is in plain text in "+source.file)
		}
	}
}

// input is a file that a generator reads.
type input struct {
	file, item string
	line       int
}

// inputs are the files that a generator in a folder reads.
func inputs(dir string, generator *yaml.Node) []input {
	_, env := entry(generator, "env")
	_, envs := entry(generator, "envs")
	_, sources := entry(generator, "files")
	var out []input
	for _, source := range slices.Concat(content(env), content(envs), content(sources)) {
		item, from, found := strings.Cut(source.Value, "=")
		if !found {
			from, item = item, ""
		}
		out = append(out, input{path.Join(dir, from), item, source.Line})
	}
	return out
}

// content are the entries of a list, or the one text that stands for them.
func content(n *yaml.Node) []*yaml.Node {
	switch {
	case n == nil:
		return nil
	case n.Kind == yaml.ScalarNode:
		return []*yaml.Node{n}
	}
	return n.Content
}

// sops are the marks that SOPS leaves in files that it encrypts, whatever their format.
var sops = [][]byte{[]byte("sops_mac="), []byte(`"sops":`), []byte("sops:"), []byte("[sops]")}

// encrypted reports whether a file is encrypted with SOPS, or empty.
func (r *Repository) encrypted(file string) bool {
	text, err := r.source.ReadFile(file)
	if err != nil || len(bytes.TrimSpace(text)) == 0 {
		return true // there is nothing to read
	}
	return bytes.Contains(text, []byte("ENC[AES256_GCM,")) && slices.ContainsFunc(sops, func(mark []byte) bool { return bytes.Contains(text, mark) })
}
