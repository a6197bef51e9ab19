package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// literals say what a Secret without a manifest holds, with the flags of kubectl create secret generic.
type literals struct {
	values, files, envFiles []string
	kind                    string
}

func (l *literals) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&l.files, "from-file", nil, "[KEY=]FILE: an item with what a file holds; - is standard input; may be repeated")
	flags.StringArrayVar(&l.envFiles, "from-env-file", nil, "a file of KEY=VALUE lines, each an item; may be repeated")
	flags.StringArrayVar(&l.values, "from-literal", nil, "KEY=VALUE: an item; your shell's history keeps the value and other processes can see it; may be repeated")
	flags.StringVar(&l.kind, "type", "", "the type of the Secret that is made of --from-…")
}

func (l *literals) given() bool {
	return len(l.values)+len(l.files)+len(l.envFiles) > 0 || l.kind != ""
}

// secret is the manifest of the Secret.
func (l *literals) secret(cmd *cobra.Command, name, namespace string) ([]byte, error) {
	data := map[string][]byte{}
	add := func(key string, value []byte) error {
		if _, twice := data[key]; twice {
			return fmt.Errorf("item %s is given twice", key)
		}
		data[key] = value
		return nil
	}
	for _, file := range l.files {
		key, path, ok := strings.Cut(file, "=")
		if !ok {
			key, path = filepath.Base(file), file
		}
		value, err := read(path, cmd.InOrStdin())
		if err == nil {
			err = add(key, value)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, file := range l.envFiles {
		if err := fromEnv(file, cmd, add); err != nil {
			return nil, err
		}
	}
	for i, literal := range l.values {
		key, value, ok := strings.Cut(literal, "=")
		if !ok {
			return nil, fmt.Errorf("--from-literal number %d is not KEY=VALUE", i+1) // it may be the value
		}
		if err := add(key, []byte(value)); err != nil {
			return nil, err
		}
	}
	if len(l.values) > 0 {
		warn(cmd.ErrOrStderr(), "values of --from-literal were visible to other processes, and your shell's history may keep them; --from-file takes them from a file")
	}
	if len(data) == 0 {
		return nil, errors.New("say with --from-file, --from-env-file or --from-literal what the Secret holds")
	}
	metadata := map[string]any{"name": name}
	if namespace != "" {
		metadata["namespace"] = namespace
	}
	object := map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
	if l.kind != "" {
		object["type"] = l.kind
	}
	return yaml.Marshal(object)
}

// fromEnv reads lines of KEY=VALUE as kubectl does: empty ones and those that begin with # are left out.
func fromEnv(path string, cmd *cobra.Command, add func(string, []byte) error) error {
	text, err := read(path, cmd.InOrStdin())
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxInput)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimLeft(lines.Text(), " \t")
		if n == 1 {
			line = strings.TrimPrefix(line, "\ufeff")
		}
		if line == "" || line[0] == '#' {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			return fmt.Errorf("%s: line %d is not KEY=VALUE", shown(path), n)
		}
		if err := add(key, []byte(value)); err != nil {
			return fmt.Errorf("%s: line %d: %w", shown(path), n, err)
		}
	}
	return lines.Err()
}
