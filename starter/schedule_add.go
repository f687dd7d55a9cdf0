package main

import (
	"cmp"
	"context"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"nightshift/internal/calendar"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/words"
	"nightshift/runbooks"
)

type scheduleAddOptions struct {
	cron, calendar, zone string
	until                string
	jitter, deadline     time.Duration
	onFailure            string
	paused               bool
	parameters           parameterOptions
}

func newScheduleAddCommand(a *app) *cobra.Command {
	o := &scheduleAddOptions{}
	c := &cobra.Command{
		Use:   "add NAME RUNBOOK --calendar WORDS | --cron EXPR",
		Short: "Start a runbook by the clock",
		Long: `Start a runbook by the clock, in a time zone. A run that could not be started within 10 minutes of its time is missed
and counted; one whose predecessor is still under way is skipped. Scheduled runs look at the lab at their time, and are
carried out without asking, unless the lab file demands an approval for the runbook; while a hold stands, or another run
has the lab, they are skipped. Where a runbook has approvers, two of them at least have to approve what a schedule asks
for, as nobody signs for that. Schedules can be declared in the lab file, too: see ` + "`nightshift apply --help`" + `.
In the nights in which clocks are set, a time that is there twice starts one run, and one that is left out starts none.

  nightshift schedule add nightly power-down --calendar "every day at 23:00" --zone Europe/Berlin
  nightshift schedule add weekend power-down --calendar "last Friday of the month at 20:00" --until 2027-12-31
  nightshift schedule add morning power-up --cron "0 6 * * 1-5" --jitter 5m --on-failure skip

Of --calendar ` + calendar.Forms + `.`,
		Args: wants("NAME", "RUNBOOK"),
		ValidArgsFunction: func(c *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) != 1 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return a.completeRunbook(c, nil, typed)
		},
		RunE: func(c *cobra.Command, args []string) error {
			return runScheduleAdd(c.Context(), a, *o, args[0], args[1])
		},
	}
	f := c.Flags()
	f.StringVar(&o.calendar, "calendar", "", "when, in `WORDS`: \"weekdays at 22:30\", \"first Sunday of the month at 23:00\"")
	f.StringVar(&o.cron, "cron", "", "when: minute hour day month weekday")
	f.StringVar(&o.zone, "zone", "", "IANA time zone, such as Europe/Berlin (default: this machine's)")
	f.DurationVar(&o.jitter, "jitter", 0, "start each run up to so much later, by chance: 10m")
	f.StringVar(&o.until, "until", "", "the last `DAY` on which it starts runs: 2027-01-31")
	f.StringVar(&o.onFailure, "on-failure", "", "what its runs do with a step that fails: ask, skip, force or abort (default: the lab file's); a step whose plan skips or aborts by itself does so still")
	f.DurationVar(&o.deadline, "deadline", 0, "end its runs in order when they take longer (default: the lab file's)")
	f.BoolVar(&o.paused, "paused", false, "let it start no runs until it is resumed")
	o.parameters.addFlags(f)
	return c
}

func runScheduleAdd(ctx context.Context, a *app, o scheduleAddOptions, name, runbook string) error {
	sc, err := o.schedule(a, name)
	if err != nil {
		return err
	}
	rb, params, err := o.parameters.of(a, runbook)
	if err != nil {
		return err
	}
	sc.Runbook, sc.Parameters, sc.Steps = rb.Name, params, ofOnesOwn(rb.Name)
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := a.refuseDeclared(s.lab, name, "change it there, and run `nightshift apply`"); err != nil {
		return err
	}
	sc.Lab = s.lab
	set, err := a.labSettings(s.lab, rb, params)
	if err != nil {
		return err
	}
	sc.Approval = set.Approval
	need, err := approvalsOf(rb.Name, set)
	if err != nil {
		return err
	}
	if err := s.schedules.Add(ctx, sc); err != nil {
		return err
	}
	if a.json() {
		return a.writeJSON(sc)
	}
	a.printf("Schedule %s: %s of lab %s, %s%s. See it with `nightshift schedule list`.\n", name, rb.Name, s.lab, sc.When(), sayRest(sc))
	switch {
	case need > 0:
		a.printf("Its runs wait for %d signed approvals: nobody signs for a schedule, so one person alone is never enough.\n", need)
	case sc.Approval:
		a.printf("Its runs wait for an approval, as the lab file demands for %s.\n", rb.Name)
	}
	return nil
}

var scheduleName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// schedule is what the flags say of one, checked.
func (o scheduleAddOptions) schedule(a *app, name string) (runapi.Schedule, error) {
	sc := runapi.Schedule{Name: name, Cron: o.cron, Calendar: o.calendar, Jitter: plan.Duration(o.jitter), Until: o.until,
		OnFailure: plan.OnFailure(o.onFailure), Deadline: plan.Duration(o.deadline), Paused: o.paused}
	switch {
	case !scheduleName.MatchString(name):
		return sc, usage("schedule name %q: lower-case letters, digits and dashes, 40 at most", name)
	case o.cron == "" && o.calendar == "":
		return sc, usage(`when? Give --calendar "every day at 23:00" or --cron "0 23 * * *"`)
	case o.cron != "" && o.calendar != "":
		return sc, usage("either --cron or --calendar")
	case !sc.OnFailure.Valid():
		return sc, usage("--on-failure %s: allowed are ask, skip, force, abort", o.onFailure)
	case o.deadline < 0, o.jitter < 0:
		return sc, usage("--deadline and --jitter are longer than nothing")
	case o.jitter > mostJitter:
		return sc, usage("--jitter %s: %s at most", o.jitter, words.Tight(mostJitter))
	}
	if o.paused {
		sc.Note = "paused by " + a.who + " when it was added"
	}
	var err error
	if sc.Zone, err = a.zone(o.zone); err != nil {
		return sc, err
	}
	spec, err := scheduleSpec(sc)
	if err == nil && !spec.EndAt.IsZero() && spec.EndAt.Before(a.now()) {
		err = usage("--until %s: that day is past", o.until)
	}
	return sc, err
}

// mostJitter is how much later than its time a run may be let start.
const mostJitter = 12 * time.Hour

// zone is the time zone that was asked for, or this machine's.
func (a *app) zone(name string) (string, error) {
	if name == "" {
		name = cmp.Or(a.getenv("TZ"), localZone())
	}
	if _, err := time.LoadLocation(name); err != nil || name == "Local" {
		return "", usage("time zone %q is not known: give one such as Europe/Berlin with --zone", name)
	}
	return name, nil
}

// approvalsOf is how many signed approvals a run of a schedule takes. 0: none.
func approvalsOf(runbook string, set plan.Settings) (int, error) {
	w := set.Approvers
	if w == nil {
		return 0, nil
	}
	need := max(w.Need, runapi.LeastForSchedule)
	if len(w.Of) < need {
		return 0, usage("%s has only one approver in the lab file: what a schedule asks for takes %d, as whoever has added it must not be the only one", runbook, need)
	}
	return need, nil
}

// labSettings are those of the lab's file, where it is here, and has what the parameters name; none otherwise. The worker holds to its
// own in any case.
func (a *app) labSettings(of string, rb runbooks.Runbook, params map[string]string) (plan.Settings, error) {
	if a.findLab().path == "" {
		return plan.Settings{}, nil
	}
	lab, err := a.loadLab()
	if err != nil || lab.Lab != of {
		return plan.Settings{}, err
	}
	if err := rb.CheckNames(lab, params); err != nil {
		return plan.Settings{}, usage("%w", err)
	}
	return lab.Settings(rb.Name), nil
}
