package activities

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"golang.org/x/sync/errgroup"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/ledger"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/runbooks"
)

const (
	// besides is how many BMCs are read side by side.
	besides = 16
	// bmcRead is for one BMC, login and all: one that is slow must not hold up the plan.
	bmcRead = 2 * time.Minute
)

// MakePlan reads the lab, changes nothing, and has the runbook's planner make a plan of what is there.
func (a *Activities) MakePlan(ctx context.Context, r plan.Request) (plan.Reply, error) {
	stop := keepBeating(ctx)
	defer stop()
	reply, err := a.makePlan(ctx, r)
	if err != nil && ctx.Err() != nil {
		return plan.Reply{}, ctx.Err() // cancelled: not a failure of the lab
	}
	return reply, classify(plan.MakePlan, plan.Target{Kind: plan.Lab, Name: r.Lab}, err)
}

func (a *Activities) makePlan(ctx context.Context, r plan.Request) (plan.Reply, error) {
	if r.Lab != a.lab.Lab {
		return plan.Reply{}, refuse(fault.Invalid, "this worker's lab file is about lab %q, not %q", a.lab.Lab, r.Lab)
	}
	book, err := a.runbook(r.Runbook)
	if err != nil {
		return plan.Reply{}, err
	}
	p, saw, err := a.planOf(ctx, book, r)
	for end := a.soon(); err == nil && r.Run != "" && (passes(p) || r.Again && outOfSight(saw.state)) && time.Now().Before(end); {
		if err = rest(ctx, a.pace.last); err == nil {
			p, saw, err = a.planOf(ctx, book, r)
		}
	}
	if err != nil {
		return plan.Reply{}, err
	}
	heedLabFile(&p, a.changedLabFile())
	packed, err := p.Pack()
	if err != nil {
		return plan.Reply{}, fault.As(fault.Invalid, err)
	}
	reply := plan.Reply{Title: p.Title, Hash: p.Hash(), Steps: len(p.Steps), Warnings: p.Warnings, Blockers: p.Blockers, Left: p.Left,
		Settings: runbooks.RunSettings(a.lab, r.Runbook, r.Parameters), Versions: versions(saw.state), Packed: packed}
	if err := a.paperBefore(r, p, saw); err != nil { // no reason to leave a lab on that is about to lose its power
		a.log.Warn("there is no page of what to do by hand", "runbook", r.Runbook, "error", err)
		reply.Warnings = append(slices.Clone(reply.Warnings), plan.Finding{Subject: "lab " + r.Lab, Text: "there is no page of what to do by hand: " + err.Error(),
			Remedy: "nightshift report --manual " + r.Run})
	}
	return reply, nil
}

// soon is until when something is waited for that may be other in a moment.
func (a *Activities) soon() time.Time { return time.Now().Add(min(believed, 3*a.settle)) }

// outOfSight tells whether a vCenter does not reach a host that is not known to be off: what it says of its guests is old.
func outOfSight(st *live.State) bool {
	off := func(h live.Host) bool {
		return slices.ContainsFunc(st.BMCs, func(b live.BMC) bool {
			return b.Power == live.Off && (b.Host == h.Name || b.UUID != "" && live.SameUUID(b.UUID, h.UUID))
		})
	}
	return slices.ContainsFunc(st.VCenters, func(vc live.VCenter) bool {
		return slices.ContainsFunc(vc.Hosts, func(h live.Host) bool {
			return (h.Connection == live.NotResponding || h.Connection == live.Disconnected) && h.Power != "standBy" && !off(h)
		})
	})
}

// What a plan was made of.
type planned struct {
	state *live.State
	book  ledger.State
}

// planOf makes a plan of what is there now.
func (a *Activities) planOf(ctx context.Context, book runbooks.Runbook, r plan.Request) (p plan.Plan, saw planned, err error) {
	if saw.book, err = a.ledger.read(ctx, r.Lab); err != nil {
		return p, saw, err
	}
	if saw.state, err = a.inspectFor(ctx, saw.book, book.Reads, r.Parameters); err != nil {
		return p, saw, err
	}
	p, err = book.Plan(runbooks.Input{Lab: a.lab, State: saw.state, Ledger: saw.book, Parameters: r.Parameters, Scheduled: r.Scheduled, Run: r.Run})
	return p, saw, fault.As(fault.Invalid, err)
}

// passes tells whether all that blocks the plan may be gone in a moment: a vCenter takes a minute to notice that a host has
// died. A run waits for that; a preview tells it.
func passes(p plan.Plan) bool {
	return len(p.Blockers) > 0 && !slices.ContainsFunc(p.Blockers, func(f plan.Finding) bool { return !f.Passes })
}

// rest waits for d.
func rest(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// runbook finds a runbook: one of nightshift's own, for which no file is read, as a library may lie on what has just failed, or of
// the user's, whose files are read now.
func (a *Activities) runbook(name string) (runbooks.Runbook, error) {
	if book, ok := runbooks.Lookup(name); ok {
		return book, nil
	}
	files, err := a.lab.RunbookFiles()
	list, wrong := runbooks.CatalogWith(files)
	book, ok := runbooks.Find(list, name)
	if ok {
		return book, nil
	}
	if err = errors.Join(err, wrong); err != nil {
		return book, refuse(fault.Invalid, "there is no runbook %q, or it cannot be read: %w", name, err)
	}
	return book, refuse(fault.Invalid, "there is no runbook %q; `nightshift runbook list` shows them", name)
}

// inspectFor reads what a runbook looks at: all vCenters and BMCs side by side, and then the hosts that have to be asked
// themselves. A vCenter that cannot be read ends it, unless it runs in the lab itself: then the ledger's record of it stands in
// its place, or nothing. On battery it does so only where no other one could be read.
// A BMC or a host says so in its Err.
func (a *Activities) inspectFor(ctx context.Context, book ledger.State, reads runbooks.Reads, given map[string]string) (*live.State, error) {
	st := &live.State{At: time.Now().UTC(), Instance: a.instance, Machine: a.machine}
	if reads.UPSes {
		var asking sync.WaitGroup
		asking.Go(func() { st.UPSes = a.inspectUPSes(ctx) })
		defer asking.Wait()
	}
	if !reads.OnlyStorage {
		if err := a.inspectMachines(ctx, st, book, reads.Lenient, reads.Spares != nil && reads.Spares(given)); err != nil {
			return nil, err
		}
	}
	if reads.Storage != nil {
		st.Storage = a.inspectStorage(ctx, reads.Storage(a.lab, given))
	}
	if reads.Protected != nil {
		if g, ok := reads.Protected(a.lab, given); ok {
			st.Protected = a.inspectProtected(ctx, g)
		}
	}
	if reads.LUNs != nil {
		st.Targets = a.inspectTargets(ctx, reads.LUNs(a.lab, given), look{tables: reads.Tables, from: given["from"]})
	}
	return st, nil
}

// inspectMachines reads vCenters, BMCs and hosts. lenient: no vCenter has to answer, as the run may be there to cure one; spares: one
// has to, and of others it may be that nothing is known.
func (a *Activities) inspectMachines(ctx context.Context, st *live.State, book ledger.State, lenient, spares bool) error {
	st.Needs = a.needs(ctx)
	vcs, unread := make([]*live.VCenter, len(a.lab.VCenters)), make([]error, len(a.lab.VCenters))
	hosts := make([]*inventory.Host, 0, len(a.lab.Hosts))
	for i := range a.lab.Hosts {
		if a.lab.Hosts[i].BMC != nil || a.lab.Hosts[i].WakeOnLAN != nil {
			hosts = append(hosts, &a.lab.Hosts[i])
		}
	}
	st.BMCs = make([]live.BMC, len(hosts))
	outer := ctx
	all, ctx := errgroup.WithContext(ctx)
	for i, v := range a.lab.VCenters {
		all.Go(func() (err error) {
			if vcs[i], err = a.vcenterOrRecord(ctx, book, v.Name, lenient); err == nil || !spares {
				return err
			}
			a.log.Warn("the vCenter cannot be read: its hosts are left as they are", "target", v.Name, "error", err)
			unread[i] = err
			return ctx.Err()
		})
	}
	all.Go(func() error {
		var bmcs errgroup.Group
		bmcs.SetLimit(besides)
		for i, h := range hosts {
			bmcs.Go(func() error {
				st.BMCs[i] = a.inspectBMC(ctx, h)
				return nil
			})
		}
		return bmcs.Wait()
	})
	if err := all.Wait(); err != nil {
		return err
	}
	for _, vc := range vcs {
		if vc != nil {
			st.VCenters = append(st.VCenters, *vc)
		}
	}
	if err := cmp.Or(unread...); err != nil && len(st.VCenters) == 0 { // there is nobody to go down for it
		return err
	}
	st.Hosts = a.inspectHosts(outer, st)
	return nil
}

// vcenterOrRecord reads a vCenter. One that does not answer, and runs in this lab, is told as it was recorded; nil: it
// was not. A refused login is an error all the same: it answers.
func (a *Activities) vcenterOrRecord(ctx context.Context, book ledger.State, name string, lenient bool) (*live.VCenter, error) {
	got, err := a.inspectVCenter(ctx, name)
	if err == nil {
		return &got, nil
	}
	if _, inside := a.lab.VCenterGuest(name); !inside && !lenient || !isAway(starting(err)) || ctx.Err() != nil {
		return nil, err
	}
	a.log.Info("the vCenter does not answer", "target", name, "error", err)
	old, ok, err := recorded(book, name)
	if err != nil || !ok {
		return nil, err
	}
	return &old, nil
}

func (a *Activities) inspectVCenter(ctx context.Context, name string) (live.VCenter, error) {
	vc, err := a.clients.vcenter(ctx, name)
	if err != nil {
		return live.VCenter{}, err
	}
	got, err := vc.Inspect(ctx)
	a.clients.failed(name, vc, err)
	got.Name = name
	return got, err
}

func (a *Activities) inspectBMC(ctx context.Context, h *inventory.Host) live.BMC {
	ctx, cancel := context.WithTimeout(ctx, bmcRead)
	defer cancel()
	s, err := a.clients.server(h)
	if err != nil {
		return live.BMC{Host: h.Name, Err: err.Error()}
	}
	defer s.close(ctx)
	got, err := s.read(ctx, func(b live.BMC) error { return sameServer(h, plan.Target{}, b) })
	if err != nil {
		return live.BMC{Host: h.Name, Err: err.Error()}
	}
	return got
}

// keepBeating heartbeats until stopped, so that a worker that dies is noticed long before the activity's time-out.
func keepBeating(ctx context.Context) (stop func()) {
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(time.Second) // throttled by the SDK
		defer tick.Stop()
		for {
			activity.RecordHeartbeat(ctx)
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-stopped }
}
