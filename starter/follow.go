package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// patience is how long a run is watched that doesn't answer: the engine may be restarting.
const patience = 10 * time.Minute

// stuckPolls is how often in turn a run must be seen stuck before it is called so.
const stuckPolls = 3

// poll is the pause between two looks at a run: short at first, when people watch, longer as it goes on.
func poll(watched time.Duration) time.Duration {
	switch {
	case watched < time.Minute:
		return 300 * time.Millisecond
	case watched < 10*time.Minute:
		return time.Second
	}
	return 3 * time.Second
}

// mostAge is how old a sheet may be that is shown again as the run's pulse is the same: only the sheet comes with what Temporal
// knows of retries under way.
const mostAge = 5 * time.Second

// A follower watches one run.
type follower struct {
	app      *app
	session  *session
	run      string
	progress progress
	plan     *plan.Plan
	planHash string
	sheet    runapi.Sheet // as read last
	outlook  *outlook     // of it
	pulse    string       // of the run when it was read; empty: read it again
	read     time.Time    // when; zero: it could not be
	// until says when to stop looking, beside the end of the run.
	until func(runapi.Sheet) bool
}

// follow shows the run until it ends, until holds, or the context ends. A run that Temporal closed without a result is
// a *brokenError. The sheet is the last that was seen.
func (f *follower) follow(ctx context.Context) (runapi.Sheet, error) {
	var last runapi.Sheet
	began := f.app.now()
	lost := time.Time{}
	for {
		s, err := f.look(ctx)
		var broken *brokenError
		switch {
		case ctx.Err() != nil:
			return last, ctx.Err()
		case err == nil:
			if !lost.IsZero() {
				f.progress.Say("nightshift answers again")
				lost = time.Time{}
			}
			last = s
			f.show(ctx, s)
			if s.Outcome != "" && s.Phase == runapi.PhaseEnd || f.until != nil && f.until(s) {
				return s, nil
			}
		case errors.Is(err, errNoRun), errors.As(err, &broken):
			return s, err
		default:
			if lost.IsZero() {
				lost = f.app.now()
				f.progress.Say("no answer (" + err.Error() + "); trying on, the run itself goes on as soon as nightshift is up")
			}
			if f.app.now().Sub(lost) > patience {
				return last, fmt.Errorf("run %s did not answer for %s: %w", f.run, patience, err)
			}
		}
		select {
		case <-ctx.Done():
			return last, ctx.Err()
		case <-f.app.after(poll(f.app.now().Sub(began))):
		}
	}
}

// look reads the sheet, or, where that must be the same as before, only the pulse of the run: sheets of long plans are long.
func (f *follower) look(ctx context.Context) (runapi.Sheet, error) {
	now, pulse := f.app.now(), ""
	if !f.read.IsZero() { // it answered
		pulse = f.session.runs.Pulse(ctx, f.run)
	}
	if pulse != "" && pulse == f.pulse && now.Sub(f.read) < mostAge {
		return f.sheet, nil
	}
	s, err := f.session.runs.Sheet(ctx, f.run)
	f.sheet, f.outlook, f.read = s, &outlook{}, now
	if f.pulse = pulse; err != nil { // asked before the sheet: what comes between is read with the next look
		f.read = time.Time{}
	}
	return s, err
}

func (f *follower) show(ctx context.Context, s runapi.Sheet) {
	if s.Hash != "" && f.planHash != s.Hash {
		if p, err := f.session.runs.Plan(ctx, f.run); err == nil && p != nil {
			f.plan, f.planHash = p, s.Hash
		}
	}
	f.progress.Show(view{Run: f.run, Link: f.session.link(f.run), Plan: f.plan, Sheet: s, Now: f.app.now(), Speed: f.session.speed, outlook: f.outlook})
}

// toTheEnd follows a run and returns with its exit code. In a terminal a stuck run is watched on, as another window
// may send the order that it waits for; elsewhere it ends the command at once.
func (a *app) toTheEnd(ctx context.Context, s *session, run string, p progress) (runapi.Sheet, error) {
	f := &follower{app: a, session: s, run: run, progress: p, until: a.untilStuck()}
	sheet, err := f.follow(ctx)
	p.Close()
	if errors.Is(err, context.Canceled) {
		a.notef("Detached: run %s goes on. See it again with `nightshift watch %s`, end it with `nightshift abort %s --reason WHY`.", run, run, run)
		return sheet, silent(exitDetached)
	}
	return sheet, err
}

// untilStuck is when to stop watching where nobody sits at a terminal.
func (a *app) untilStuck() func(runapi.Sheet) bool {
	seen := 0
	return func(sheet runapi.Sheet) bool {
		if !sheet.Stuck() || a.inTerminal && a.outTerminal {
			seen = 0
			return false
		}
		seen++
		return seen >= stuckPolls
	}
}
