package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// newManCommand writes the manual pages: packages are made with it, so it is hidden.
func newManCommand() *cobra.Command {
	return &cobra.Command{Use: "man DIRECTORY", Short: "Write the manual pages", Hidden: true, Args: wants("DIRECTORY"),
		RunE: func(c *cobra.Command, args []string) error { return writeMan(c.Root(), args[0], thisVersion()) }}
}

// writeMan makes one page for each verb. The date is that of the commit, so that the same source makes the same pages.
func writeMan(root *cobra.Command, dir string, v versionInfo) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // manual pages are for all to read
		return fmt.Errorf("write manual pages: %w", err)
	}
	root.DisableAutoGenTag = true
	header := &doc.GenManHeader{Title: "NIGHTSHIFT", Section: "1", Source: "nightshift " + v.Version, Manual: "nightshift", Date: &time.Time{}}
	if t, err := time.Parse(time.RFC3339, v.Time); err == nil {
		header.Date = &t
	}
	if err := doc.GenManTree(root, header, dir); err != nil {
		return fmt.Errorf("write manual pages: %w", err)
	}
	return nil
}
