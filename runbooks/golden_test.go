package runbooks_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/ledger"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/runbooks"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestGolden(t *testing.T) {
	halfDone := homeLab() // aborted when two hosts were off, and web01's host was in maintenance mode
	down := allDown()
	for _, name := range []string{"esx21", "esx22"} {
		*halfDone.host(name), *halfDone.bmc(name) = *down.host(name), *down.bmc(name)
	}
	for _, name := range []string{"dc01", "db01", "web01"} {
		*halfDone.guest(name) = *down.guest(name)
	}
	halfDone.putAside("esx23")
	halfDone.vc().Clusters[1].HA = false
	halfDone.owe(plan.HA, "true")
	halfDone.ledger.Memory = down.ledger.Memory[:3]

	byTag := allDown()
	byTag.ledger.Memory, byTag.ledger.Debts = nil, nil
	byTag.params = map[string]string{"tag": "StartUp", "cluster": "Lab"}

	blocked := homeLab()
	blocked.vc().Mark = "nightshift-of-bob"
	blocked.guest("win-old").Name = "win-older"
	blocked.vc().Tasks = []live.Task{{Ref: "task-1", Name: "VirtualMachine.createSnapshot", Entity: "vm-12", State: "running"}}
	blocked.guest("dc01").Question = &live.Question{Text: "msg.hbacommon.outofspace", Choices: []string{"Retry", "Cancel"}}

	part := func(f *fixture, key, value string) *fixture {
		f.params = map[string]string{key: value}
		return f
	}
	cycle := drBox()
	cycle.labGuest("ss2").After = []string{"dns01"}
	lost := wentDown(t, insideLab)
	lost.ledger, lost.record = ledger.State{}, nil

	for name, c := range map[string]struct {
		runbook string
		f       *fixture
	}{
		"power-down-home":      {runbooks.PowerDown, homeLab()},
		"power-down-half-done": {runbooks.PowerDown, halfDone},
		"power-down-down":      {runbooks.PowerDown, allDown()},
		"power-down-blocked":   {runbooks.PowerDown, blocked},
		"power-up-home":        {runbooks.PowerUp, allDown()},
		"power-up-tag":         {runbooks.PowerUp, byTag},
		"power-up-up":          {runbooks.PowerUp, homeLab()},
		"settle-home":          {runbooks.Settle, halfDone},

		"power-down-dr-box":       {runbooks.PowerDown, drBox().observed()},
		"power-up-dr-box":         {runbooks.PowerUp, wentDown(t, drBox).observed()},
		"power-down-dr-box-cycle": {runbooks.PowerDown, cycle.observed()},
		"power-down-one-host":     {runbooks.PowerDown, oneHost().observed()},
		"power-up-one-host":       {runbooks.PowerUp, wentDown(t, oneHost).observed()},
		"power-down-inside":       {runbooks.PowerDown, insideLab().observed()},
		"power-up-inside":         {runbooks.PowerUp, wentDown(t, insideLab).observed()},
		"power-up-inside-lost":    {runbooks.PowerUp, lost.observed()},
		"power-down-applications": {runbooks.PowerDown, appLab()},
		"power-up-applications":   {runbooks.PowerUp, wentDown(t, appLab).observed()},
		"power-down-one-of-four":  {runbooks.PowerDown, part(homeLab(), "host", "esx23")},
		"power-down-guests":       {runbooks.PowerDown, part(homeLab(), "vm", "web01, web02")},
		"power-down-ups":          {runbooks.PowerDown, homeLab().onUPS("esx21", "esx22", "esx23", "esx24")},
		"replicate-mail":          {runbooks.Replicate, mailLab()},
		"prune-mail":              {runbooks.Prune, pruneLab()},
		"power-up-one-of-four":    {runbooks.PowerUp, part(allDown(), "host", "esx21")},
	} {
		t.Run(name, func(t *testing.T) {
			p := c.f.plan(t, c.runbook)
			golden(t, name+".txt", p.Tree(plan.TreeOptions{Full: true}))
			b, err := p.JSON()
			require.NoError(t, err)
			golden(t, name+".json", string(b))
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run go test ./runbooks -update, and read what it wrote")
	require.Equal(t, string(want), got)
}
