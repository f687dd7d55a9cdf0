package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"nightshift/internal/inventory"
	"nightshift/runbooks"
	"nightshift/runbooks/steps"
)

func newRunbookCommand(a *app) *cobra.Command {
	list := &cobra.Command{Use: "list", Short: "List the runbooks", Args: atMost(0),
		RunE: func(*cobra.Command, []string) error { return runRunbookList(a) }}
	show := &cobra.Command{Use: "show RUNBOOK", Short: "What a runbook does, and its parameters", Args: wants("RUNBOOK"), ValidArgsFunction: a.completeRunbook,
		RunE: func(_ *cobra.Command, args []string) error { return runRunbookShow(a, args[0]) }}
	create := &cobra.Command{Use: "new NAME", Short: "Begin a step runbook of your own", Args: wants("NAME"), Long: `Write a step runbook to begin with, with all that there is to know in its comments, into the directory of runbooks beside
the lab file (or library: in it), or into this one where there is no lab file.`,
		RunE: func(_ *cobra.Command, args []string) error { return runRunbookNew(a, args[0]) }}
	validate := &cobra.Command{Use: "validate FILE…", Short: "Say what is wrong with step runbooks", Args: atLeast("FILE"), Long: `Read step runbooks and say all that is wrong with them, with line and column. Runbooks that they use are looked for in
nightshift's library, beside the lab file, and beside each file.`,
		RunE: func(_ *cobra.Command, args []string) error { return runRunbookValidate(a, args) }}
	actions := &cobra.Command{Use: "actions", Short: "List what the steps of a runbook can use", Args: atMost(0),
		RunE: func(*cobra.Command, []string) error { return runRunbookActions(a) }}
	schema := &cobra.Command{Use: "schema", Short: "Print the JSON Schema of step runbooks, for editors", Args: atMost(0),
		RunE: func(*cobra.Command, []string) error { a.printf("%s", steps.Schema()); return nil }}
	return group("runbook", "What can be run", list, show, create, validate, newRunbookTestCommand(a), actions, schema)
}

// runbookInfo is a runbook as JSON.
type runbookInfo struct {
	Name        string          `json:"name"`
	Source      string          `json:"source"`
	Summary     string          `json:"summary"`
	Description string          `json:"description"`
	Parameters  []parameterInfo `json:"parameters"`
}

type parameterInfo struct {
	Name     string   `json:"name"`
	Type     string   `json:"type"`
	Help     string   `json:"help"`
	Default  string   `json:"default,omitempty"`
	Allowed  []string `json:"allowed,omitempty"`
	Required bool     `json:"required,omitempty"`
	List     bool     `json:"list,omitempty"`
	Pattern  string   `json:"pattern,omitempty"`
}

func runbookJSON(r runbooks.Runbook) runbookInfo {
	info := runbookInfo{r.Name, r.Source, r.Summary, r.Description, []parameterInfo{}}
	for _, p := range r.Parameters {
		info.Parameters = append(info.Parameters, parameterInfo(p))
	}
	return info
}

func runRunbookList(a *app) error {
	var infos []runbookInfo
	var rows [][]string
	list, wrong := a.catalog()
	for _, r := range list {
		infos = append(infos, runbookJSON(r))
		rows = append(rows, []string{r.Name, r.Source, r.Summary})
	}
	if a.json() {
		if err := a.writeJSON(infos); err != nil {
			return err
		}
	} else {
		table(a.out, a.paint(), []string{"RUNBOOK", "SOURCE", "WHAT IT DOES"}, rows)
	}
	if wrong != nil {
		return fmt.Errorf("runbooks that cannot be used:\n%w", wrong)
	}
	return nil
}

func runRunbookShow(a *app, name string) error {
	r, err := a.runbook(name)
	if err != nil {
		return err
	}
	if a.json() {
		return a.writeJSON(runbookJSON(r))
	}
	a.printf("%s: %s (%s)\n\n%s\n", a.paint().on(bold, r.Name), r.Summary, r.Source, strings.TrimSpace(r.Description))
	for _, p := range r.Parameters {
		a.printf("\n  -p %s=%s\n      %s\n", p.Name, parameterType(p), p.Help)
		if p.Required {
			a.printf("      required\n")
		}
		if p.Default != "" {
			a.printf("      default: %s\n", p.Default)
		}
		if len(p.Allowed) > 0 {
			a.printf("      allowed: %s\n", strings.Join(p.Allowed, ", "))
		}
		if p.Pattern != "" {
			a.printf("      pattern: %s\n", p.Pattern)
		}
	}
	return nil
}

func parameterType(p runbooks.Parameter) string {
	if p.List {
		return p.Type + ",…"
	}
	return p.Type
}

func runRunbookActions(a *app) error {
	var rows [][]string
	for _, x := range steps.Actions() {
		rows = append(rows, []string{x.Name, strings.Join(steps.Wants(x), ", "), x.Help})
	}
	table(a.out, a.paint(), []string{"ACTION", "WITH", "WHAT IT DOES"}, rows)
	return nil
}

func runRunbookNew(a *app, name string) error {
	dir := "."
	if lab, err := a.loadLab(); err == nil {
		dir = lab.LibraryDir()
	}
	if _, taken := runbooks.Lookup(name); taken {
		return usage("nightshift itself has a runbook %s: give yours another name", name)
	}
	path := filepath.Join(dir, name+steps.Extension)
	text, err := steps.Template(name)
	if err != nil {
		return usage("%w", err)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("make the directory of runbooks: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return usage("%s is there already", path)
	}
	if err != nil {
		return fmt.Errorf("write the runbook: %w", err)
	}
	if _, err := f.WriteString(text); err != nil {
		return errors.Join(fmt.Errorf("write the runbook: %w", err), f.Close())
	}
	a.notef("Wrote %s. Then: nightshift runbook validate %s; nightshift runbook test %s -p guest=web01", path, path, path)
	return f.Close()
}

// filesWith are the runbooks beside the lab file and those beside the file, with the file itself.
func (a *app) filesWith(path string) ([]inventory.RunbookFile, error) {
	data, err := inventory.ReadRunbook(path)
	if err != nil {
		return nil, err
	}
	files := []inventory.RunbookFile{{Path: path, Data: data}}
	add := func(more []inventory.RunbookFile) {
		for _, f := range more {
			if !sameFile(f.Path, path) {
				files = append(files, f)
			}
		}
	}
	if lab, err := a.loadLab(); err == nil {
		if more, err := lab.RunbookFiles(); err == nil && !sameFile(lab.LibraryDir(), filepath.Dir(path)) {
			add(more)
		}
	}
	beside, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"+steps.Extension))
	if err != nil {
		return nil, err
	}
	for _, p := range beside {
		if data, err := inventory.ReadRunbook(p); err == nil {
			add([]inventory.RunbookFile{{Path: p, Data: data}})
		}
	}
	return files, nil
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	y, err2 := os.Stat(b)
	return err == nil && err2 == nil && os.SameFile(x, y)
}

func runRunbookValidate(a *app, paths []string) error {
	var errs []error
	for _, path := range paths {
		files, err := a.filesWith(path)
		if err == nil {
			_, err = runbooks.Read(files[0], files[1:])
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		a.printf("%s is in order.\n", path)
	}
	return errors.Join(errs...)
}
