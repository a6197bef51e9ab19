package harness

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Fault is a way in which a published artifact is broken.
type Fault int

const (
	// NoFault is a sound artifact.
	NoFault Fault = iota
	// WrongDigest serves other bytes than those that the status gives the digest of.
	WrongDigest
	// NotFound answers 404.
	NotFound
)

// Publication is a commit to be published as the artifact of a GitRepository.
type Publication struct {
	// Source is the GitRepository, created if absent; zero: flux-system/flux-system.
	Source client.ObjectKey
	// Dir is a git working tree, or a folder of one, which then is the artifact's root.
	Dir string
	// Ref is the commit, as git names it; empty: HEAD. What is not committed is not published.
	Ref string
	// Branch is the one in the revision; empty: main.
	Branch string
	// Fault breaks the artifact. It holds for the URL until the same commit is published again.
	Fault Fault
}

// sources serves artifacts and writes statuses as source-controller does.
type sources struct {
	server     *http.Server
	url        string
	controller client.Client // source-controller, by a token of its Pod

	mu        sync.Mutex
	artifacts map[string][]byte // by URL path
}

func (c *Cluster) newSources(ctx context.Context) (*sources, error) {
	config, err := c.PodConfig(ctx, client.ObjectKey{Namespace: FluxNamespace, Name: "source-controller"})
	if err != nil {
		return nil, err
	}
	controller, err := client.New(config, client.Options{Scheme: c.admin.Scheme(), Mapper: c.admin.RESTMapper()})
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for artifacts: %w", err)
	}
	s := &sources{url: "http://" + listener.Addr().String(), controller: controller, artifacts: map[string][]byte{}}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = s.server.Serve(listener) }()
	return s, nil
}

// ServeHTTP serves the artifacts.
func (s *sources) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	s.mu.Lock()
	artifact, ok := s.artifacts[req.URL.Path]
	s.mu.Unlock()
	if !ok {
		http.NotFound(w, req)
		return
	}
	http.ServeContent(w, req, "artifact.tar.gz", time.Time{}, bytes.NewReader(artifact))
}

// put stores what is served at path, broken as fault says.
func (s *sources) put(path string, artifact []byte, fault Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch fault {
	case NotFound:
		delete(s.artifacts, path)
	case WrongDigest:
		s.artifacts[path] = append(bytes.Clone(artifact), 0)
	default:
		s.artifacts[path] = artifact
	}
}

// Publish packs a commit, serves it, and reports it in the status of the GitRepository, as source-controller
// and under its identity. It returns the artifact as reported. Earlier artifacts stay available.
func (c *Cluster) Publish(ctx context.Context, p Publication) (*meta.Artifact, error) {
	if c.sources == nil {
		return nil, errors.New("publish: the harness was started without Flux")
	}
	if p.Source == (client.ObjectKey{}) {
		p.Source = client.ObjectKey{Namespace: FluxNamespace, Name: FluxNamespace}
	}
	if p.Ref == "" {
		p.Ref = "HEAD"
	}
	if p.Branch == "" {
		p.Branch = "main"
	}
	artifact, commit, err := pack(ctx, p.Dir, p.Ref)
	if err != nil {
		return nil, fmt.Errorf("publish %s: %w", p.Dir, err)
	}
	digest := sha256.Sum256(artifact)
	path := "gitrepository/" + p.Source.Namespace + "/" + p.Source.Name + "/" + commit + ".tar.gz"
	size := int64(len(artifact))
	reported := &meta.Artifact{
		Path:           path,
		URL:            c.sources.url + "/" + path,
		Revision:       p.Branch + "@sha1:" + commit,
		Digest:         "sha256:" + hex.EncodeToString(digest[:]),
		LastUpdateTime: metav1.Now().Rfc3339Copy(),
		Size:           &size,
	}
	c.sources.put("/"+path, artifact, p.Fault)
	repository, err := c.gitRepository(ctx, p)
	if err != nil {
		return nil, err
	}
	before := repository.DeepCopy()
	repository.Status.Artifact = reported
	repository.Status.ObservedGeneration = repository.Generation
	for _, condition := range []metav1.Condition{
		{Type: meta.ReadyCondition, Reason: meta.SucceededReason},
		{Type: sourcev1.ArtifactInStorageCondition, Reason: meta.SucceededReason},
	} {
		condition.Status = metav1.ConditionTrue
		condition.ObservedGeneration = repository.Generation
		condition.Message = "stored artifact for revision '" + reported.Revision + "'"
		apimeta.SetStatusCondition(&repository.Status.Conditions, condition)
	}
	if token, ok := meta.ReconcileAnnotationValue(repository.Annotations); ok {
		repository.Status.SetLastHandledReconcileRequest(token)
	}
	if err := c.sources.controller.Status().Patch(ctx, repository, client.MergeFrom(before),
		client.FieldOwner("gotk-source-controller")); err != nil {
		return nil, fmt.Errorf("publish: report the artifact of GitRepository %s: %w", p.Source, err)
	}
	return reported, nil
}

// gitRepository returns the GitRepository of p, which it creates if absent.
func (c *Cluster) gitRepository(ctx context.Context, p Publication) (*sourcev1.GitRepository, error) {
	repository := &sourcev1.GitRepository{}
	err := c.admin.Get(ctx, p.Source, repository)
	if err == nil || !apierrors.IsNotFound(err) {
		return repository, err
	}
	repository = &sourcev1.GitRepository{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.Source.Namespace, Name: p.Source.Name},
		Spec: sourcev1.GitRepositorySpec{
			URL:       "https://git.contoso.example/" + p.Source.Name + ".git",
			Interval:  metav1.Duration{Duration: time.Minute},
			Reference: &sourcev1.GitRepositoryRef{Branch: p.Branch},
		},
	}
	return repository, c.admin.Create(ctx, repository, installer)
}

// pack returns the tree of a commit below dir as a reproducible tar.gz, and the commit's full id.
func pack(ctx context.Context, dir, ref string) (artifact []byte, commit string, err error) {
	out, err := git(ctx, dir, "rev-parse", "--verify", "--end-of-options", ref+"^{commit}")
	if err != nil {
		return nil, "", err
	}
	commit = strings.TrimSpace(string(out))
	// Of a commit, not of a tree: then the times in the archive are the commit's.
	archive, err := git(ctx, dir, "archive", "--format=tar", commit)
	if err != nil {
		return nil, "", err
	}
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if _, err := zip.Write(archive); err != nil {
		return nil, "", err
	}
	if err := zip.Close(); err != nil {
		return nil, "", err
	}
	return packed.Bytes(), commit, nil
}
