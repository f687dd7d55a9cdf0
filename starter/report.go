package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"nightshift/internal/report"
	"nightshift/internal/runapi"
	"nightshift/internal/version"
	"nightshift/internal/wholefile"
	"nightshift/runbooks"
)

// Formats of reports beside text and JSON.
const (
	formatMarkdown = "markdown"
	formatHTML     = "html"
)

type reportOptions struct {
	all, manual bool
	out         string
}

func newReportCommand(a *app) *cobra.Command {
	o := &reportOptions{}
	c := &cobra.Command{
		Use:   "report RUN | --manual [RUN]",
		Short: "What a run did, when, by whom, and what is left",
		Long: `Tell what a run did, when and by whom, what determined how long it took, what was decided on the way, what is half done,
undone or untouched, and which command goes on from there. RUN is its id, or "latest". It works for runs under way too.
The exit code is the run's; with --out it is 0 where the file was written.

  nightshift report latest
  nightshift report latest -o html --out last-night.html    one page that needs no network
  nightshift report latest -o markdown                      for a wiki or a ticket

With --manual it prints, for paper, what a person would do by hand to bring up again what a power-down takes down: hosts and
guests in their order, where the files lie, the settings of clusters. It is there as soon as the run has a plan, needs no
vCenter, and is of the last power-down where RUN is left out.`,
		Annotations: map[string]string{formats: formatMarkdown + ", " + formatHTML},
		Args: func(c *cobra.Command, args []string) error {
			if o.manual {
				return atMost(1)(c, args)
			}
			return wants("RUN")(c, args)
		},
		ValidArgsFunction: a.completeRun,
		RunE: func(c *cobra.Command, args []string) error {
			if !o.manual {
				return runReport(c.Context(), a, args[0], *o)
			}
			if o.out != "" || o.all || a.global.output == formatHTML || a.global.output == formatMarkdown {
				return usage("--manual prints text for paper: it has no --out, no --all, and no other format")
			}
			return runReportManual(c.Context(), a, cmp.Or(args...))
		},
	}
	c.Flags().BoolVar(&o.manual, "manual", false, "the page of what a person would do by hand, for paper")
	c.Flags().BoolVar(&o.all, "all", false, "every step, where a long list is folded by group (text and markdown)")
	c.Flags().StringVar(&o.out, "out", "", "write the report to `FILE`")
	c.AddCommand(newReportVerifyCommand(a))
	return c
}

func runReport(ctx context.Context, a *app, arg string, o reportOptions) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	run, err := s.runID(ctx, arg)
	if err != nil {
		return err
	}
	r, broken, sheet, err := a.reportOf(ctx, s, run)
	if err != nil {
		return err
	}
	if o.out != "" {
		return a.reportInto(r, o)
	}
	switch err := a.writeReport(a.out, r, o.all); {
	case err != nil:
		return err
	case broken != nil:
		return silent(exitFailed)
	}
	return silent(outcomeCode(sheet))
}

// reportOf reads a run and makes its report. broken is how Temporal closed it where that left no result.
func (a *app) reportOf(ctx context.Context, s *session, run string) (r report.Report, broken *brokenError, sheet runapi.Sheet, err error) {
	if sheet, broken, err = s.sheet(ctx, run); err != nil {
		return r, broken, sheet, err
	}
	p, planErr := s.runs.Plan(ctx, run)
	if planErr != nil {
		a.notef("The plan cannot be read, the report has no steps: %v", planErr)
	}
	r = report.Assemble(run, sheet, p, a.now())
	if book, err := s.ledger.State(ctx, s.lab); err == nil {
		r.Since(book.Debts)
		r.Manual = a.manualOf(book, p, run, sheet)
	}
	r.Link, r.MadeBy = s.link(run), version.String()
	if broken != nil {
		r.Broken(broken.Error(), broken.Status)
	}
	r.Saved = s.saved(ctx, run, sheet)
	return r, broken, sheet, nil
}

// saved is what the lab saved before a power-up of all of it: since the power-down that was the last run before it that
// changed anything. Nil where there was none, or nothing is known of it.
func (s *session) saved(ctx context.Context, run string, up runapi.Sheet) *report.Saved {
	if up.Runbook != runbooks.PowerUp || up.Power == nil {
		return nil
	}
	list, err := s.runs.List(ctx, s.lab, runFilter{until: up.Started, limit: mostBefore})
	if err != nil {
		return nil
	}
	for _, before := range list {
		if before.Run == run || before.Open || !before.Started.Before(up.Started) || changedNothing(before.State) {
			continue
		}
		if before.Runbook != runbooks.PowerDown {
			return nil
		}
		down, broken, err := s.sheet(ctx, before.Run)
		if err != nil || broken != nil {
			return nil
		}
		return report.Between(before.Run, down, up)
	}
	return nil
}

// mostBefore is how many runs are looked at for the power-down before a power-up.
const mostBefore = 50

// changedNothing: a run that ended so has touched nothing.
func changedNothing(outcome string) bool {
	return outcome == runapi.Refused || outcome == runapi.Skipped || outcome == runapi.Failed
}

func (a *app) writeReport(w io.Writer, r report.Report, all bool) error {
	switch a.global.output {
	case formatJSON:
		return writeJSONTo(w, r)
	case formatMarkdown:
		r.Markdown(w, all)
	case formatHTML:
		return r.HTML(w)
	default:
		if all {
			r.FullText(w)
		} else {
			r.Text(w)
		}
	}
	return nil
}

// reportInto writes the report to a file: whole, or not at all.
func (a *app) reportInto(r report.Report, o reportOptions) error {
	var b bytes.Buffer
	if err := a.writeReport(&b, r, o.all); err != nil {
		return err
	}
	if err := wholefile.Replace(o.out, b.Bytes()); err != nil {
		return fmt.Errorf("write the report to %s: %w", o.out, err)
	}
	a.notef("The report of run %s is in %s.", r.Run, o.out)
	return nil
}
