package activities

import (
	"context"
	"slices"

	"nightshift/internal/fault"
	"nightshift/internal/notify"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/upswatch"
)

// WantedNotices answers of which events of a run of the runbook somebody is to be told.
func (a *Activities) WantedNotices(_ context.Context, runbook string) ([]runapi.Event, error) {
	var wanted []runapi.Event
	for _, e := range runapi.Events() {
		if len(a.channels(e, runbook)) > 0 {
			wanted = append(wanted, e)
		}
	}
	return wanted, nil
}

// NoticeChannels answers the names of the channels that want the notice.
func (a *Activities) NoticeChannels(_ context.Context, n runapi.Notice) ([]string, error) {
	switch {
	case len(n.Channels) > 0:
		return n.Channels, nil
	case (n.Event == runapi.EventRefused || n.Event == runapi.EventFailed) && upswatch.TriedAgain(n.Run): // every 30 s, in a power cut
		return nil, nil
	}
	return a.channels(n.Event, n.Runbook), nil
}

func (a *Activities) channels(e runapi.Event, runbook string) (names []string) {
	for _, ch := range a.lab.Notifications.Channels {
		if ch.Wants(e, runbook) {
			names = append(names, ch.Name)
		}
	}
	return names
}

// SendNotice sends a notice through one channel. Temporal tries again what may succeed later; a login or a token that was
// refused is not tried again.
func (a *Activities) SendNotice(ctx context.Context, c runapi.NoticeCall) error {
	target := plan.Target{Kind: "channel", Name: c.Channel}
	ch, ok := a.lab.Channel(c.Channel)
	if !ok {
		return classify(plan.SendNotice, target, refuse(fault.Invalid, "this worker's lab file has no such channel"))
	}
	ctx, cancel := untilStop(ctx)
	defer cancel()
	m := notify.For(*ch, notify.Compose(c.Notice, a.link(c.Notice.Run)))
	return classify(plan.SendNotice, target, a.sender.Send(ctx, *ch, a.lab.Dir, m))
}

// link is a run's page in the Temporal UI; empty where none is known.
func (a *Activities) link(run string) string {
	if a.ui == "" || run == "" {
		return ""
	}
	return a.ui + "/" + run
}

// Wants tells whether a channel wants to be told of an event that is about no runbook.
func (a *Activities) Wants(e runapi.Event) bool { return len(a.channels(e, "")) > 0 }

// Watches tells whether a channel wants to be told what no run sees: then the lab has a caretaker.
func (a *Activities) Watches() bool {
	return slices.ContainsFunc(lookedAt, a.Wants)
}
