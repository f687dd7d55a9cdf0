package activities

import (
	"testing"

	"github.com/stretchr/testify/require"

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
