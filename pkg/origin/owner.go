package origin

// owner is what the spec of a Flux Kustomization adds to the build, with the places in the manifest that declares the
// Kustomization; without places where that manifest is not in the artifact.
type owner struct {
	spec *node
}

// merge adds it to the kustomization of spec.path, as Flux does (fluxcd/pkg/kustomize, Generator.GenerateManifest).
func (o owner) merge(l *layer) {
	if namespace := filled(o.spec.get("targetNamespace")); namespace != nil {
		l.namespace = namespace
	}
	if prefix := filled(o.spec.get("namePrefix")); prefix != nil {
		l.prefix = prefix
	}
	if suffix := filled(o.spec.get("nameSuffix")); suffix != nil {
		l.suffix = suffix
	}
	l.patches = append(l.patches, patches(o.spec.get("patches"))...)
	l.components = append(l.components, texts(o.spec.get("components"))...)
	for _, entry := range items(o.spec.get("images")) {
		l.override(newImage(entry))
	}
}

// override merges an image into the entry of the same name. A tag and a digest are one choice of a version.
func (l *layer) override(in image) {
	for i := range l.images {
		old := &l.images[i]
		if old.name != in.name {
			continue
		}
		if in.newName != nil {
			old.newName = in.newName
		}
		if in.newTag != nil || in.digest != nil {
			old.newTag, old.digest = in.newTag, in.digest
		}
		return
	}
	l.images = append(l.images, in)
}

// common writes the labels and annotations of spec.commonMetadata.
func (o owner) common(object *node) {
	for _, name := range []string{"labels", "annotations"} {
		for _, f := range fieldsOf(o.spec.follow("commonMetadata", name)) {
			object.make("metadata", name).set(f.name, f.value)
		}
	}
}

func fieldsOf(n *node) []field {
	if n == nil || n.kind != mapping {
		return nil
	}
	return n.fields
}
