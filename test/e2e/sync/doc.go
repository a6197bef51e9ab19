// Package sync tests kubectl gitops-reconcile against real control planes: order, revisions, suspensions, HelmReleases, and
// several clusters at once.
package sync
