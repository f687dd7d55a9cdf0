package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"nightshift/internal/plan"
)

func newVersionCommand(a *app) *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Which nightshift this is", Args: atMost(0),
		RunE: func(*cobra.Command, []string) error {
			v := thisVersion()
			if a.json() {
				return a.writeJSON(v)
			}
			a.printf("nightshift %s %s/%s (%s, plan schema %d)\n", v.Version, v.OS, v.Arch, v.Go, v.PlanSchema)
			return nil
		}}
}

type versionInfo struct {
	Version    string `json:"version"`
	Go         string `json:"go"`
	OS         string `json:"os"`
	Arch       string `json:"arch"`
	PlanSchema int    `json:"planSchema"`
}

// thisVersion is what the build recorded: a tag, or the commit.
func thisVersion() versionInfo {
	v := versionInfo{Version: "development", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, PlanSchema: plan.SchemaVersion}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		v.Version = info.Main.Version
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Version += "+" + s.Value[:min(12, len(s.Value))]
		}
	}
	return v
}
