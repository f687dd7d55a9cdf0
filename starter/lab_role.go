package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"nightshift/internal/inventory"
	"nightshift/internal/plan"
	"nightshift/internal/words"
	"nightshift/runbooks"
)

type roleOptions struct {
	name, principal string
	all             bool
}

func newLabRoleCommand(a *app) *cobra.Command {
	o := &roleOptions{}
	c := &cobra.Command{
		Use:   "role [RUNBOOK]…",
		Short: "Print the vCenter role that runbooks need, and commands that make it",
		Long: `Print the privileges that nightshift's account needs in vCenter for these runbooks (default: nightshift's own; --all: those in YAML,
the library's and your own, too), what each is for, and the commands of govc and PowerCLI that make a role of them. No machine is asked;
"nightshift lab check" tells which of them the account has: of the default, and of those that the lab file schedules or sets up.`,
		ValidArgsFunction: a.completeRunbook,
		RunE:              func(_ *cobra.Command, args []string) error { return runLabRole(a, *o, args) },
	}
	c.Flags().StringVar(&o.name, "name", "nightshift", "`name` of the role in the commands")
	c.Flags().StringVar(&o.principal, "principal", "", "`user` who gets it in the commands (default: the one of the lab file)")
	c.Flags().BoolVar(&o.all, "all", false, "for every runbook that there is")
	return c
}

// A rolePrivilege is a privilege of the role, and for what it is needed.
type rolePrivilege struct {
	ID       string   `json:"id"`
	On       string   `json:"on"`
	For      string   `json:"for"`
	Optional bool     `json:"optional"`
	Runbooks []string `json:"runbooks"`
}

// everyday are the runbooks whose rights every account is to have. Step runbooks (in YAML) are there for single occasions.
func everyday() []runbooks.Runbook {
	return slices.DeleteFunc(runbooks.Catalog(), runbooks.Runbook.Steps)
}

// inUse are the runbooks of every day, and those that the lab file schedules or sets up. One that cannot be read is left out:
// whoever plans it hears why.
func inUse(lab *inventory.Lab) []runbooks.Runbook {
	files, _ := lab.RunbookFiles()
	all, _ := runbooks.CatalogWith(files)
	named := map[string]bool{}
	for _, s := range lab.Schedules {
		named[s.Runbook] = true
	}
	for name := range lab.Runbooks {
		named[name] = true
	}
	list := everyday()
	for _, rb := range all {
		if named[rb.Name] && rb.Steps() {
			list = append(list, rb)
		}
	}
	return list
}

// rolePrivileges joins what runbooks need. A privilege that one of them cannot do without is not optional.
func rolePrivileges(list []runbooks.Runbook) []rolePrivilege {
	var out []rolePrivilege
	for _, rb := range list {
		if !rb.AsksVCenters() {
			continue
		}
		rights, _ := plan.RightsOf(rb.Actions)
		for _, r := range rights {
			i := slices.IndexFunc(out, func(p rolePrivilege) bool { return p.ID == r.ID && p.On == r.On })
			if i < 0 {
				out = append(out, rolePrivilege{r.ID, r.On, r.For, r.Optional, []string{rb.Name}})
				continue
			}
			p := &out[i]
			if p.Optional && !r.Optional {
				p.Optional, p.For = false, r.For
			}
			p.Runbooks = append(p.Runbooks, rb.Name)
		}
	}
	slices.SortFunc(out, func(a, b rolePrivilege) int { return strings.Compare(a.ID+a.On, b.ID+b.On) })
	return out
}

func runLabRole(a *app, o roleOptions, names []string) error {
	list := everyday()
	switch {
	case o.all && len(names) > 0:
		return usage("either --all or the names of runbooks")
	case o.all:
		var err error
		if list, err = a.catalog(); err != nil {
			return err
		}
	case len(names) > 0:
		list = nil
	}
	for _, n := range names {
		rb, err := a.runbook(n)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(list, func(x runbooks.Runbook) bool { return x.Name == n }) {
			list = append(list, rb)
		}
	}
	privileges := rolePrivileges(list)
	govc, powercli := o.commands(a.principal(o), ids(privileges))
	if a.json() {
		return a.writeJSON(map[string]any{"role": o.name, "privileges": privileges, "govc": govc, "powercli": powercli})
	}
	var rows [][]string
	for _, p := range privileges {
		what := p.For
		if p.Optional {
			what = "optional: " + what
		}
		rows = append(rows, []string{p.ID, p.On, join(p.Runbooks), what})
	}
	table(a.out, a.paint(), []string{"PRIVILEGE", "ON", "RUNBOOKS", "TO"}, rows)
	a.printf("\nWith govc (System.View and System.Read are in every role):\n")
	for _, line := range govc {
		a.printf("  %s\n", line)
	}
	a.printf("\nWith PowerCLI:\n")
	for _, line := range powercli {
		a.printf("  %s\n", line)
	}
	a.printf("\nTags are not below the vCenter: for guests to be kept or started by tag, give the user the role Read-only as a global\n")
	a.printf("permission, too (Administration, Access Control, Global Permissions). Without it no tag is seen, and none is missed.\n")
	if !o.all && len(names) == 0 {
		a.printf("\nRunbooks in YAML, the library's and your own, need other rights: nightshift lab role RUNBOOK, or --all.\n")
	}
	return nil
}

// principal is who gets the role: as asked for, or as the lab file says, where there is one.
func (a *app) principal(o roleOptions) string {
	if o.principal != "" {
		return o.principal
	}
	if p := a.findLab(); p.path != "" {
		if lab, err := inventory.LoadForTrust(p.path); err == nil && len(lab.VCenters) > 0 && lab.VCenters[0].User != "" {
			return lab.VCenters[0].User
		}
	}
	return "nightshift@vsphere.local"
}

// ids are those that a role has to be given: vCenter puts the System ones into each.
func ids(list []rolePrivilege) []string {
	var out []string
	for _, p := range list {
		if !strings.HasPrefix(p.ID, "System.") && !slices.Contains(out, p.ID) {
			out = append(out, p.ID)
		}
	}
	return out
}

func (o roleOptions) commands(principal string, ids []string) (govc, powercli []string) {
	name, who := words.Shell(o.name), words.Shell(principal)
	govc = []string{
		fmt.Sprintf("govc role.create %s %s", name, strings.Join(ids, " ")),
		fmt.Sprintf("govc permissions.set -principal %s -role %s -propagate=true /", who, name),
	}
	powercli = []string{
		fmt.Sprintf("New-VIRole -Name %s -Privilege (Get-VIPrivilege -Id %s)", psQuote(o.name), strings.Join(ids, ", ")),
		fmt.Sprintf("New-VIPermission -Entity (Get-Folder -NoRecursion) -Principal %s -Role %s -Propagate:$true", psQuote(principal), psQuote(o.name)),
	}
	return govc, powercli
}

// psQuote quotes for PowerShell.
func psQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
