package activities

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/vsphere"
)

// Everything that may have to be done without the vCenter is done through the host's own API, by whatever Refs.
func TestDirectStepsNeedNoVCenter(t *testing.T) {
	off := func(w *world) { w.guest.Power = live.PoweredOff }
	for name, c := range map[string]struct {
		action plan.Action
		call   plan.Call
		begin  func(*world)
		sends  string
	}{
		"shut down a guest": {plan.ShutdownGuest, guestCall(patient), func(*world) {}, "ShutdownGuest"},
		"start a guest":     {plan.PowerOnGuest, guestCall(plan.ShutdownGuestParams{}), off, "PowerOnGuest"},
		"check a guest":     {plan.CheckGuest, guestCall(plan.ShutdownGuestParams{}), func(*world) {}, ""},
		"enter maintenance": {plan.EnterMaintenance, hostCall(plan.HostParams{Host: "esx21"}), func(w *world) { off(w); w.host.Maintenance = false }, "EnterMaintenance"},
		"exit maintenance":  {plan.ExitMaintenance, hostCall(plan.HostParams{Host: "esx21"}), func(*world) {}, "ExitMaintenance"},
		"shut down a host":  {plan.ShutdownHost, hostCall(down(time.Minute)), off, "ShutdownHost"},
		"await a host":      {plan.AwaitHost, hostCall(plan.HostParams{Host: "esx21"}), func(*world) {}, ""},
		"await datastores":  {plan.AwaitDatastores, hostCall(plan.AwaitDatastoresParams{Host: "esx21", Names: []string{"vmfs1"}}), func(*world) {}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			c.begin(w)
			out, err := attemptOf(t, directActivities(w), c.action, direct(c.call), nil)
			require.NoError(t, err)
			require.Nil(t, out.Unclear)
			require.Empty(t, out.Replan)
			if c.sends != "" {
				require.True(t, out.Acted)
				require.Equal(t, 1, w.count(c.sends))
			}
		})
	}
}

func TestDirectIdentity(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*world, *Activities, *plan.Call)
		fails  string
	}{
		"the guest has another name":    {func(w *world, _ *Activities, _ *plan.Call) { w.guest.Name = "web02" }, Unsafe},
		"the plan has no UUID":          {func(_ *world, _ *Activities, c *plan.Call) { c.Target.UUID = "" }, Unsafe},
		"the host is not listed":        {func(_ *world, _ *Activities, c *plan.Call) { c.Target.Direct = "esx99" }, Unsafe},
		"the host is kept":              {func(_ *world, a *Activities, _ *plan.Call) { a.lab.Hosts[0].Keep = true }, Unsafe},
		"it is nightshift's own host":   {func(_ *world, a *Activities, _ *plan.Call) { a.lab.Self.Host = "esx21" }, Unsafe},
		"the host is another vCenter's": {func(_ *world, a *Activities, _ *plan.Call) { a.lab.Hosts[0].VCenter = "vc2" }, Unsafe},
		"it has no API of its own":      {func(_ *world, a *Activities, _ *plan.Call) { a.lab.Hosts[0].ESXi = nil }, InvalidInput},
		"nightshift runs in it": {func(w *world, _ *Activities, c *plan.Call) {
			w.guest.Name, c.Target.Name = "nuc-vm", "nuc-vm"
		}, Unsafe},
	} {
		t.Run("guest: "+name, func(t *testing.T) {
			w := newWorld()
			a, call := directActivities(w), direct(guestCall(patient))
			c.change(w, a, &call)
			_, err := attemptOf(t, a, plan.ShutdownGuest, call, nil)
			requireType(t, err, c.fails)
			require.Empty(t, w.events)
		})
	}
	for name, c := range map[string]struct {
		change func(*world, *Activities, *plan.Call)
		fails  string
	}{
		"another UUID":         {func(w *world, _ *Activities, _ *plan.Call) { w.host.UUID = "99999999-0037-3510-8051-b7c04f4d3332" }, Unsafe},
		"its UUID is not told": {func(w *world, _ *Activities, _ *plan.Call) { w.host.UUID = "" }, Transient},
		"another host's API": {func(_ *world, a *Activities, c *plan.Call) {
			a.lab.Hosts[1].Keep, a.lab.Hosts[1].ESXi, c.Target.Direct = false, &inventory.Endpoint{}, "nuc"
		}, Unsafe},
		"a cluster may be kept": {func(_ *world, a *Activities, _ *plan.Call) {
			a.lab.Clusters = []inventory.Cluster{{Name: "c1", VCenter: "vc1", Keep: true}}
		}, Unsafe},
		"its cluster is kept": {func(w *world, a *Activities, _ *plan.Call) {
			a.lab.Clusters = []inventory.Cluster{{Name: "c1", VCenter: "vc1", Keep: true}}
			w.remember(t)
		}, Unsafe},
	} {
		t.Run("host: "+name, func(t *testing.T) {
			w := offWorld()
			a, call := directActivities(w), direct(hostCall(down(time.Minute)))
			c.change(w, a, &call)
			_, err := attemptOf(t, a, plan.ShutdownHost, call, nil)
			requireType(t, err, c.fails)
			require.Empty(t, w.events)
		})
	}
	t.Run("host: another cluster is kept", func(t *testing.T) {
		w := offWorld()
		w.remember(t)
		a := directActivities(w)
		a.lab.Clusters = []inventory.Cluster{{Name: "c2", VCenter: "vc1", Keep: true}}
		_, err := attemptOf(t, a, plan.ShutdownHost, direct(hostCall(down(time.Minute))), nil)
		require.NoError(t, err)
	})
	t.Run("host: the UUID in the other byte order", func(t *testing.T) {
		w := offWorld()
		w.host.UUID = "44454c4c-3700-1035-8051-b7c04f4d3332"
		_, err := attemptOf(t, directActivities(w), plan.ShutdownHost, direct(hostCall(down(time.Minute))), nil)
		require.NoError(t, err)
	})
}

// The vCenter that we talk through goes down through its host only, and not while vCLS VMs are there that only it removes.
func TestAVCenterGoesDownThroughItsHost(t *testing.T) {
	entry := []inventory.Guest{{Name: "web01", VCenter: "vc1", Provides: []inventory.Provision{"dns", "vcenter:vc1"}}}
	w := newWorld()
	a := newActivities(w)
	a.lab.Guests = entry
	_, err := attemptOf(t, a, plan.ShutdownGuest, guestCall(patient), nil)
	requireType(t, err, Unsafe)
	_, err = attemptOf(t, a, plan.ShutdownHost, hostCall(down(time.Minute)), nil)
	requireType(t, err, Unsafe)
	require.Empty(t, w.events, "its host goes down by its own API as well")

	a = directActivities(w)
	a.lab.Guests = entry
	w.others = []live.Guest{{Name: "vCLS-1", VCLS: true, Power: live.PoweredOn}}
	_, err = attemptOf(t, a, plan.ShutdownGuest, direct(guestCall(patient)), nil)
	requireType(t, err, Precondition)
	require.ErrorContains(t, err, "vCLS-1")
	require.Empty(t, w.events)
	w.others[0].Power = live.PoweredOff
	_, err = attemptOf(t, a, plan.ShutdownGuest, direct(guestCall(patient)), nil)
	require.NoError(t, err)
	require.Equal(t, 1, w.count("ShutdownGuest"))

	entry[0].Provides = []inventory.Provision{"vcenter:vc2"} // another one: this one still answers
	w = newWorld()
	a = newActivities(w)
	a.lab.Guests = entry
	_, err = attemptOf(t, a, plan.ShutdownGuest, guestCall(patient), nil)
	require.NoError(t, err)
}

// A host that is off does not answer: a step that goes on after it was told to shut down needs its BMC alone.
func TestADirectShutdownIsWaitedForWithoutTheHost(t *testing.T) {
	w := offWorld()
	w.away = func() bool { return w.bmc.Power == live.Off }
	out, err := attemptOf(t, directActivities(w), plan.ShutdownHost, direct(hostCall(down(time.Minute))), nil)
	require.NoError(t, err)
	require.Equal(t, plan.Outcome{Evidence: "off (the BMC says Off)", Acted: true}, out)

	m := w.memos[len(w.memos)-1]
	out, err = attemptOf(t, directActivities(w), plan.ShutdownHost, direct(hostCall(down(time.Minute))), &m)
	require.NoError(t, err)
	require.True(t, out.Acted)
	out, err = attemptOf(t, directActivities(w), plan.ShutdownHost, direct(hostCall(down(time.Minute))), nil)
	require.NoError(t, err)
	require.Equal(t, "was already off (the BMC says Off)", out.Note, "two say so: its BMC, and that it does not answer")
	require.Equal(t, 1, w.count("ShutdownHost"))

	w.away = nil
	_, err = attemptOf(t, directActivities(w), plan.ShutdownHost, direct(hostCall(down(time.Minute))), nil)
	requireType(t, err, Transient)
	require.ErrorContains(t, err, "its own API answers")
}

// A host keeps its tasks in memory: after it started anew, what is missing there proves nothing.
func TestAHostThatStartedAnewProvesNothing(t *testing.T) {
	for boot, never := range map[string]bool{"boot-1": true, "boot-0": false} {
		w := newWorld()
		m := &plan.Memo{Intent: "PowerOff to guest web01", Phase: powerOff, At: time.Now().Add(-powerOffLimit), Tasks: []string{boot}}
		out, err := attemptOf(t, directActivities(w), plan.ShutdownGuest, direct(guestCall(patient)), m)
		require.NoError(t, err)
		require.NotNil(t, out.Unclear)
		require.Equal(t, never, out.Unclear.NeverArrived, boot)
		if never {
			require.Contains(t, out.Unclear.Evidence, "the host shows no task of it")
		}
	}
}

// One debt, by whichever way it is made and settled.
func TestTheDebtOfADirectStepIsTheSame(t *testing.T) {
	c := hostCall(plan.HostParams{Host: "esx21"})
	w := offWorld()
	w.host.Maintenance = false
	_, err := attemptOf(t, directActivities(w), plan.EnterMaintenance, direct(c), nil)
	require.NoError(t, err)
	require.Len(t, w.book.Debts, 1)
	require.Equal(t, plan.DebtID("vc1", "host-1", plan.Maintenance), w.book.Debts[0].ID)
	_, err = attemptOf(t, newActivities(w), plan.ExitMaintenance, c, nil)
	require.NoError(t, err)
	require.Empty(t, w.book.Debts)
}

func TestAwaitDatastoresRescansWhileSomethingIsMissing(t *testing.T) {
	for name, way := range map[string]func(plan.AwaitDatastoresParams) (plan.Call, func(*world) *Activities){
		"through the vCenter": func(p plan.AwaitDatastoresParams) (plan.Call, func(*world) *Activities) {
			p.Datastores = []string{"ds-1"}
			return hostCall(p), newActivities
		},
		"direct": func(p plan.AwaitDatastoresParams) (plan.Call, func(*world) *Activities) {
			p.Names = []string{"vmfs1"}
			return direct(hostCall(p)), directActivities
		},
	} {
		t.Run(name, func(t *testing.T) {
			for rescan, n := range map[bool]int{true: 1, false: 0} {
				w := newWorld()
				w.host.Connection = live.NotResponding // nothing is accessible
				w.react["Rescan"] = func() error { return fault.As(fault.State, errors.New("another rescan is under way")) }
				c, activities := way(plan.AwaitDatastoresParams{Host: "esx21", Rescan: rescan})
				_, err := attemptOf(t, activities(w), plan.AwaitDatastores, c, nil)
				requireType(t, err, Precondition)
				require.ErrorContains(t, err, "vmfs1")
				require.Equal(t, n, w.count("Rescan"), "at once, and again after half a minute")
			}
			w := newWorld()
			w.host.Connection = live.NotResponding
			w.react["Rescan"] = func() error { w.host.Connection = live.Connected; return nil }
			c, activities := way(plan.AwaitDatastoresParams{Host: "esx21", Rescan: true})
			_, err := attemptOf(t, activities(w), plan.AwaitDatastores, c, nil)
			require.NoError(t, err)
			require.Equal(t, 1, w.count("Rescan"))
			_, err = attemptOf(t, activities(w), plan.AwaitDatastores, c, nil)
			require.NoError(t, err)
			require.Equal(t, 1, w.count("Rescan"), "nothing was missing")
		})
	}
}

// A wait for a host that boots is not ended by what it answers, or does not, in between.
func TestAwaitHostDirect(t *testing.T) {
	w := newWorld()
	looks := 0
	w.away = func() bool { looks++; return looks < 4 }
	out, err := attemptOf(t, directActivities(w), plan.AwaitHost, direct(hostCall(plan.HostParams{Host: "esx21"})), nil)
	require.NoError(t, err)
	require.Contains(t, out.Evidence, "its own API answers")
	require.Greater(t, looks, 3)

	w = newWorld()
	w.host.UUID = "99999999-0037-3510-8051-b7c04f4d3332"
	_, err = attemptOf(t, directActivities(w), plan.AwaitHost, direct(hostCall(plan.HostParams{Host: "esx21"})), nil)
	requireType(t, err, Unsafe)
}

// ESXi locks an account after five refused logins: all steps together send one.
func TestARefusedLoginAtAHostArrivesOnce(t *testing.T) {
	w := newWorld()
	a := directActivities(w)
	logins := 0
	a.clients.dialVC = func(context.Context, endpoint.Resolved) (vcenter, error) {
		logins++
		return nil, fault.As(fault.Auth, errors.New("log in to host esx21 as root: refused"))
	}
	for range 3 {
		_, err := attemptOf(t, a, plan.ShutdownGuest, direct(guestCall(patient)), nil)
		requireType(t, err, Auth)
		_, err = attemptOf(t, a, plan.AwaitHost, direct(hostCall(plan.HostParams{Host: "esx21"})), nil)
		requireType(t, err, Auth)
	}
	require.Equal(t, 1, logins)
	require.Empty(t, w.events)
}

var _ vcenter = (*vsphere.Client)(nil)
