// Command release makes what a release consists of, the same bytes wherever and whenever it is made: archives of the plugins
// for every platform, the controller's image, what is inside of each (SBOM), checksums, and the manifests that krew and
// Flux install the plugins by. See CONTRIBUTING.md.
package main
