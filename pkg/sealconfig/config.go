package sealconfig

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/gitops-drift/gitops-drift/pkg/seal"
)

// Names of the file and of what it says to be.
const (
	FileName   = ".gitops-seal.yaml"
	APIVersion = "gitops-drift.dev/v1alpha1"
	Kind       = "SealConfig"
)

// Defaults of a cluster's controller: those of kubeseal.
const (
	DefaultControllerNamespace = "kube-system"
	DefaultControllerName      = "sealed-secrets-controller"
)

// Config is what the file says. What Load returns is valid; it must not be changed while others read it.
type Config struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	// Scope is for what no rule names another one for; empty is strict.
	Scope string `yaml:"scope,omitempty"`
	// Certificate is the name of the one to seal with where no rule names another one.
	Certificate string `yaml:"certificate"`
	// Certificates are pinned, by their names: nothing is sealed with another one.
	Certificates map[string]Certificate `yaml:"certificates"`
	// Rules are tried from first to last; the first that matches a file counts.
	Rules []Rule `yaml:"rules,omitempty"`
	// Clusters are those that have to open what is sealed.
	Clusters []Cluster `yaml:"clusters,omitempty"`

	root string
	// read reads a file of the repository by its slash-separated path from root on; nil: from the working tree.
	read func(name string) ([]byte, error)
	// lines of the entries, by their place: certificates/shared, rules/0.
	lines map[string]int
}

// Certificate is a pinned one.
type Certificate struct {
	// Name is its key in the configuration.
	Name string `yaml:"-"`
	// Path is the file that holds it, from the folder of the configuration on, parted by slashes.
	Path string `yaml:"path"`
	// Fingerprint is that of its public key, SHA256:…; a file that holds another key is refused.
	Fingerprint string `yaml:"fingerprint"`
	// Retired is the day since which nothing new is sealed with it, 2026-11-23; what was, still counts as sealed with a key
	// of the team. Empty: it is in use.
	Retired string `yaml:"retired,omitempty"`
}

// Rule is about the files of folders.
type Rule struct {
	// Path is a folder or a file from the folder of the configuration on. A * stands for any part of a name, ** for any
	// folders. A folder stands for everything in it.
	Path string `yaml:"path"`
	// Certificate is the name of the one to seal with; empty: the default.
	Certificate string `yaml:"certificate,omitempty"`
	// Namespace is the one that the files' Secrets are for; empty: what they say themselves.
	Namespace string `yaml:"namespace,omitempty"`
	// Scope is for what is sealed anew and does not say its own; empty: that of the configuration.
	Scope string `yaml:"scope,omitempty"`
}

// Cluster is one that opens what is sealed.
type Cluster struct {
	// Context is that of the kubeconfig.
	Context string `yaml:"context"`
	// Certificate is the name of the one whose key the cluster has to hold, and serve; empty: the default.
	Certificate string `yaml:"certificate,omitempty"`
	// Controller says where the Sealed Secrets controller runs.
	Controller Controller `yaml:"controller,omitempty"`
}

// Controller is the Service of a Sealed Secrets controller.
type Controller struct {
	Namespace string `yaml:"namespace,omitempty"` // empty: DefaultControllerNamespace
	Name      string `yaml:"name,omitempty"`      // empty: DefaultControllerName
}

// OrDefault fills in what is empty.
func (c Controller) OrDefault() Controller {
	if c.Namespace == "" {
		c.Namespace = DefaultControllerNamespace
	}
	if c.Name == "" {
		c.Name = DefaultControllerName
	}
	return c
}

// Find returns the path of the configuration that is for a file or folder: in its folder or the next one above that has one. It
// stops at the root of a git repository. The error is of fs.ErrNotExist if there is none.
func Find(from string) (string, error) {
	dir, err := filepath.Abs(from)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		dir = filepath.Dir(dir)
	}
	for at := dir; ; at = filepath.Dir(at) {
		file := filepath.Join(at, FileName)
		if _, err := os.Stat(file); err == nil {
			return file, nil
		}
		if _, err := os.Stat(filepath.Join(at, ".git")); err == nil || at == filepath.Dir(at) {
			return "", notFound(dir)
		}
	}
}

// notFound is an error of fs.ErrNotExist: the folder that a configuration was looked for in.
type notFound string

func (dir notFound) Error() string {
	return fmt.Sprintf("there is no %s in %s or a folder above it, up to the repository's root", FileName, string(dir))
}

// Is reports that the file is not there.
func (notFound) Is(target error) bool { return target == fs.ErrNotExist }

// Load reads and checks a configuration. Errors name the file and the line.
func Load(file string) (*Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	root, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	c, err := Parse(text, root)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// Parse reads a configuration as if it lay in the folder root, an absolute path.
func Parse(text []byte, root string) (*Config, error) {
	c := &Config{root: root, lines: map[string]int{}}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(c); errors.Is(err, io.EOF) {
		return nil, errors.New("is empty")
	} else if err != nil {
		return nil, readable(err)
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return nil, errors.New("has to be a single document")
	}
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, readable(err)
	}
	c.number(document.Content[0])
	return c, c.validate()
}

var unknownField = regexp.MustCompile(`field (\S+) not found in type \S+`)

// readable puts what the YAML library says into words for people.
func readable(err error) error {
	typed := (*yaml.TypeError)(nil)
	if !errors.As(err, &typed) {
		return errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	return errors.New(unknownField.ReplaceAllString(strings.Join(typed.Errors, "; "), "there is no field $1"))
}

// number notes on which lines the entries of lists begin.
func (c *Config) number(root *yaml.Node) {
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		c.lines[key.Value] = key.Line
		for n, item := range value.Content {
			if value.Kind == yaml.SequenceNode {
				c.lines[key.Value+"/"+strconv.Itoa(n)] = item.Line
			} else if n%2 == 0 {
				c.lines[key.Value+"/"+item.Value] = item.Line
			}
		}
	}
}

// at is an error about a part of the file.
func (c *Config) at(place, format string, args ...any) error {
	if line := c.lines[place]; line > 0 {
		return fmt.Errorf("line %d: "+format, append([]any{line}, args...)...)
	}
	return fmt.Errorf(format, args...)
}

var fingerprint = regexp.MustCompile(`^SHA256:[A-Za-z0-9+/]{43}$`)

func (c *Config) validate() error {
	if c.APIVersion != APIVersion || c.Kind != Kind {
		return c.at("kind", "is of %s, kind %s; this program reads %s, kind %s", orNothing(c.APIVersion), orNothing(c.Kind), APIVersion, Kind)
	}
	if _, err := seal.ParseScope(c.Scope); err != nil {
		return c.at("scope", "scope: %w", err)
	}
	if err := c.validateCertificates(); err != nil {
		return err
	}
	for i, rule := range c.Rules {
		if err := c.validateRule("rules/"+strconv.Itoa(i), rule); err != nil {
			return err
		}
	}
	contexts := map[string]bool{}
	for i, cluster := range c.Clusters {
		place := "clusters/" + strconv.Itoa(i)
		switch {
		case cluster.Context == "":
			return c.at(place, "a cluster has no context")
		case contexts[cluster.Context]:
			return c.at(place, "context %q is there twice", cluster.Context)
		}
		contexts[cluster.Context] = true
		if _, err := c.Usable(cluster.Certificate); err != nil {
			return c.at(place, "context %q: %w", cluster.Context, err)
		}
	}
	return nil
}

func (c *Config) validateCertificates() error {
	prints := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(c.Certificates)) {
		cert := c.Certificates[name]
		cert.Name = name
		c.Certificates[name] = cert
		place := "certificates/" + name
		switch {
		case !fingerprint.MatchString(cert.Fingerprint):
			return c.at(place, "certificate %q: %q is no fingerprint; it looks like SHA256:… and init writes it", name, cert.Fingerprint)
		case prints[cert.Fingerprint]:
			return c.at(place, "certificate %q: its key is there twice", name)
		case !local(cert.Path):
			return c.at(place, "certificate %q: path %q has to lead into the repository, from the folder of %s on", name, cert.Path, FileName)
		}
		if _, err := time.Parse(time.DateOnly, cert.Retired); cert.Retired != "" && err != nil {
			return c.at(place, "certificate %q: retired is %q; it is a day, such as 2026-11-23", name, cert.Retired)
		}
		prints[cert.Fingerprint] = true
	}
	if c.Certificate == "" {
		return c.at("certificates", "no certificate is chosen: certificate has to be the name of one of certificates")
	}
	if _, err := c.Usable(""); err != nil {
		return c.at("certificate", "%w", err)
	}
	return nil
}

func (c *Config) validateRule(place string, rule Rule) error {
	switch {
	case rule.Path == "":
		return c.at(place, "a rule has no path")
	case !local(rule.Path):
		return c.at(place, "rule %q: the path has to be one of this repository, from the folder of %s on", rule.Path, FileName)
	}
	for _, segment := range strings.Split(rule.Path, "/") {
		if _, err := path.Match(segment, ""); err != nil {
			return c.at(place, "rule %q: the pattern cannot be read", rule.Path)
		}
	}
	if _, err := seal.ParseScope(rule.Scope); err != nil {
		return c.at(place, "rule %q: %w", rule.Path, err)
	}
	if rule.Namespace != "" {
		if problems := validation.IsDNS1123Label(rule.Namespace); len(problems) > 0 {
			return c.at(place, "rule %q: %q is no namespace", rule.Path, rule.Namespace)
		}
	}
	if _, err := c.Usable(rule.Certificate); err != nil {
		return c.at(place, "rule %q: %w", rule.Path, err)
	}
	return nil
}

// local reports whether a path with slashes stays below where it begins.
func local(p string) bool {
	return filepath.IsLocal(filepath.FromSlash(p)) && !strings.Contains(p, `\`)
}

func orNothing(s string) string {
	if s == "" {
		return "(nothing)"
	}
	return s
}
