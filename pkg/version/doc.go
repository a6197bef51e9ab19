// Package version says which build of gitops-drift a program is.
package version
