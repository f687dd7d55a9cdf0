package activities

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/nut"
	"nightshift/internal/plan"
)

// upsTimeout is for one look at a UPS.
const upsTimeout = 15 * time.Second

// mains watches whether they are back, before the first host goes down.
type mains struct {
	a     *Activities
	upses []*inventory.UPS
	again time.Duration // how long they must be there
	since []time.Time   // when each UPS was first seen as it is: on mains, or not telling
	was   []string
	back  string // why the run ends; empty: it goes on
}

// CheckMains is the point of no return. Where the mains are steadily back at all UPSes, the run ends in order, and the hosts
// stay up. It goes on where a UPS is on battery, calls it low or is forced to shut down; and where one has not told for as
// long as the mains must be back to count: it was on battery when it last did.
func (a *Activities) CheckMains(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	p, err := params[plan.MainsParams](c)
	if err != nil {
		return plan.Outcome{}, classify(plan.CheckMains, c.Target, err)
	}
	m := &mains{a: a, again: time.Duration(p.Steady), since: make([]time.Time, len(p.UPS)), was: make([]string, len(p.UPS))}
	open := func(context.Context) error {
		for _, name := range p.UPS {
			u, err := a.labUPS(name)
			if err != nil {
				return err
			}
			m.upses = append(m.upses, u)
		}
		return nil
	}
	limit := 3*m.again + time.Minute + waited(ctx, c) // it begins anew with a process that begins anew, which has not watched yet
	out, err := a.act(ctx, waitFor(plan.CheckMains, c, limit, open, m.read))
	if err == nil && out.Yield == nil && !c.Force {
		out.End = m.back
	}
	return out, err
}

// waited is how long ago an earlier attempt of the step began to watch; 0: there was none.
func waited(ctx context.Context, c plan.Call) time.Duration {
	var memo plan.Memo
	if c.Memo != nil {
		memo = *c.Memo
	}
	if activity.HasHeartbeatDetails(ctx) {
		_ = activity.GetHeartbeatDetails(ctx, &memo) // act refuses what cannot be read
	}
	if memo.At.IsZero() {
		return 0
	}
	return max(0, time.Since(memo.At))
}

func (a *Activities) labUPS(name string) (*inventory.UPS, error) {
	u, ok := a.lab.UPSOf(name)
	if !ok {
		return nil, refuse(fault.Invalid, "UPS %q is not in the lab file", name)
	}
	return u, nil
}

// read looks at all of them side by side.
func (m *mains) read(ctx context.Context) (seen, error) {
	states := make([]nut.Status, len(m.upses))
	lost := make([]error, len(m.upses))
	var all errgroup.Group
	for i, u := range m.upses {
		all.Go(func() error {
			states[i], lost[i] = m.a.askUPS(ctx, u)
			return nil
		})
	}
	_ = all.Wait() // each has its own error
	var words []string
	for i, u := range m.upses {
		word := states[i].String()
		if lost[i] != nil {
			word = "does not tell (" + lost[i].Error() + ")"
		}
		words = append(words, "UPS "+u.Name+" "+word)
	}
	return m.judge(time.Now(), states, lost, strings.Join(words, "; ")), nil
}

// judge decides.
func (m *mains) judge(now time.Time, states []nut.Status, lost []error, words string) seen {
	const online, unknown = "online", "unknown"
	steady, silent := true, false
	for i, s := range states {
		is := unknown
		switch {
		case lost[i] == nil && (s.Forced() || s.OnBattery()):
			return seen{done: true, state: "past the point of no return: " + words}
		case lost[i] == nil && s.Online():
			is = online
		}
		if m.was[i] != is {
			m.was[i], m.since[i] = is, now
		}
		long := now.Sub(m.since[i]) >= m.again
		steady = steady && is == online && long
		silent = silent || is == unknown && long
	}
	switch {
	case steady:
		m.back = fmt.Sprintf("the mains are back, for %s now, and no host has gone down yet: %s", m.again, words)
		return seen{done: true, state: words}
	case silent:
		return seen{done: true, state: "past the point of no return: " + words}
	}
	return seen{state: "not decided yet: " + words}
}

// askUPS reads how a UPS is.
func (a *Activities) askUPS(ctx context.Context, u *inventory.UPS) (nut.Status, error) {
	vars, err := a.upsVars(ctx, u)
	return vars.Status(), err
}

// inspectUPSes asks all of them at once.
func (a *Activities) inspectUPSes(ctx context.Context) []live.UPS {
	read := make([]live.UPS, len(a.lab.UPS))
	var asking sync.WaitGroup
	for i := range a.lab.UPS {
		u := &a.lab.UPS[i]
		asking.Go(func() {
			read[i] = live.UPS{Name: u.Name}
			vars, err := a.upsVars(ctx, u)
			if err != nil {
				read[i].Err = err.Error()
				return
			}
			s := vars.Status()
			timer, _ := vars.Seconds("ups.timer.shutdown")
			read[i].OnBattery, read[i].GoesOff = s.OnBattery(), s.Forced() || timer > 0
		})
	}
	asking.Wait()
	return read
}

func (a *Activities) upsVars(ctx context.Context, u *inventory.UPS) (nut.Vars, error) {
	ctx, cancel := context.WithTimeout(ctx, upsTimeout)
	defer cancel()
	r, err := endpoint.UPSServer("NUT server "+u.Address(), *u, a.lab.Dir)
	if err != nil {
		return nil, err
	}
	return nut.Ask(ctx, r, u.Name)
}
