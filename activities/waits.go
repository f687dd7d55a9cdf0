package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"

	"nightshift/internal/fault"
	"nightshift/internal/plan"
)

// onlyWaits is what is left of a verb that sends nothing: it reads until what it reads is as it should be.
func onlyWaits(limit time.Duration, read func(context.Context) (seen, error)) verb {
	return verb{bare: true, read: read, calls: map[string]call{"": {limit: limit}},
		first: func(context.Context, *seen) (string, error) { return "", nil }}
}

// waitFor is such a verb; open logs in.
func waitFor(op plan.Action, c plan.Call, limit time.Duration, open func(context.Context) error, read func(context.Context) (seen, error)) verb {
	return verb{op: op, call: c, prepare: func(ctx context.Context) (verb, error) { return onlyWaits(limit, read), open(ctx) }}
}

// Wait waits for a while, or until a time of day. Its time goes on while no worker runs.
func (a *Activities) Wait(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	p, err := params[plan.WaitParams](c)
	if err != nil {
		return plan.Outcome{}, classify(plan.Wait, c.Target, err)
	}
	since := activity.GetInfo(ctx).ScheduledTime // of its first attempt
	if c.Memo != nil && !c.Memo.At.IsZero() {
		since = c.Memo.At
	}
	end, err := endOf(p, since, a.speed)
	if err != nil {
		return plan.Outcome{}, classify(plan.Wait, c.Target, err)
	}
	open := func(context.Context) error { return nil }
	return a.act(ctx, waitFor(plan.Wait, c, end.Sub(since)+time.Hour, open, func(context.Context) (seen, error) {
		now := time.Now()
		return seen{done: !now.Before(end), state: "until " + end.Format(time.RFC3339)}, nil
	}))
}

// endOf is when a wait that began at that time is over. In a simulated lab time goes by faster, also until a time of day.
func endOf(p plan.WaitParams, since time.Time, speed float64) (time.Time, error) {
	end, err := endOfReal(p, since)
	if err != nil || speed <= 0 {
		return end, err
	}
	return since.Add(time.Duration(float64(end.Sub(since)) / speed)), nil
}

func endOfReal(p plan.WaitParams, since time.Time) (time.Time, error) {
	if p.Until == "" {
		return since.Add(time.Duration(p.For)), nil
	}
	zone, err := time.LoadLocation(p.Zone)
	if err != nil {
		return time.Time{}, refuse(fault.Invalid, "%w", err)
	}
	at, err := time.Parse("15:04", p.Until)
	if err != nil {
		return time.Time{}, refuse(fault.Invalid, "%q is no time of day", p.Until)
	}
	y, m, d := since.In(zone).Date()
	end := time.Date(y, m, d, at.Hour(), at.Minute(), 0, 0, zone)
	if !end.After(since) {
		end = time.Date(y, m, d+1, at.Hour(), at.Minute(), 0, 0, zone)
	}
	return end, nil
}
