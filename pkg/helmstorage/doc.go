// Package helmstorage names and decodes the records that Helm keeps of the releases it makes: one Secret for each
// revision of a release, which holds the rendered manifest, hooks, values and chart, gzipped JSON in base64.
//
// It reads the few fields that are needed with the standard library, so that programs do not carry Helm with them, and it
// never quotes what it reads: a record holds the values of every Secret of its release.
package helmstorage
