// Package releases tests what kubectl gitops-drift says of HelmReleases, and holds it against what happens at the next
// reconciliation: with the real API server, and releases made by the stand-in of helm-controller.
package releases
