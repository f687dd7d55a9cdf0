package main

import (
	"context"
	"io"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"nightshift/internal/statedir"
)

// app is everything that the verbs get from outside, so that tests can put their own in its place.
type app struct {
	in       io.Reader
	out, err io.Writer
	screen   io.Writer // out as it is, for a display that draws in place
	env      environment
	now      func() time.Time
	after    func(time.Duration) <-chan time.Time
	who      string // user@host: the name that goes with every order, as claimed
	self     string // how this command was started, to be typed again; empty: nightshift

	inTerminal  bool              // a person can be asked
	outTerminal bool              // a live display and colours make sense
	errTerminal bool              // the same for stderr
	size        func() (int, int) // columns and lines of the terminal

	dial func(context.Context, where) (*session, error)
	// password asks on the terminal, without showing what is typed; nil: nobody can be asked.
	password func(prompt string) ([]byte, error)

	global globalOptions
}

// environment is what envconfig and this command read variables from.
type environment interface {
	Environ() []string
	LookupEnv(name string) (string, bool)
}

func (a *app) getenv(name string) string {
	v, _ := a.env.LookupEnv(name)
	return v
}

// globalOptions are the flags that every verb understands.
type globalOptions struct {
	output   string
	lab      string
	stateDir string
	temporal temporalOptions
}

// Output formats of -o.
const (
	formatText = "text"
	formatJSON = "json"
)

func (a *app) json() bool { return a.global.output == formatJSON }

// newRootCommand builds the whole command tree.
func newRootCommand(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "nightshift",
		Short: "Durable runbooks for VMware labs: down at night, up in the morning",
		Long: `nightshift powers a VMware lab down and up again, as one durable run: it goes on where it was when the
worker, the network or the vCenter dies under it. It inspects, shows its plan, asks, carries it out, checks and reports.

  nightshift demo                 see it on a simulated lab
  nightshift serve                run the engine for the lab in lab.yaml
  nightshift plan power-down      what would it do?
  nightshift run power-down       do it`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noSuchVerb,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
		PersistentPreRunE: func(c *cobra.Command, _ []string) error {
			return checkFormat(c, a.global.output)
		},
	}
	root.SetIn(a.in)
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		hint := ""
		if m := withoutUnit.FindStringSubmatch(err.Error()); m != nil {
			hint = ": write " + m[1] + "h, " + m[1] + "m or " + m[1] + "s"
		}
		return usage("%w%s (see `%s --help`)", err, hint, c.CommandPath())
	})
	addGlobalFlags(root, a)
	addVerbs(root, a)
	completeFlags(root)
	return root
}

var withoutUnit = regexp.MustCompile(`missing unit in duration "?(\d+)"?`)

func addGlobalFlags(root *cobra.Command, a *app) {
	f := root.PersistentFlags()
	f.StringVarP(&a.global.output, "output", "o", formatText, "output format: text or json")
	f.StringVar(&a.global.lab, "lab", "", "lab `file` (default: $NIGHTSHIFT_LAB, ./lab.yaml, nightshift/lab.yaml in the XDG configuration directory, "+serviceLab+")")
	f.StringVar(&a.global.stateDir, "state-dir", "", "state `directory` (default: $NIGHTSHIFT_STATE_DIR, "+statedir.Service+" for its owner, nightshift in the XDG state directory)")
	a.global.temporal.addFlags(f)
}

func addVerbs(root *cobra.Command, a *app) {
	groups := []struct {
		id, title string
		verbs     []*cobra.Command
	}{
		{"start", "To start:", []*cobra.Command{newDemoCommand(a), newServeCommand(a), newWorkerCommand(a)}},
		{"run", "Runs:", []*cobra.Command{newPlanCommand(a), newRunCommand(a), newStatusCommand(a), newWatchCommand(a), newRunsCommand(a), newReportCommand(a), newDiffCommand(a), newStatsCommand(a), newUPSCommand(a)}},
		{"order", "Orders to a run:", []*cobra.Command{newApproveCommand(a), newRejectCommand(a), newRetryCommand(a), newSkipCommand(a),
			newPauseCommand(a), newResumeCommand(a), newReplanCommand(a), newConfirmCommand(a), newAbortCommand(a)}},
		{"lab", "The lab and its ledger:", []*cobra.Command{newLabCommand(a), newHoldCommand(a), newNotifyCommand(a), newScheduleCommand(a), newApplyCommand(a), newSettleCommand(a), newUnlockCommand(a), newRunbookCommand(a),
			newBackupCommand(a), newRestoreCommand(a), newUpgradeCheckCommand(a)}},
	}
	for _, g := range groups {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, v := range g.verbs {
			v.GroupID = g.id
			root.AddCommand(v)
		}
	}
	root.AddCommand(newVersionCommand(a), newExitCodesTopic(), newManCommand())
}

func noSuchVerb(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := ""
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "; did you mean " + near[0] + "?"
	}
	return usage("there is no verb %q%s (see `%s --help`)", args[0], hint, c.CommandPath())
}

// formats is the annotation under which a command lists the formats that it knows beside text and json.
const formats = "formats"

func checkFormat(c *cobra.Command, format string) error {
	extra := c.Annotations[formats]
	if format == formatText || format == formatJSON || extra != "" && containsWord(extra, format) {
		return nil
	}
	allowed := "text or json"
	if extra != "" {
		allowed = "text, json, " + extra
	}
	return usage("-o %s: this verb knows %s", format, allowed)
}

// group is a command that only holds others.
func group(use, short string, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: noSuchVerb,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(verbs...)
	return c
}

// wants is for verbs with these arguments, and no more: a wrong number is a usage error that names what is missing.
func wants(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return usage("%s is missing%s: %s", names[len(args)], allowedFor(names[len(args)]), c.UseLine())
		}
		return noMore(c, args, len(names))
	}
}

// atLeast wants the last argument once or more often.
func atLeast(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return usage("%s is missing%s: %s", names[len(args)], allowedFor(names[len(args)]), c.UseLine())
		}
		return nil
	}
}

// atMost allows that many arguments.
func atMost(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error { return noMore(c, args, n) }
}

func noMore(c *cobra.Command, args []string, n int) error {
	if len(args) > n {
		return usage("%q is too much: %s", args[n], c.UseLine())
	}
	return nil
}

// allowedFor lists what may stand for an argument, where that is a short list.
func allowedFor(name string) string {
	if name == "RUNBOOK" {
		return " (" + runbookNames() + ")"
	}
	return ""
}
