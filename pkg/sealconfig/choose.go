package sealconfig

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/gitops-drift/gitops-drift/pkg/seal"
	"github.com/gitops-drift/gitops-drift/pkg/sealkey"
)

// Root is the folder that the configuration lies in, an absolute path.
func (c *Config) Root() string { return c.root }

// ReadFrom has certificates read by other means than from the working tree, by their slash-separated paths from the root on.
func (c *Config) ReadFrom(read func(name string) ([]byte, error)) *Config {
	out := *c
	out.read = read
	return &out
}

// Usable returns the certificate of a name, that of the configuration's own for "". It must not be retired.
func (c *Config) Usable(name string) (*Certificate, error) {
	if name == "" {
		name = c.Certificate
	}
	cert, ok := c.Certificates[name]
	switch {
	case !ok:
		return nil, fmt.Errorf("there is no certificate %q", name)
	case cert.Retired != "":
		return nil, fmt.Errorf("certificate %q is retired since %s; nothing is sealed with it any more", name, cert.Retired)
	}
	return &cert, nil
}

// Pinned returns the certificate, retired or not, whose key has a fingerprint; nil if none has.
func (c *Config) Pinned(fingerprint string) *Certificate {
	for _, cert := range c.Certificates {
		if cert.Fingerprint == fingerprint {
			return &cert
		}
	}
	return nil
}

// Cluster returns the entry of a context; one that is not there has the defaults.
func (c *Config) Cluster(context string) Cluster {
	for _, cluster := range c.Clusters {
		if cluster.Context == context {
			return cluster
		}
	}
	return Cluster{Context: context}
}

// Read reads the file of a pinned certificate and holds it against the fingerprint.
func (c *Config) Read(pinned *Certificate) (*sealkey.Certificate, error) {
	file := filepath.Join(c.root, filepath.FromSlash(pinned.Path))
	read := c.read
	if read == nil {
		read = func(string) ([]byte, error) { return os.ReadFile(file) }
	}
	text, err := read(pinned.Path)
	if err != nil {
		return nil, fmt.Errorf("certificate %q: %w", pinned.Name, err)
	}
	cert, err := sealkey.ParseCertificate(text)
	if err != nil {
		return nil, fmt.Errorf("certificate %q: %s %w", pinned.Name, file, err)
	}
	if cert.Fingerprint != pinned.Fingerprint {
		return nil, fmt.Errorf("certificate %q: %s holds key %s, but %s pins %s; whoever changed one of them has to say why",
			pinned.Name, file, cert.Fingerprint, FileName, pinned.Fingerprint)
	}
	return cert, nil
}

// Choice is how a file's Secrets are sealed.
type Choice struct {
	// Certificate is the one to seal with.
	Certificate *Certificate
	// Namespace is the one that they are for, empty if no rule says so.
	Namespace string
	Scope     seal.Scope
	// Rule is the path of the rule that matched, empty if none did.
	Rule string
}

// For returns how a file is sealed that need not be there. One outside of the folder of the configuration has no rule.
func (c *Config) For(file string) (Choice, error) {
	rel, err := c.rel(file)
	if err != nil {
		return Choice{}, err
	}
	return c.At(rel)
}

// At is For of a slash-separated path from the root on, empty for a file outside.
func (c *Config) At(rel string) (choice Choice, err error) {
	var rule Rule
	for _, r := range c.Rules {
		if covers(r.Path, rel) {
			rule = r
			break
		}
	}
	choice = Choice{Namespace: rule.Namespace, Rule: rule.Path}
	if choice.Certificate, err = c.Usable(rule.Certificate); err != nil {
		return Choice{}, err
	}
	name := rule.Scope
	if name == "" {
		name = c.Scope
	}
	choice.Scope, err = seal.ParseScope(name)
	return choice, err
}

// rel is the path of a file from the root on, empty outside of it. Symbolic links on the way are followed, so that a
// repository has one path only.
func (c *Config) rel(file string) (string, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(resolved(c.root), resolved(abs))
	if err != nil || !filepath.IsLocal(rel) {
		return "", nil //nolint:nilerr // a file on another drive is outside
	}
	return filepath.ToSlash(rel), nil
}

// resolved follows links as far as the path is there.
func resolved(p string) string {
	if real, err := filepath.EvalSymlinks(p); err == nil {
		return real
	}
	if dir := filepath.Dir(p); dir != p {
		return filepath.Join(resolved(dir), filepath.Base(p))
	}
	return p
}

// covers reports whether a pattern matches a path or a folder that it lies in.
func covers(pattern, name string) bool {
	if name == "" {
		return false
	}
	return match(strings.Split(strings.Trim(path.Clean(pattern), "/"), "/"), strings.Split(name, "/"))
}

func match(pattern, name []string) bool {
	switch {
	case len(pattern) == 0 || len(pattern) == 1 && pattern[0] == ".":
		return true
	case pattern[0] == "**":
		for i := range len(name) + 1 {
			if match(pattern[1:], name[i:]) {
				return true
			}
		}
		return false
	case len(name) == 0:
		return false
	}
	ok, err := path.Match(pattern[0], name[0])
	return err == nil && ok && match(pattern[1:], name[1:])
}
