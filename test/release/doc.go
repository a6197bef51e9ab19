// Package release holds the tests of what people install: the files that make release-snapshot leaves, in the hands of the
// real krew, flux and kubectl, and the image where nothing else is.
package release
