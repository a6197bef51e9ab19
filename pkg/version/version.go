package version

import (
	"runtime"
	"runtime/debug"
)

// The linker sets these in release builds (hack/release): the version with its v, and the commit.
var version, commit string

// Build is where a program comes from.
type Build struct {
	// Version begins with v. It is empty where nobody gave the build one.
	Version string
	// Commit is the git commit, empty where it is not known.
	Commit string
	// Go is the version of the toolchain, such as go1.26.2.
	Go string
}

// Current is the build of this program: what the release says, else what the go command recorded.
func Current() Build {
	if version != "" {
		return Build{Version: version, Commit: commit, Go: runtime.Version()}
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Build{Go: runtime.Version()}
	}
	return recorded(info)
}

func recorded(info *debug.BuildInfo) Build {
	b := Build{Version: info.Main.Version, Go: info.GoVersion}
	if b.Version == "(devel)" {
		b.Version = ""
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			b.Commit = setting.Value
		}
	}
	return b
}

// String is one line for people: the version, the commit if it is known, the toolchain.
func (b Build) String() string {
	line := b.Version
	if line == "" {
		line = "development build"
	}
	if b.Commit != "" {
		line += " commit " + b.Commit
	}
	return line + " " + b.Go
}
