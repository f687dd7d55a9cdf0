package main

import (
	"runtime"

	"github.com/spf13/cobra"

	"nightshift/internal/plan"
	"nightshift/internal/version"
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
	Time       string `json:"time,omitempty"` // of the commit
}

func thisVersion() versionInfo {
	return versionInfo{Version: version.String(), Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, PlanSchema: plan.SchemaVersion, Time: version.Time()}
}
