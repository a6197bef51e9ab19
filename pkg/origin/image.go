package origin

import (
	"regexp"
	"strings"
)

// apply writes the image wherever a container, or anything that is shaped like one, names it.
func (i image) apply(n *node) {
	switch {
	case n == nil:
	case n.kind == list:
		for _, item := range n.items {
			i.apply(item)
		}
	case n.kind == mapping:
		for _, f := range n.fields {
			switch {
			case (f.name == "containers" || f.name == "initContainers") && f.value.kind == list:
				for _, container := range f.value.items {
					i.container(container, "image")
				}
			case f.name == "volumes" && f.value.kind == list:
				for _, volume := range f.value.items {
					i.container(volume.get("image"), "reference")
				}
			default:
				i.apply(f.value)
			}
		}
	}
}

// container sets the field that names the image. The place is that of the tag or digest, or else of the new name.
func (i image) container(container *node, name string) {
	old := container.get(name)
	if old == nil || !imageMatches(old.scalar(), i.name) {
		return
	}
	repository, tag, digest := splitImage(old.scalar())
	at := old.at
	if i.newName != nil {
		repository, at = i.newName.text, i.newName.at
	}
	switch {
	case i.newTag != nil && i.digest != nil:
		tag, digest, at = i.newTag.text, i.digest.text, i.digest.at
	case i.newTag != nil:
		tag, digest, at = i.newTag.text, "", i.newTag.at
	case i.digest != nil:
		tag, digest, at = "", i.digest.text, i.digest.at
	case i.tagSuffix != nil:
		tag, digest, at = tag+i.tagSuffix.text, "", i.tagSuffix.at
	}
	if tag != "" {
		repository += ":" + tag
	}
	if digest != "" {
		repository += "@" + digest
	}
	container.set(name, newScalar(repository, at))
}

// imageMatches reports whether an image has the name (kustomize, api/internal/image).
func imageMatches(image, name string) bool {
	pattern, err := regexp.Compile("^" + name + `(:[a-zA-Z0-9_.{}-]*)?(@[a-zA-Z0-9]+([.+_-][a-zA-Z0-9]+)*:[a-zA-Z0-9_.{}-]*)?$`)
	return err == nil && name != "" && pattern.MatchString(image)
}

// splitImage cuts an image into name, tag and digest.
func splitImage(image string) (name, tag, digest string) {
	name, digest, _ = strings.Cut(image, "@")
	if colon := strings.LastIndex(name, ":"); colon > strings.LastIndex(name, "/") {
		name, tag = name[:colon], name[colon+1:]
	}
	return name, tag, digest
}
