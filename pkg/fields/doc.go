// Package fields reads, compares and names the fields of unstructured Kubernetes objects.
//
// A field is a structured-merge-diff path: associative list items are found by their keys, set items by their value,
// so an item that moved in its list is still the same field. Which lists are associative is learned from
// managedFields (see Shape), so no OpenAPI schema is needed and kinds of CRDs that were added a minute ago work.
//
// In this package a JSON null is an absent field, as it is for the API server's built-in kinds.
package fields
