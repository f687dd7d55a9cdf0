package activities

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/bmc"
	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// A guest that serves a datastore stays on while another one runs from it: its step may have been skipped, or somebody has
// started it since the plan was made.
func TestStorageStaysOnUnderGuestsThatRun(t *testing.T) {
	other := live.Guest{Ref: "8", Name: "db01", UUID: "u-db", Power: live.PoweredOn, Datastores: []string{"own-ds-1"}}
	storage := func(w *world) *Activities {
		a := directActivities(w)
		a.lab.Guests = []inventory.Guest{{Name: "web01", VCenter: "vc1", Provides: []inventory.Provision{"datastore:tank"}}}
		return a
	}
	w := newWorld()
	w.others = []live.Guest{other}
	out, err := attemptOf(t, storage(w), plan.ShutdownGuest, direct(guestCall(patient)), nil)
	requireReplan(t, w, out, err, "guests run whose files guest web01 serves, and that were not there when the plan was made: db01")

	w.book.Memory = append(w.book.Memory, plan.RememberedGuest{Endpoint: "vc1", UUID: "u-db", Name: "db01"})
	for name, force := range map[string]bool{"asked": false, "by force": true} {
		c := direct(guestCall(patient))
		c.Force = force
		_, err = attemptOf(t, storage(w), plan.ShutdownGuest, c, nil)
		requireType(t, err, Precondition)
		require.ErrorContains(t, err, "guests still run whose files it serves: db01", name)
	}
	require.Empty(t, w.events)

	for name, change := range map[string]func(*live.Guest){
		"it is off":               func(g *live.Guest) { g.Power = live.PoweredOff },
		"its files lie elsewhere": func(g *live.Guest) { g.Datastores = []string{"own-ds-2"} },
		"vSphere's own":           func(g *live.Guest) { g.VCLS = true },
	} {
		w := newWorld()
		g := other
		change(&g)
		w.others = []live.Guest{g}
		_, err = attemptOf(t, storage(w), plan.ShutdownGuest, direct(guestCall(patient)), nil)
		require.NoError(t, err, name)
		require.Equal(t, 1, w.count("ShutdownGuest"), name)
	}
	w = newWorld() // its own host does not tell: nobody knows
	w.away = func() bool { return len(w.memos) == 0 }
	_, err = attemptOf(t, storage(w), plan.ShutdownGuest, direct(guestCall(patient)), nil)
	requireType(t, err, Transient)
	require.Empty(t, w.events)
}

// A tellingVCenter tells what the test says.
type tellingVCenter struct {
	*world
	view live.VCenter
}

func (v tellingVCenter) Inspect(context.Context) (live.VCenter, error) { return v.view, nil }

// besideAVCenter are directActivities beside a vCenter that tells of a second host, esx22, on which db01 runs from datastore tank. The
// lab file has no way to that host itself.
func besideAVCenter(w *world, change func(*live.VCenter)) *Activities {
	view := live.VCenter{Name: "vc1",
		Hosts: []live.Host{w.host, {Ref: "host-2", Name: "esx22.lab", Connection: live.Connected}},
		Guests: []live.Guest{w.guest, {Ref: "vm-2", Name: "storage01", UUID: "u-storage", Host: "host-1", Power: live.PoweredOn, Connection: live.Connected},
			{Ref: "vm-3", Name: "db01", UUID: "u-db", Host: "host-2", Power: live.PoweredOn, Connection: live.Connected, Datastores: []string{"ds-1"}}},
		Datastores: []live.Datastore{{Ref: "ds-1", Name: "tank"}}}
	change(&view)
	a := directActivities(w)
	a.lab.Hosts = append(a.lab.Hosts, inventory.Host{Name: "esx22", VCenter: "vc1", Address: "esx22.lab", BMC: &inventory.BMC{}})
	hosts := a.clients.dialVC
	a.clients.dialVC = func(ctx context.Context, r endpoint.Resolved) (vcenter, error) {
		if !strings.HasPrefix(r.Name, "host ") {
			return tellingVCenter{w, view}, nil
		}
		return hosts(ctx, r)
	}
	return a
}

// When the vCenter is gone nobody can look whether a guest, whose step was skipped, still runs from storage that goes down last: so
// the vCenter stays, and the storage with it.
func TestTheLastWitnessOfAGuestStaysUp(t *testing.T) {
	foundation := func(web01 ...inventory.Provision) []inventory.Guest {
		return []inventory.Guest{{Name: "web01", VCenter: "vc1", Provides: web01}, {Name: "storage01", VCenter: "vc1", Provides: []inventory.Provision{"datastore:tank"}}}
	}
	for name, tc := range map[string]struct {
		change  func(*live.VCenter)
		lab     func(*Activities)
		call    func(*plan.Call)
		refused bool
	}{
		"it runs":                    {refused: true},
		"by force":                   {call: func(c *plan.Call) { c.Force = true }, refused: true},
		"in a power cut":             {call: func(c *plan.Call) { c.Resolute = true }},
		"it is off":                  {change: func(v *live.VCenter) { v.Guests[2].Power = live.PoweredOff }},
		"its files lie elsewhere":    {change: func(v *live.VCenter) { v.Datastores[0].Name = "local" }},
		"the storage is off":         {change: func(v *live.VCenter) { v.Guests[1].Power = live.PoweredOff }},
		"the storage is kept":        {lab: func(a *Activities) { a.lab.Guests[1].Keep = true }},
		"its host can be asked":      {lab: func(a *Activities) { a.lab.Hosts[2].ESXi = &inventory.Endpoint{URL: "https://esx22"} }},
		"its host is not known here": {lab: func(a *Activities) { a.lab.Hosts = a.lab.Hosts[:2] }, refused: true},
		"its host is off, and lost": {change: func(v *live.VCenter) {
			v.Hosts[1].Connection, v.Guests[2].Connection = "notResponding", live.Disconnected
		}, lab: func(a *Activities) {
			a.clients.dialBMC = func(context.Context, endpoint.Resolved, *inventory.BMC) (bmc.Session, error) {
				return worldBMC{&world{bmc: live.BMC{Power: live.Off}}}, nil
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			if tc.change == nil {
				tc.change = func(*live.VCenter) {}
			}
			a := besideAVCenter(w, tc.change)
			a.lab.Guests = foundation("vcenter:vc1")
			c := direct(guestCall(patient))
			if tc.lab != nil {
				tc.lab(a)
			}
			if tc.call != nil {
				tc.call(&c)
			}
			_, err := attemptOf(t, a, plan.ShutdownGuest, c, nil)
			if !tc.refused {
				require.NoError(t, err)
				return
			}
			requireType(t, err, Precondition)
			require.ErrorContains(t, err, "on hosts that nobody can ask without it (no esxi: in the lab file): db01")
			require.Empty(t, w.events)
		})
	}

	w := newWorld() // the storage's own step, beside a vCenter that has stayed
	a := besideAVCenter(w, func(*live.VCenter) {})
	a.lab.Guests = foundation("datastore:tank")
	w.book.Memory = append(w.book.Memory, plan.RememberedGuest{Endpoint: "vc1", UUID: "u-db", Name: "db01"})
	_, err := attemptOf(t, a, plan.ShutdownGuest, direct(guestCall(patient)), nil)
	requireType(t, err, Precondition)
	require.ErrorContains(t, err, "guests still run whose files it serves: db01")
	require.Empty(t, w.events)
}

// A host that does not answer, and whose BMC does not say Off, may run guests.
func TestStorageStaysOnWhileAHostIsSilent(t *testing.T) {
	for name, tc := range map[string]struct {
		power    string
		resolute bool
		refused  bool
	}{"it is on": {live.On, false, true}, "it is off": {live.Off, false, false}, "in a power cut": {live.On, true, false}} {
		w := newWorld()
		w.bmc.Power = tc.power
		a := directActivities(w)
		a.lab.Guests = []inventory.Guest{{Name: "web01", VCenter: "vc1", Provides: []inventory.Provision{"datastore:tank"}}}
		a.lab.Hosts = append(a.lab.Hosts, inventory.Host{Name: "esx22", VCenter: "vc1", Address: "esx22.lab", BMC: &inventory.BMC{}, ESXi: &inventory.Endpoint{URL: "https://esx22"}})
		hosts := a.clients.dialVC
		a.clients.dialVC = func(ctx context.Context, r endpoint.Resolved) (vcenter, error) {
			if r.Name == "host esx22" {
				return nil, fault.As(fault.Unreachable, errors.New("no answer from the host"))
			}
			return hosts(ctx, r)
		}
		c := direct(guestCall(patient))
		c.Resolute = tc.resolute
		_, err := attemptOf(t, a, plan.ShutdownGuest, c, nil)
		if tc.refused {
			requireType(t, err, Transient)
			require.ErrorContains(t, err, "which guests run on host esx22 cannot be read just now", name)
			require.Empty(t, w.events, name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, 1, w.count("ShutdownGuest"), name)
	}
}

// A host that itself serves a datastore stays on as a guest does that serves one.
func TestAHostThatServesStaysOnUnderGuestsThatRun(t *testing.T) {
	for name, tc := range map[string]struct {
		provides inventory.Provision
		call     func(*plan.Call)
		refused  bool
	}{
		"asked":          {"datastore:tank", func(*plan.Call) {}, true},
		"by force":       {"datastore:tank", func(c *plan.Call) { c.Force = true }, true},
		"in a power cut": {"datastore:tank", func(c *plan.Call) { c.Resolute = true }, false},
		"another one":    {"datastore:attic", func(*plan.Call) {}, false},
	} {
		w := offWorld()
		w.book.Memory = append(w.book.Memory, plan.RememberedGuest{Endpoint: "vc1", UUID: "u-db", Name: "db01"})
		a := besideAVCenter(w, func(v *live.VCenter) { v.Guests = v.Guests[2:] })
		a.lab.Hosts[0].Provides = []inventory.Provision{tc.provides}
		a.lab.Guests = nil
		c := hostCall(down(time.Minute))
		tc.call(&c)
		_, err := attemptOf(t, a, plan.ShutdownHost, c, nil)
		if !tc.refused {
			require.NoError(t, err, name)
			continue
		}
		requireType(t, err, Precondition)
		require.ErrorContains(t, err, "guests still run whose files it serves: db01", name)
		require.Empty(t, w.events, name)
	}
}

// A vCenter that is seen off is not waited for: where it was, packets may be lost without a word.
func TestNobodyWaitsForAVCenterThatIsOff(t *testing.T) {
	vcsa := live.Guest{Ref: "9", Name: "vcsa", UUID: "u-vcsa", Power: live.PoweredOff}
	for name, tc := range map[string]struct {
		change func(*world, *Activities)
		waits  bool
	}{
		"its host says so":                   {change: func(w *world, _ *Activities) { w.others = []live.Guest{vcsa} }},
		"its host is off, and no other left": {change: func(*world, *Activities) {}},
		"it is on": {waits: true, change: func(w *world, _ *Activities) {
			on := vcsa
			on.Power = live.PoweredOn
			w.others = []live.Guest{on}
		}},
		"a host is left that nobody can ask": {waits: true, change: func(_ *world, a *Activities) {
			a.lab.Hosts = append(a.lab.Hosts, inventory.Host{Name: "nuc", VCenter: "vc1", Address: "nuc.lab"})
		}},
		"it runs outside": {waits: true, change: func(w *world, a *Activities) {
			w.others = []live.Guest{vcsa}
			a.lab.Guests = a.lab.Guests[:1]
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.bmc.Power = live.Off // of the other host; the one that the step goes to answers
			a := directActivities(w)
			a.lab.Guests = []inventory.Guest{{Name: "web01", VCenter: "vc1", Provides: []inventory.Provision{"datastore:tank"}},
				{Name: "vcsa", VCenter: "vc1", UUID: "u-vcsa", Provides: []inventory.Provision{"vcenter:vc1"}}}
			a.lab.Hosts = append(a.lab.Hosts, inventory.Host{Name: "esx22", VCenter: "vc1", Address: "esx22.lab", BMC: &inventory.BMC{}})
			tc.change(w, a)
			hosts, let := a.clients.dialVC, make(chan struct{})
			a.clients.dialVC = func(ctx context.Context, r endpoint.Resolved) (vcenter, error) {
				if !strings.HasPrefix(r.Name, "host ") {
					<-let // nothing answers
				}
				return hosts(ctx, r)
			}
			p := provider{a, direct(guestCall(patient)), a.lab.Guests[0].Provides, "u-web"}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if tc.waits {
				vcs, err := p.hosts(ctx)
				require.NoError(t, err)
				require.False(t, p.vcenterIsOff(ctx, vcs))
				close(let)
			} else {
				defer close(let)
			}
			var log bytes.Buffer
			a.log = slog.New(slog.NewTextHandler(&log, nil))
			_, err := p.views(ctx)
			require.NoError(t, err)
			require.Equal(t, !tc.waits, strings.Contains(log.String(), "context canceled"), "%s", &log)
		})
	}
}
