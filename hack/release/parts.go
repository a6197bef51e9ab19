package main

import "strings"

const (
	module = "github.com/gitops-drift/gitops-drift"
	// repository is where manifests/ gets the controller's image from.
	repository = "ghcr.io/gitops-drift/gitops-drift"
	// releases is where the files of a release are, below the tag.
	releases = "https://github.com/gitops-drift/gitops-drift/releases/download/"
	homepage = "https://github.com/gitops-drift/gitops-drift"
	license  = "Apache-2.0"
)

// plugin is a program that people run as a plugin of kubectl, and as one of Flux.
type plugin struct {
	// name is krew's; kubectl runs kubectl-NAME with underscores for it.
	name string
	// flux is the name as Flux's plugin.
	flux string
	// source is the folder of its main package.
	source string
}

var plugins = []plugin{
	{name: "gitops-drift", flux: "drift", source: "plugins/drift"},
	{name: "gitops-reconcile", flux: "sync", source: "plugins/reconcile"},
	{name: "gitops-seal", flux: "seal", source: "plugins/seal"},
}

// controller is the folder of the controller's main package, and its file in the image.
const (
	controller     = "webhook"
	controllerFile = "gitops-drift"
)

// file is the program without the extension that Windows wants.
func (p plugin) file() string { return "kubectl-" + strings.ReplaceAll(p.name, "-", "_") }

// archive is the file of a release that holds the plugin for a platform.
func (p plugin) archive(number string, on platform) string {
	return p.file() + "_" + number + "_" + on.os + "_" + on.arch + on.archiveExt()
}

// platform is what a program runs on, in the words of Go, krew and Flux.
type platform struct{ os, arch string }

// platforms are in the order in which Flux's catalog lists them.
var platforms = []platform{{"darwin", "amd64"}, {"darwin", "arm64"}, {"linux", "amd64"}, {"linux", "arm64"}, {"windows", "amd64"}}

func (p platform) String() string { return p.os + "/" + p.arch }

// image reports whether there is an image of the controller for the platform.
func (p platform) image() bool { return p.os == "linux" }

func (p platform) exe() string {
	if p.os == "windows" {
		return ".exe"
	}
	return ""
}

func (p platform) archiveExt() string {
	if p.os == "windows" {
		return ".zip"
	}
	return ".tar.gz"
}

// sbomFile is the file of a release that lists what is inside a program.
func sbomFile(program, number string, on platform) string {
	return program + "_" + number + "_" + on.os + "_" + on.arch + ".cdx.json"
}

// imageFile is the file of a release that holds the image for all its platforms, an archive of an OCI image layout.
func imageFile(number string) string { return controllerFile + "_" + number + "_image.tar" }

// checksumFile is the file of a release that sha256sum --check reads.
const checksumFile = "checksums.txt"
