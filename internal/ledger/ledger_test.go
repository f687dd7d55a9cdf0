package ledger

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func apply(t *testing.T, s *State, c Change) {
	t.Helper()
	require.NoError(t, s.Check(c))
	s.Apply(c, noon)
}

func TestLocksExclude(t *testing.T) {
	var s State
	a, b := Holder{Workflow: "a", FirstRun: "1"}, Holder{Workflow: "b", FirstRun: "2"}
	apply(t, &s, Change{Acquire: &Acquire{Scopes: []string{"host:esx21"}, Holder: a}})
	apply(t, &s, Change{Acquire: &Acquire{Scopes: []string{"host:esx22"}, Holder: b}})
	var c *Conflict
	require.ErrorAs(t, s.Check(Change{Acquire: &Acquire{Scopes: []string{LabScope}, Holder: b}}), &c)
	require.Equal(t, a, c.Lock.Holder)
	require.ErrorAs(t, s.Check(Change{Acquire: &Acquire{Scopes: []string{"host:esx23", "host:esx21"}, Holder: b}}), &c, "all or none")
	again := Holder{Workflow: "a", FirstRun: "3"}
	require.ErrorAs(t, s.Check(Change{Acquire: &Acquire{Scopes: []string{"host:esx21"}, Holder: again}}), &c, "a new run of the same id is another holder")
	apply(t, &s, Change{Release: &a})
	apply(t, &s, Change{Release: &a})
	require.Len(t, s.Locks, 1)
}

func TestTheLockOnTheLabExcludesEveryOther(t *testing.T) {
	a, b := Holder{Workflow: "a", FirstRun: "1"}, Holder{Workflow: "b", FirstRun: "2"}
	for _, held := range []string{LabScope, "host:esx21"} {
		var s State
		apply(t, &s, Change{Acquire: &Acquire{Scopes: []string{held}, Holder: a}})
		for want, free := range map[string]bool{LabScope: false, "host:esx21": false, "host:esx22": held != LabScope} {
			err := s.Check(Change{Acquire: &Acquire{Scopes: []string{want}, Holder: b}})
			require.Equal(t, free, err == nil, "%s while %s is held", want, held)
		}
	}
}

func TestFirstValueOfADebtStands(t *testing.T) {
	var s State
	apply(t, &s, Change{Owe: &plan.Debt{ID: "vc/domain-c8/ha", Was: "true"}})
	apply(t, &s, Change{Owe: &plan.Debt{ID: "vc/domain-c8/ha", Was: "false"}})
	d, ok := s.Debt("vc/domain-c8/ha")
	require.True(t, ok)
	require.Equal(t, "true", d.Was)
	apply(t, &s, Change{Settle: "vc/domain-c8/ha"})
	apply(t, &s, Change{Settle: "vc/domain-c8/ha"})
	require.Empty(t, s.Debts)
}

func TestMemoryOnlyAdds(t *testing.T) {
	var s State
	web := plan.RememberedGuest{Endpoint: "vc", UUID: "u1", Name: "web"}
	apply(t, &s, Change{Remember: []plan.RememberedGuest{web}})
	apply(t, &s, Change{Remember: []plan.RememberedGuest{{Endpoint: "vc", UUID: "u2", Name: "db"}, {Endpoint: "vc", UUID: "u1", Name: "renamed"}}})
	require.Len(t, s.Memory, 2)
	require.Equal(t, "web", s.Memory[0].Name)
	apply(t, &s, Change{Forget: []plan.RememberedGuest{web, {Endpoint: "other", UUID: "u2"}}})
	require.Len(t, s.Memory, 1)
}

func TestWhatPeopleDoNeedsNameAndReason(t *testing.T) {
	s := State{Locks: []Lock{{Scope: LabScope, Holder: Holder{Workflow: "dead"}}}, Debts: []plan.Debt{{ID: "d"}}}
	for _, c := range []Change{{}, {By: "ann", Unlock: &Unlock{Workflow: "dead"}}, {Unlock: &Unlock{Workflow: "dead", Reason: "x"}},
		{By: "ann", Unlock: &Unlock{Workflow: "other", Reason: "x"}}, {By: "ann", Forgive: &Forgive{Debt: "d"}},
		{By: "ann", Forgive: &Forgive{Debt: "x", Reason: "x"}}, {By: "ann", Hold: &Hold{Until: noon}}, {By: "ann", Unhold: true}} {
		require.Error(t, s.Check(c), "%+v", c)
	}
	apply(t, &s, Change{By: "ann", Unlock: &Unlock{Workflow: "dead", Reason: "terminated in the UI"}})
	apply(t, &s, Change{By: "ann", Forgive: &Forgive{Debt: "d", Reason: "cluster is gone"}})
	require.Empty(t, s.Locks)
	require.Empty(t, s.Debts)
	require.Equal(t, "unlocked run dead: terminated in the UI", s.Acts[0].What)
}

func TestOneGuestIsForgottenByAPerson(t *testing.T) {
	two := []plan.RememberedGuest{{Endpoint: "vc1", UUID: "u1", Name: "web"}, {Endpoint: "vc2", UUID: "u2", Name: "web"}, {Endpoint: "vc1", UUID: "u3", Name: "db"}}
	for _, bad := range []Change{{By: "ann", ForgetGuest: &ForgetGuest{Guest: "db"}}, {ForgetGuest: &ForgetGuest{Guest: "db", Reason: "x"}},
		{By: "ann", ForgetGuest: &ForgetGuest{Guest: "gone", Reason: "x"}}, {By: "ann", ForgetGuest: &ForgetGuest{Endpoint: "vc2", Guest: "db", Reason: "x"}}} {
		s := State{Memory: two}
		require.Error(t, s.Check(bad), "%+v", bad.ForgetGuest)
	}
	for _, f := range []ForgetGuest{{Guest: "U2"}, {Endpoint: "vc2", Guest: "web"}} {
		s := State{Memory: slices.Clone(two)}
		require.ErrorContains(t, s.Check(Change{By: "ann", ForgetGuest: &ForgetGuest{Guest: "web", Reason: "x"}}), "vc1/u1 or vc2/u2")
		f.Reason = "deleted"
		apply(t, &s, Change{By: "ann", ForgetGuest: &f})
		require.Equal(t, []plan.RememberedGuest{two[0], two[2]}, s.Memory)
		require.Equal(t, []Act{{At: noon, By: "ann", What: "forgot guest web (vc2/u2): deleted"}}, s.Acts)
	}
}

func TestHoldEnds(t *testing.T) {
	var s State
	apply(t, &s, Change{By: "ann", Hold: &Hold{Until: noon.Add(time.Hour), Reason: "party"}})
	require.True(t, s.Held(noon))
	require.False(t, s.Held(noon.Add(time.Hour)))
	apply(t, &s, Change{By: "ann", Unhold: true})
	require.False(t, s.Held(noon))
}
