package main

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

type scheduleAddOptions struct {
	cron, zone string
	parameters parameterOptions
}

func newScheduleAddCommand(a *app) *cobra.Command {
	o := &scheduleAddOptions{}
	c := &cobra.Command{
		Use:   "add NAME RUNBOOK --cron EXPR",
		Short: "Start a runbook by the clock",
		Long: `Start a runbook by the clock, in a time zone. A run that could not be started within 10 minutes of its time is missed
and counted; one whose predecessor is still under way is skipped. Scheduled runs are carried out without asking,
unless the lab file demands an approval for the runbook; a hold skips them.
In the nights in which clocks are set, a time that is there twice starts one run, and one that is left out starts none.

  nightshift schedule add nightly power-down --cron "0 23 * * *" --zone Europe/Berlin`,
		Args: wants("NAME", "RUNBOOK"),
		ValidArgsFunction: func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) != 1 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return completeRunbook(c, nil, typed)
		},
		RunE: func(c *cobra.Command, args []string) error {
			return runScheduleAdd(c.Context(), a, *o, args[0], args[1])
		},
	}
	c.Flags().StringVar(&o.cron, "cron", "", "when: minute hour day month weekday")
	c.Flags().StringVar(&o.zone, "zone", "", "IANA time zone, such as Europe/Berlin (default: this machine's)")
	o.parameters.addFlags(c.Flags())
	return c
}

func runScheduleAdd(ctx context.Context, a *app, o scheduleAddOptions, name, runbook string) error {
	if !regexp.MustCompile(`^[a-z0-9][a-z0-9-]*$`).MatchString(name) {
		return usage("schedule name %q: lower-case letters, digits and dashes", name)
	}
	if len(strings.Fields(o.cron)) != 5 {
		return usage(`--cron %q: five fields are needed, minute hour day month weekday: "0 23 * * *"`, o.cron)
	}
	zone, err := a.zone(o.zone)
	if err != nil {
		return err
	}
	rb, params, err := o.parameters.of(runbook)
	if err != nil {
		return err
	}
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	sc := schedule{Name: name, Lab: s.lab, Runbook: rb.Name, Cron: o.cron, Zone: zone, Parameters: params, workflow: rb.Workflow}
	if sc.Approval, err = a.demandsApproval(rb.Name); err != nil {
		return err
	}
	if err := s.schedules.Add(ctx, sc); err != nil {
		return err
	}
	if a.json() {
		return a.writeJSON(sc)
	}
	a.printf("Schedule %s: %s of lab %s at %q %s. See it with `nightshift schedule list`.\n", name, rb.Name, s.lab, o.cron, zone)
	if sc.Approval {
		a.printf("Its runs wait for an approval, as the lab file demands for %s.\n", rb.Name)
	}
	return nil
}

// zone is the time zone that was asked for, or this machine's.
func (a *app) zone(name string) (string, error) {
	if name == "" {
		name = firstOf(a.getenv("TZ"), localZone())
	}
	if _, err := time.LoadLocation(name); err != nil || name == "Local" {
		return "", usage("time zone %q is not known: give one such as Europe/Berlin with --zone", name)
	}
	return name, nil
}

// demandsApproval tells what the lab file says, where there is one. The worker holds to its own in any case.
func (a *app) demandsApproval(runbook string) (bool, error) {
	if a.findLab().path == "" {
		return false, nil
	}
	lab, err := a.loadLab()
	if err != nil {
		return false, err
	}
	return lab.Settings(runbook).Approval, nil
}
