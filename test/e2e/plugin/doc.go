// Package plugin tests `kubectl gitops-drift` as people run it: the real plugin, called by the real kubectl, against a
// real control plane on which the real kustomize-controller applied what is in testdata.
package plugin
