package origin

import (
	"slices"
	"strconv"
	"strings"
)

// patchJSON applies a JSON patch (RFC 6902) operation by operation. What an operation writes has the place of its value
// in the patch. It returns false where an operation does not fit, as Flux would not have applied it either.
func patchJSON(root *node, ops *node) bool {
	for _, op := range ops.items {
		if !operation(root, op) {
			return false
		}
	}
	return true
}

func operation(root *node, op *node) bool {
	path, ok := pointer(op.get("path").scalar())
	if !ok {
		return false
	}
	switch op.get("op").scalar() {
	case "add":
		return put(root, path, op.get("value").copy(), true)
	case "replace":
		return put(root, path, op.get("value").copy(), false)
	case "remove":
		_, ok := take(root, path)
		return ok
	case "move":
		from, ok := pointer(op.get("from").scalar())
		if !ok {
			return false
		}
		value, ok := take(root, from)
		return ok && put(root, path, value, true)
	case "copy":
		from, ok := pointer(op.get("from").scalar())
		if !ok {
			return false
		}
		value := root
		for _, step := range from {
			value = value.child(step)
		}
		return value != nil && put(root, path, value.copy(), true)
	case "test":
		return true
	}
	return false
}

// pointer splits a JSON pointer.
func pointer(text string) ([]string, bool) {
	if !strings.HasPrefix(text, "/") {
		return nil, false
	}
	path := strings.Split(text[1:], "/")
	for i, step := range path {
		path[i] = strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
	}
	return path, true
}

// parentOf walks to what holds the last step of path.
func parentOf(root *node, path []string) *node {
	for _, step := range path[:len(path)-1] {
		root = root.child(step)
	}
	return root
}

// put sets the field or list item at path; insert moves the items of a list on.
func put(root *node, path []string, value *node, insert bool) bool {
	parent, last := parentOf(root, path), path[len(path)-1]
	switch {
	case parent == nil || value == nil:
		return false
	case parent.kind == mapping:
		if !insert && parent.get(last) == nil {
			return false
		}
		parent.set(last, value)
		return true
	case parent.kind != list:
		return false
	}
	at := len(parent.items)
	if last != "-" {
		var ok bool
		if at, ok = index(last, len(parent.items)); !ok {
			return false
		}
	}
	switch {
	case insert:
		parent.items = slices.Insert(parent.items, at, value)
	case at < len(parent.items):
		parent.items[at] = value
	default:
		return false
	}
	return true
}

// index reads a list index; negative ones count from the end. It may be one past the end.
func index(step string, length int) (int, bool) {
	at, err := strconv.Atoi(step)
	if err != nil {
		return 0, false
	}
	if at < 0 {
		at += length
	}
	return at, at >= 0 && at <= length
}

// take removes what is at path.
func take(root *node, path []string) (*node, bool) {
	parent, last := parentOf(root, path), path[len(path)-1]
	switch {
	case parent == nil:
		return nil, false
	case parent.kind == mapping:
		value := parent.get(last)
		if value == nil {
			return nil, false
		}
		parent.remove(last)
		return value, true
	case parent.kind == list:
		at, ok := index(last, len(parent.items))
		if !ok || at == len(parent.items) {
			return nil, false
		}
		value := parent.items[at]
		parent.items = slices.Delete(parent.items, at, at+1)
		return value, true
	}
	return nil, false
}
