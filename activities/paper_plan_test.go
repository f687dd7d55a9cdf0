package activities

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/simlab"
	"nightshift/runbooks"
)

// inOrder: each of the texts is there, after the one before.
func inOrder(t *testing.T, page string, texts ...string) {
	t.Helper()
	rest := page
	for _, s := range texts {
		_, after, found := strings.Cut(rest, s)
		require.True(t, found, "%q is missing, or too early, in\n%s", s, page)
		rest = after
	}
}

// The page can be made as soon as there is a plan, before anything is switched off, and from nothing but the plan, the lab file and
// the ledger.
func TestAPageFromAPlan(t *testing.T) {
	b := newBench(t, simlab.SmallSpec())
	p := b.plan(runbooks.PowerDown)
	at := time.Date(2026, 11, 20, 23, 1, 0, 0, time.UTC)
	m, err := ManualOf(b.a.lab, b.book, p, "run-1", at)
	require.NoError(t, err)
	page := m.Text()
	t.Log(page)
	inOrder(t, page, "2026-11-20 23:01 UTC, in run run-1", "Switch on the other hosts", "esx21: BMC https://", "esx22: BMC https://",
		"out of maintenance mode", "[ ] esx21", "Give the clusters", "vCLS = default", "DRS automation level = fully automated", "vSphere HA = true",
		"Start the other guests", "dc01 on host esx21\n", "db01 on host", "web01 on host")
	require.NotContains(t, page, "spare", "it did not run")

	for _, s := range p.Steps { // an older plan, or another hand, took it: the debt counts
		if s.Action == plan.SuspendSetting && strings.Contains(s.ID, "drs") {
			b.book.Apply(ledger.Change{Owe: &plan.Debt{ID: plan.DebtID(s.Target.Endpoint, s.Target.Ref, plan.DRS), Target: s.Target, Setting: plan.DRS, Was: "partiallyAutomated"}}, at)
		}
	}
	m, err = ManualOf(b.a.lab, b.book, p, "run-1", at)
	require.NoError(t, err)
	require.Contains(t, m.Text(), "DRS automation level = partiallyAutomated")
}

// Of a vCenter that goes down itself the record tells where the files lie.
func TestAPageFromAPlanAndARecord(t *testing.T) {
	b := newBench(t, simlab.InsideSpec())
	p := b.plan(runbooks.PowerDown)
	for _, s := range p.Steps {
		if s.Action == plan.RecordLab {
			b.do(s)
		}
	}
	require.NotEmpty(t, b.book.Records)
	m, err := ManualOf(b.a.lab, b.book, p, "run-1", time.Now())
	require.NoError(t, err)
	page := m.Text()
	before, err := b.a.inspect(t.Context(), b.book)
	require.NoError(t, err)
	for _, g := range before.VCenters[0].Guests {
		if g.Power == "poweredOn" && !g.VCLS {
			require.Contains(t, page, g.Path)
		}
	}
	inOrder(t, page, "Start what the lab stands on", "then rescan the storage", "Wait for the vCenters", "Start the other guests")
}
