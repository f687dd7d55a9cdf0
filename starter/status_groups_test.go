package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/ledger"
	"nightshift/internal/plan"
)

// A group in time, one that is late, changes too much and will have no space, one that is as late as can be, and one of which nothing
// has arrived whole.
func TestStatusTellsHowGroupsAreDoing(t *testing.T) {
	group := func(name string, ago time.Duration, volumes ...ledger.Volume) ledger.Group {
		m := ledger.Measured{Group: name, Run: "replicate-home-" + name, At: midnight(), Point: midnight().Add(-ago), Every: plan.Duration(time.Hour), Free: 200 << 30, Volumes: volumes}
		return ledger.Group{Measured: m}
	}
	quiet := ledger.Volume{Dataset: "tank/log", PerDay: 1 << 20}
	late := group("mail", 150*time.Minute, ledger.Volume{Dataset: "tank/mail", PerDay: 3 << 29, Noisy: true}, quiet)
	late.Full = time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	none := group("web", 0, ledger.Volume{Dataset: "tank/web", PerDay: -1})
	none.Point = time.Time{}
	c := newConsole(t, &fakeLab{state: ledger.State{Lab: "home", Groups: []ledger.Group{group("db", 2*time.Hour, quiet), late, group("shop", 3*time.Hour, quiet), none}}})
	require.Equal(t, exitDone, c.run("status"), c.stderr)
	golden(t, "status-groups.txt", c.stdout.String())
}
