package main

import (
	"strings"

	"github.com/spf13/cobra"

	"nightshift/runbooks"
)

func newRunbookCommand(a *app) *cobra.Command {
	list := &cobra.Command{Use: "list", Short: "List the runbooks", Args: atMost(0),
		RunE: func(*cobra.Command, []string) error { return runRunbookList(a) }}
	show := &cobra.Command{Use: "show RUNBOOK", Short: "What a runbook does, and its parameters", Args: wants("RUNBOOK"), ValidArgsFunction: completeRunbook,
		RunE: func(_ *cobra.Command, args []string) error { return runRunbookShow(a, args[0]) }}
	return group("runbook", "What can be run", list, show)
}

// runbookInfo is a runbook as JSON.
type runbookInfo struct {
	Name        string          `json:"name"`
	Summary     string          `json:"summary"`
	Description string          `json:"description"`
	Parameters  []parameterInfo `json:"parameters"`
}

type parameterInfo struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Help    string   `json:"help"`
	Default string   `json:"default,omitempty"`
	Allowed []string `json:"allowed,omitempty"`
}

func runbookJSON(r runbooks.Runbook) runbookInfo {
	info := runbookInfo{r.Name, r.Summary, r.Description, []parameterInfo{}}
	for _, p := range r.Parameters {
		info.Parameters = append(info.Parameters, parameterInfo(p))
	}
	return info
}

func runRunbookList(a *app) error {
	var infos []runbookInfo
	var rows [][]string
	for _, r := range runbooks.Catalog() {
		infos = append(infos, runbookJSON(r))
		rows = append(rows, []string{r.Name, r.Summary})
	}
	if a.json() {
		return a.writeJSON(infos)
	}
	table(a.out, a.paint(), []string{"RUNBOOK", "WHAT IT DOES"}, rows)
	return nil
}

func runRunbookShow(a *app, name string) error {
	r, ok := runbooks.Lookup(name)
	if !ok {
		return usage("there is no runbook %q; there are: %s", name, runbookNames())
	}
	if a.json() {
		return a.writeJSON(runbookJSON(r))
	}
	a.printf("%s: %s\n\n%s\n", a.paint().on(bold, r.Name), r.Summary, strings.TrimSpace(r.Description))
	for _, p := range r.Parameters {
		a.printf("\n  -p %s=%s\n      %s\n", p.Name, p.Type, p.Help)
		if p.Default != "" {
			a.printf("      default: %s\n", p.Default)
		}
		if len(p.Allowed) > 0 {
			a.printf("      allowed: %s\n", strings.Join(p.Allowed, ", "))
		}
	}
	return nil
}
