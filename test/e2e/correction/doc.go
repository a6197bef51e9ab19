// Package correction tests what the restore loop and BreakGlasses do about the objects of HelmReleases: with the real API
// server, our controller as it is installed, and releases made by the stand-in of helm-controller.
package correction
