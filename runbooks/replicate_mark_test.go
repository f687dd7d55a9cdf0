package runbooks_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/replica"
	"nightshift/runbooks"
)

// Nothing of a group is done before the group is marked, and the mark is taken off when nothing is under way any more.
func TestAGroupIsMarkedWhileARunWorksOnIt(t *testing.T) {
	for runbook, f := range map[string]*fixture{runbooks.Replicate: mailLab(), runbooks.Prune: pruneLab()} {
		p := f.plan(t, runbook)
		require.Empty(t, p.Blockers)
		var all []string
		for i, s := range p.Steps[:len(p.Steps)-1] {
			require.Equal(t, i == 0, len(s.Needs) == 0, s.ID)
			all = append(all, s.ID)
			var where struct{ To, Under string }
			require.NoError(t, json.Unmarshal(s.Params, &where))
			require.Equal(t, "ss2 backup/ss1", where.To+" "+where.Under, s.ID)
		}
		require.Equal(t, plan.MarkGroup, p.Steps[0].Action)
		last := p.Steps[len(p.Steps)-1]
		require.Equal(t, plan.UnmarkGroup, last.Action)
		require.ElementsMatch(t, all, last.Needs, "also where a run is aborted, and only what is under way goes on")
		require.True(t, last.Always)
		require.Equal(t, p.Steps[0].ID, last.OnlyAfter)
		require.Equal(t, plan.Skip, last.OnFailure)
	}
}

func TestTheMarkOfAnotherNightshiftBlocks(t *testing.T) {
	since := time.Date(2026, 11, 20, 21, 4, 5, 0, time.UTC)
	for runbook, lab := range map[string]func() *fixture{runbooks.Replicate: mailLab, runbooks.Prune: pruneLab} {
		f := lab()
		target := find(f.state.Storage, func(h live.StorageHost) bool { return h.Host == "ss2" })
		target.Mark = replica.Mark{By: us, Run: "an-earlier-run", Since: since}.Value()
		require.Empty(t, f.plan(t, runbook).Blockers, "left over by a run of our own")
		target.Mark = replica.Mark{By: "laptop:/home/bob/nightshift", Run: "replicate-1", Since: since}.Value()
		require.Equal(t, []plan.Finding{{Subject: "group mail",
			Text:   "another nightshift works on it: laptop:/home/bob/nightshift, with run replicate-1, since 2026-11-20 21:04:05 UTC",
			Remedy: "wait for its run to end; if that nightshift is no more, take its mark off: zfs inherit nightshift:mark.mail backup/ss1 (on ss2)"}},
			f.plan(t, runbook).Blockers)
		target.Mark = "what somebody wrote there"
		require.Equal(t, "another nightshift works on it: what somebody wrote there", f.plan(t, runbook).Blockers[0].Text)
	}
}
