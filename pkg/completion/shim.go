package completion

import "strings"

// Mark tells a shim from what others may have put in its place.
const Mark = "written by: "

// Shim is the file for one plugin on one kind of system.
type Shim struct {
	// Plugin is the plugin's file without .exe, such as kubectl-gitops_drift.
	Plugin string
	// Windows chooses a batch file instead of a shell script.
	Windows bool
}

// Name is the plugin as people call it, such as "kubectl gitops-drift".
func (s Shim) Name() string {
	return "kubectl " + strings.ReplaceAll(strings.TrimPrefix(s.Plugin, "kubectl-"), "_", "-")
}

// File is the name that kubectl looks for, with the extension that Windows wants.
func (s Shim) File() string {
	file := "kubectl_complete-" + strings.TrimPrefix(s.Plugin, "kubectl-")
	if s.Windows {
		file += ".cmd"
	}
	return file
}

// Content is what is in the file, with the line endings of its system.
func (s Shim) Content() string {
	by := Mark + s.Name() + " completion install"
	if s.Windows {
		return "@rem " + by + "\r\n@\"" + s.Plugin + ".exe\" __complete %*\r\n"
	}
	return "#!/bin/sh\n# " + by + "\nexec " + s.Plugin + " __complete \"$@\"\n"
}
