package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/nut"
	"nightshift/internal/plan"
)

// The instant commands that switch a load off, the best first: one that comes back with the mains, and one that does not.
const (
	shutdownReturn = "shutdown.return"
	loadOffDelay   = "load.off.delay"
)

// A loadOff is the order to one UPS.
type loadOff struct {
	a      *Activities
	call   plan.Call
	ups    *inventory.UPS
	p      plan.LoadOffParams
	stays  string // why there is nothing to order; empty: there is
	sent   bool   // and taken, by what its server answered
	remark string
}

// OrderLoadOff has a UPS switch its load off when nothing that it feeds runs any more. It is ordered once: whether an order
// arrived of which no answer came, its countdown tells, where the driver shows one.
func (a *Activities) OrderLoadOff(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	p, err := params[plan.LoadOffParams](c)
	if err != nil {
		return plan.Outcome{}, classify(plan.OrderLoadOff, c.Target, err)
	}
	u, err := a.labUPS(p.UPS)
	if err == nil && c.Target.Name != p.UPS {
		err = refuse(fault.Invalid, "its target is %s, and its parameters name UPS %s", c.Target, p.UPS)
	}
	if err != nil {
		return plan.Outcome{}, classify(plan.OrderLoadOff, c.Target, err)
	}
	o := &loadOff{a: a, call: c, ups: u, p: p}
	send := string(plan.OrderLoadOff)
	return a.act(ctx, verb{op: plan.OrderLoadOff, call: c, read: o.read, remark: func() string { return o.remark },
		first: func(ctx context.Context, _ *seen) (string, error) {
			if o.stays != "" {
				return "", nil
			}
			return send, o.nothingRuns(ctx)
		},
		calls: map[string]call{send: {words: "the order to switch the load off to " + c.Target.String(), limit: time.Duration(p.Delay) + a.settle, send: o.send},
			"": {limit: a.settle}},
	})
}

// read looks at the UPS. With the mains back its load stays on, and hosts come up by their BMCs.
func (o *loadOff) read(ctx context.Context) (seen, error) {
	vars, err := o.a.upsVars(ctx, o.ups)
	if err != nil && !o.sent {
		return seen{}, err
	}
	s := vars.Status()
	timer, _ := vars.Seconds("ups.timer.shutdown")
	switch {
	case o.sent:
		return seen{done: true, state: "it has taken the order"}, nil
	case timer > 0:
		return seen{done: true, state: fmt.Sprintf("it switches its load off in %s", timer)}, nil
	case o.stays != "":
		return seen{done: true, state: o.stays}, nil
	case s.Online() && !s.Forced():
		o.stays, o.remark = s.String(), "the mains are back: its load stays on"
	}
	return seen{state: s.String()}, nil
}

// nothingRuns makes sure of it by the BMCs: what still runs would crash.
func (o *loadOff) nothingRuns(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bmcRead)
	defer cancel()
	if !slices.Equal(slices.Sorted(slices.Values(o.ups.Feeds)), slices.Sorted(slices.Values(o.p.Hosts))) {
		return refuse(fault.Invalid, "it feeds other hosts now than when the plan was made")
	}
	why := make([]string, len(o.p.Hosts))
	var all errgroup.Group
	all.SetLimit(besides)
	for i, name := range o.p.Hosts {
		all.Go(func() error {
			h, ok := o.a.lab.Host(name)
			switch {
			case !ok || h.BMC == nil:
				why[i] = "host " + name + " has no BMC that says Off"
			default:
				why[i] = notOff(o.a.inspectBMC(ctx, h), o.p.Servers[name])
			}
			return nil
		})
	}
	_ = all.Wait() // each has its own answer
	for _, no := range why {
		if no != "" {
			return refuse(errUnsafe, "the load is left on: %s", no)
		}
	}
	return nil
}

// notOff says why the load cannot go as far as one host is concerned. planned is the machine that was there when the plan was made,
// where the lab file has recorded none.
func notOff(b live.BMC, planned plan.Server) string {
	is, _ := b.Identify(live.Pin(planned), "")
	switch {
	case b.Err != "":
		return "the BMC of host " + b.Host + " cannot be read: " + b.Err
	case is == live.Contradicted:
		return fmt.Sprintf("the BMC of host %s is another machine's than when the plan was made (serial number %q, UUID %q)", b.Host, b.Serial, b.UUID)
	case b.Power != live.Off:
		return "the BMC of host " + b.Host + " says " + b.Power
	}
	return ""
}

// send sets the delays and gives the order.
func (o *loadOff) send(ctx context.Context, _ seen) (task string, _ error) {
	r, err := endpoint.ResolveUPS(ctx, "NUT server "+o.ups.Address(), *o.ups, o.a.lab.Dir)
	if err != nil {
		return "", unlessNo(err)
	}
	account := o.a.clients.accountOf("nut", r.URL.Host, r.User, r.Password.Reveal())
	if err := o.a.clients.refusedBefore(account, "password"); err != nil {
		return "", err
	}
	err = o.order(ctx, r)
	o.a.clients.remember(account, err)
	if err == nil {
		o.sent = true
	}
	if errors.Is(err, fault.NotDone) {
		return "", unlessNo(err)
	}
	return "", err
}

// unlessNo marks what was surely not sent, where it was no answer of the system.
func unlessNo(err error) error {
	if saidNo(err) {
		return err
	}
	return notSent{err}
}

func (o *loadOff) order(ctx context.Context, r endpoint.Resolved) error {
	c, err := nut.Dial(ctx, r)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Login(r.User, r.Password); err != nil {
		return fault.As(fault.NotDone, err)
	}
	offers, err := c.Commands(o.ups.Name)
	if err != nil {
		return fault.As(fault.NotDone, err)
	}
	delay := strconv.Itoa(int(time.Duration(o.p.Delay).Seconds()))
	switch {
	case slices.Contains(offers, shutdownReturn):
		if err := o.delays(ctx, c); err != nil {
			return fault.As(fault.NotDone, err)
		}
		return c.Command(ctx, o.ups.Name, shutdownReturn, "")
	case slices.Contains(offers, loadOffDelay):
		o.remark = "it stays off when the mains are back: it knows " + loadOffDelay + " only"
		return c.Command(ctx, o.ups.Name, loadOffDelay, delay)
	}
	return refuse(fault.Unsupported, "it knows neither %s nor %s", shutdownReturn, loadOffDelay)
}

// delays sets both, where they are not so already. One that cannot be set must be long enough as it is.
func (o *loadOff) delays(ctx context.Context, c *nut.Client) error {
	vars, err := c.Vars(o.ups.Name)
	if err != nil {
		return err
	}
	writable, err := c.Writable(o.ups.Name)
	if err != nil {
		return err
	}
	for _, d := range []struct {
		name string
		want time.Duration
		must bool
	}{{"ups.delay.shutdown", time.Duration(o.p.Delay), true}, {"ups.delay.start", time.Duration(o.p.RestartDelay), false}} {
		is, told := vars.Seconds(d.name)
		_, may := writable[d.name]
		switch {
		case told && is == d.want:
		case may:
			if err := c.Set(ctx, o.ups.Name, d.name, strconv.Itoa(int(d.want.Seconds()))); err != nil {
				return err
			}
		case d.must && !(told && is >= d.want):
			return refuse(fault.Unsupported, "%s cannot be set, and is %s: nightshift's machine may need %s to halt", d.name, vars[d.name], d.want)
		}
	}
	return nil
}
