package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"nightshift/internal/identity"
)

func newLabRecordCommand(a *app) *cobra.Command {
	var o recordOptions
	var group string
	var publish bool
	c := &cobra.Command{
		Use:   "record HOST|FILE…",
		Short: "Show the identity records that lie with replicas",
		Long: `Read the identity records on a storage host (one of the lab file, or USER@HOST[:PORT]), or in files, check them, and show
what they say: how each LUN of a protection group was shown, what lay on it, and all that it takes to have its VMs again. Of several
copies the newest is shown. Nothing is changed.

With --publish the target of the storage host is read as well, and for each LUN is shown what initiators would see otherwise there, and the
commands that publish it with its identity, in their order. Nothing is changed by that either. Secrets are not read: what is shown has
words in their place, and the references to them.`,
		Example: `  nightshift lab record ss2
  nightshift lab record zfsadm@ss2.lab --key keys/zfsadm --group mail
  nightshift lab record ss2 --publish
  nightshift lab record mail.json -o json`,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.completeStorageHost,
		RunE: func(c *cobra.Command, args []string) error {
			return runLabRecord(c.Context(), a, o, args, group, publish)
		},
	}
	c.Flags().StringVar(&group, "group", "", "only that of this protection `group`")
	c.Flags().BoolVar(&publish, "publish", false, "show by which commands the storage host would publish the LUNs")
	o.flags(c.Flags())
	return c
}

func runLabRecord(ctx context.Context, a *app, o recordOptions, args []string, group string, publish bool) error {
	lab, err := a.loadLab()
	if err != nil {
		lab = nil // a fresh machine has none
	}
	if publish && len(args) > 1 {
		return usage("--publish: what is shown depends on what the target has: name one storage host")
	}
	var places []placeRecords
	for _, arg := range args {
		p, err := a.recordsAt(ctx, o, arg, lab)
		if err != nil {
			return err
		}
		places = append(places, p)
	}
	found, bad := together(places)
	if err := noRecords(found, bad); err != nil {
		return err
	}
	if group != "" {
		found = slices.DeleteFunc(found, func(f identity.Found) bool { return f.Group != group })
		if len(found) == 0 {
			return fmt.Errorf("there is no identity record of group %s", group)
		}
	}
	if publish {
		a.warnBad(bad)
		return a.showPublications(ctx, args[0], places[0], found, lab)
	}
	if a.json() {
		list := make([]identity.Record, 0, len(found))
		for _, f := range found {
			list = append(list, f.Record)
		}
		a.warnBad(bad)
		return a.writeJSON(list)
	}
	for i, f := range found {
		if i > 0 {
			a.printf("\n")
		}
		a.printf("%s", f.Text())
		for _, where := range f.Newest {
			a.printf("  from        %s\n", where)
		}
		for _, where := range f.Older {
			a.printf("  older       %s\n", where)
		}
	}
	a.warnBad(bad)
	return nil
}
