// Package yamledit changes YAML files the way a careful person does: the lines that must change do, and all others stay as they
// are to the byte, with their comments, order, quotes, anchors, line ends and document markers.
//
// A change is made in the text and then read again: what the new text says has to equal what the old one said, the change
// apart. A text for which that cannot be had is refused, never written in part.
package yamledit
