package desired

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	securefs "github.com/fluxcd/pkg/kustomize/filesys"
	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/provider"
	"sigs.k8s.io/kustomize/api/resource"
	kustypes "sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/kustomize/kyaml/resid"
)

// errNotPlain says that only kustomize knows what a build comes to.
var errNotPlain = errors.New("not plain")

// plainBuild builds kustomizations that only list resources, folders with such kustomizations included. What kustomize makes of
// them are the objects as they are, in order; but it compares each object with all others, several times, which for
// 1,000 objects takes most of the time of a build. Objects are read and written by kustomize's own code. Whatever is wrong
// or unusual is left to kustomize: it knows what to say.
type plainBuild struct {
	root    string
	fs      filesys.FileSystem
	factory *resource.Factory
	// namespaced reports whether objects of a kind certainly have a namespace. It is not asked of kustomize, whose answer
	// changes while another build is under way.
	namespaced func(apiVersion, kind string) bool
	// within are the folders that lead to the one that is read.
	within    []string
	seen      map[plainKey][]string
	resources []*resource.Resource
	files     map[*resource.Resource]string
}

// plainKey is all by which kustomize tells objects apart but the namespace.
type plainKey struct{ apiVersion, kind, name string }

// buildPlain returns the resources of the kustomization in dir in the order of kustomize's build, and the file below
// root that each comes from. Its error is errNotPlain or wraps it.
func buildPlain(root, dir string, namespaced func(apiVersion, kind string) bool) (_ []*resource.Resource, _ map[*resource.Resource]string, err error) {
	// As of fluxcd/pkg/kustomize.Build: kustomize panics on some malformed objects.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: panic: %v", errNotPlain, r)
		}
	}()
	root, rootErr := filepath.EvalSymlinks(root)
	dir, dirErr := filepath.EvalSymlinks(dir)
	fs, err := securefs.MakeFsOnDiskSecure(root)
	if err := errors.Join(rootErr, dirErr, err); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errNotPlain, err)
	}
	p := &plainBuild{
		root: root, fs: fs, factory: provider.NewDepProvider().GetResourceFactory(), namespaced: namespaced,
		seen: map[plainKey][]string{}, files: map[*resource.Resource]string{},
	}
	if err := p.folder(dir); err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errNotPlain, err)
	}
	return p.resources, p.files, nil
}

func (p *plainBuild) folder(dir string) error {
	// Without symbolic links a path is the same to kustomize as to us.
	confirmed, name, err := p.fs.CleanedAbs(dir)
	if err != nil || name != "" || confirmed.String() != filepath.Clean(dir) {
		return errNotPlain
	}
	for _, outer := range p.within {
		if filesys.ConfirmedDir(outer).HasPrefix(confirmed) {
			return errNotPlain // a cycle
		}
	}
	entries, err := p.kustomization(dir)
	if err != nil {
		return err
	}
	p.within = append(p.within, dir)
	defer func() { p.within = p.within[:len(p.within)-1] }()
	for _, entry := range entries {
		path := filepath.Join(dir, entry)
		info, err := os.Lstat(path)
		switch {
		case err != nil || !local(entry):
			return errNotPlain
		case info.IsDir():
			err = p.folder(path)
		case info.Mode().IsRegular():
			err = p.file(path)
		default:
			return errNotPlain
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// local reports whether kustomize certainly takes an entry for a path, and not for the address of a repository.
func local(entry string) bool {
	for part := range strings.SplitSeq(entry, "/") {
		if part != ".." && strings.Contains(part, "..") {
			return false
		}
	}
	return !filepath.IsAbs(entry) && !strings.ContainsAny(entry, `:?@\`) && !strings.Contains(strings.ToLower(entry), "github.com")
}

// kustomization returns the resources of a kustomization that has nothing else.
func (p *plainBuild) kustomization(dir string) ([]string, error) {
	var content []byte
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		read, err := p.fs.ReadFile(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		if content != nil {
			return nil, errNotPlain
		}
		content = read
	}
	var k kustypes.Kustomization
	if err := k.Unmarshal(content); err != nil {
		return nil, err
	}
	if k.Kind == kustypes.ComponentKind || len(k.EnforceFields()) > 0 || len(k.Resources) == 0 {
		return nil, errNotPlain
	}
	// Only that of the first folder counts.
	if len(p.within) == 0 && !slices.Equal(k.BuildMetadata, []string{kustypes.OriginAnnotations}) {
		return nil, errNotPlain
	}
	rest := k
	rest.TypeMeta, rest.BuildMetadata, rest.Resources = kustypes.TypeMeta{}, nil, nil
	if !reflect.DeepEqual(rest, kustypes.Kustomization{}) {
		return nil, errNotPlain
	}
	return k.Resources, nil
}

func (p *plainBuild) file(path string) error {
	content, err := p.fs.ReadFile(path)
	if err != nil {
		return err
	}
	resources, err := p.factory.SliceFromBytes(content)
	if err != nil {
		return err
	}
	name, err := filepath.Rel(p.root, path)
	if err != nil {
		return err
	}
	for _, r := range resources {
		if err := p.add(r); err != nil {
			return err
		}
		p.files[r] = filepath.ToSlash(name)
	}
	return nil
}

func (p *plainBuild) add(r *resource.Resource) error {
	for name := range r.GetAnnotations() {
		// They tell kustomize what to do with the object.
		if strings.Contains(name, "config.kubernetes.io/") || strings.Contains(name, "config.k8s.io/") {
			return errNotPlain
		}
	}
	key := plainKey{r.GetApiVersion(), r.GetKind(), r.GetName()}
	namespace := r.GetNamespace()
	if namespace == "" {
		namespace = resid.DefaultNamespace
	}
	others := p.seen[key]
	if slices.Contains(others, namespace) || len(others) > 0 && !p.namespaced(key.apiVersion, key.kind) {
		return errNotPlain
	}
	p.seen[key] = append(p.seen[key], namespace)
	if err := checkReferences(r); err != nil {
		return err
	}
	// As kustomize leaves objects that it has not changed (krusty.Kustomizer.Run).
	r.RemoveBuildAnnotations()
	if err := r.SetOrigin(nil); err != nil {
		return err
	}
	if err := r.ClearTransformations(); err != nil {
		return err
	}
	p.resources = append(p.resources, r)
	return nil
}
