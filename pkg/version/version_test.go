package version

import (
	"runtime/debug"
	"testing"
)

func TestABuildSaysWhatTheGoCommandRecorded(t *testing.T) {
	for _, test := range []struct{ version, commit, want string }{
		{"v0.1.0", "3f2c9e1", "v0.1.0 commit 3f2c9e1 go1.26.2"},
		{"v0.1.1-0.20261123170000-3f2c9e1abcde+dirty", "3f2c9e1", "v0.1.1-0.20261123170000-3f2c9e1abcde+dirty commit 3f2c9e1 go1.26.2"},
		{"(devel)", "", "development build go1.26.2"},
		{"", "3f2c9e1", "development build commit 3f2c9e1 go1.26.2"},
	} {
		info := &debug.BuildInfo{GoVersion: "go1.26.2", Main: debug.Module{Version: test.version}}
		if test.commit != "" {
			info.Settings = []debug.BuildSetting{{Key: "vcs.time", Value: "2026"}, {Key: "vcs.revision", Value: test.commit}}
		}
		if got := recorded(info).String(); got != test.want {
			t.Errorf("%q: %q, want %q", test.version, got, test.want)
		}
	}
}
