package cli

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of this program",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			info, ok := debug.ReadBuildInfo()
			if !ok {
				return fmt.Errorf("%s was built without module support, so its version is unknown", cmd.Root().DisplayName())
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), describe(info))
			return err
		},
	}
}

// describe is one line: the version, the commit where the build recorded one, and the Go version.
func describe(info *debug.BuildInfo) string {
	version, commit := info.Main.Version, ""
	if version == "" || version == "(devel)" {
		version = "development build"
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			commit = " commit " + setting.Value
		}
	}
	return fmt.Sprintf("%s%s %s", version, commit, info.GoVersion)
}
