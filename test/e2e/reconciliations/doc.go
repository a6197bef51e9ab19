// Package reconciliations holds the test that our webhook never refuses a write of Flux or of the cluster's controllers: the
// example repository is reconciled 200 times by the real kustomize-controller, with changes in git between them, while
// edits of managed objects are refused.
package reconciliations
