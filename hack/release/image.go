package main

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// user is who the controller runs as: nobody, by a number, so that runAsNonRoot can tell.
const user = "65532:65532"

// platformImage is the image for one platform: blobs that describe each other, from the manifest on.
type platformImage struct {
	manifest ocispec.Descriptor
	blobs    map[digest.Digest][]byte
}

// newPlatformImage is an image of nothing but the controller, licences, and the folder that it unpacks artifacts in. It brings no
// certificates: the controller talks to the API server, whose authority comes with the service account, and to Flux next door.
func newPlatformImage(on platform, binary []byte, documents []file, s stamp) (platformImage, error) {
	files := []file{
		{name: controllerFile, mode: 0o755, content: binary},
		{name: "tmp/", mode: 0o777 | fs.ModeSticky},
		{name: "licenses/", mode: 0o755},
	}
	for _, document := range documents {
		document.name = "licenses/" + document.name
		files = append(files, document)
	}
	var layer bytes.Buffer
	if err := writeTar(&layer, files, s.time); err != nil {
		return platformImage{}, err
	}
	var packed bytes.Buffer
	if err := compressed(&packed, func(w io.Writer) error { _, err := w.Write(layer.Bytes()); return err }); err != nil {
		return platformImage{}, err
	}
	image := platformImage{blobs: map[digest.Digest][]byte{}}
	config, err := image.addJSON(ocispec.MediaTypeImageConfig, ocispec.Image{
		Created:  &s.time,
		Platform: ocispec.Platform{OS: on.os, Architecture: on.arch},
		Config:   ocispec.ImageConfig{User: user, Entrypoint: []string{"/" + controllerFile}, WorkingDir: "/", Labels: annotations(s)},
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{digest.FromBytes(layer.Bytes())}},
		History:  []ocispec.History{{Created: &s.time, CreatedBy: homepage, Comment: "commit " + s.commit}},
	})
	if err != nil {
		return platformImage{}, err
	}
	image.manifest, err = image.addJSON(ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: config, Layers: []ocispec.Descriptor{image.add(ocispec.MediaTypeImageLayerGzip, packed.Bytes())},
		Annotations: annotations(s),
	})
	image.manifest.Platform = &ocispec.Platform{OS: on.os, Architecture: on.arch}
	return image, err
}

func (i platformImage) add(mediaType string, content []byte) ocispec.Descriptor {
	d := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(content), Size: int64(len(content))}
	i.blobs[d.Digest] = content
	return d
}

func (i platformImage) addJSON(mediaType string, value any) (ocispec.Descriptor, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	return i.add(mediaType, text), nil
}

// annotations are what registries and scanners show of an image.
func annotations(s stamp) map[string]string {
	return map[string]string{
		ocispec.AnnotationTitle:         controllerFile,
		ocispec.AnnotationDescription:   "Refuses or records imperative edits of what Flux manages, and puts desired state back",
		ocispec.AnnotationSource:        homepage,
		ocispec.AnnotationURL:           homepage,
		ocispec.AnnotationLicenses:      license,
		ocispec.AnnotationVersion:       s.version,
		ocispec.AnnotationRevision:      s.commit,
		ocispec.AnnotationCreated:       s.time.Format(time.RFC3339),
		ocispec.AnnotationDocumentation: homepage + "/blob/" + s.commit + "/docs/operation.md",
	}
}

// writeImage writes the image for all its platforms as an archive of an OCI image layout, which podman, containerd, skopeo,
// docker and release push read.
func writeImage(name string, s stamp, images []platformImage) error {
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Annotations: annotations(s)}
	all := platformImage{blobs: map[digest.Digest][]byte{}}
	for _, image := range images {
		index.Manifests = append(index.Manifests, image.manifest)
		for _, content := range image.blobs {
			all.add("", content)
		}
	}
	whole, err := all.addJSON(ocispec.MediaTypeImageIndex, index)
	if err != nil {
		return err
	}
	whole.Annotations = map[string]string{
		ocispec.AnnotationRefName:  s.version,
		"io.containerd.image.name": repository + ":" + s.version,
	}
	top, err := json.Marshal(ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{whole}})
	if err != nil {
		return err
	}
	mark, err := json.Marshal(ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion})
	if err != nil {
		return err
	}
	files := []file{
		{name: "blobs/", mode: 0o755}, {name: "blobs/sha256/", mode: 0o755},
		{name: ocispec.ImageIndexFile, mode: 0o644, content: top}, {name: ocispec.ImageLayoutFile, mode: 0o644, content: mark},
	}
	for sum, content := range all.blobs {
		files = append(files, file{name: "blobs/sha256/" + sum.Encoded(), mode: 0o644, content: content})
	}
	return create(name, func(w io.Writer) error { return writeTar(w, files, s.time) })
}
