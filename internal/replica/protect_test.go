package replica

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/live"
)

func TestWhatBothSidesHave(t *testing.T) {
	token := func(d *live.ZDataset) *live.ZDataset {
		return with(d, func(d *live.ZDataset) { d.ResumeToken = "1-abc" })
	}
	none := map[uint64]bool{}
	for name, test := range map[string]struct {
		here, there *live.ZDataset
		common      []uint64
		inFlight    map[uint64]bool
	}{
		"the source":               {ds("a", p1, 1, p2, 2, p3, 3), ds("b", p1, 1, p2, 2), []uint64{2}, none},
		"the target":               {ds("b", p1, 1, p2, 2), ds("a", p1, 1, p2, 2, p3, 3), []uint64{2}, none},
		"renamed: the GUID counts": {ds("a", "x", 2, p3, 3), ds("b", p2, 2), []uint64{2}, none},
		"a foreign one, which may go at any time": {ds("a", "daily", 7, p1, 1, p2, 2, "other", 8, "weekly", 9), ds("b", "daily", 7, p1, 1, p2, 2, "other", 8, "weekly", 9), []uint64{9, 2}, none},
		"nothing but foreign ones":                {ds("a", "daily", 7, "weekly", 9), ds("b", "daily", 7, "weekly", 9), []uint64{9}, none},
		"of the newest only a bookmark is left, and the one before is what remains without it": {ds("b", p1, 1, p2, 2, p3, 3),
			mark(ds("a", p1, 1, p4, 4), p3, 3), []uint64{3, 1}, none},
		"only a bookmark": {ds("b", p1, 1, p2, 2), mark(ds("a", p3, 3), p2, 2), []uint64{2}, none},
		"nothing":         {ds("a", p1, 1), ds("b", p2, 2), nil, none},
		"the target has the part of a stream, of the second or the third": {ds("a", p1, 1, p2, 2, p3, 3), token(ds("b", p1, 1)), []uint64{1}, map[uint64]bool{2: true, 3: true}},
		"on the target, the part lies on the newest":                      {token(ds("b", p1, 1, "mine", 9)), ds("a", p1, 1, p2, 2), []uint64{1}, map[uint64]bool{9: true}},
		"the part of a first stream":                                      {ds("a", p1, 1, p2, 2), token(ds("b")), nil, map[uint64]bool{1: true, 2: true}},
	} {
		t.Run(name, func(t *testing.T) {
			f := FactsOf(test.here, test.there, "mail")
			require.Empty(t, f.Unknown)
			require.Equal(t, test.common, f.Common)
			require.Equal(t, test.inFlight, f.InFlight)
		})
	}
	require.NotEmpty(t, FactsOf(ds("a", p1, 1), nil, "mail").Unknown)
}

func TestWhyASnapshotMustStay(t *testing.T) {
	f := Facts{Common: []uint64{1}, InFlight: map[uint64]bool{2: true}, Released: map[string]bool{"c": true},
		Tags: map[string][]string{"a": {"nightshift:mail"}, "b": {".send-7-1"}, "c": {"nightshift:mail", "nightshift:web"}}}
	for _, test := range []struct {
		s    live.ZSnapshot
		want []string
	}{
		{live.ZSnapshot{Name: "a", GUID: 1, Holds: 1}, []string{"held by nightshift", "the last common one"}},
		{live.ZSnapshot{Name: "b", GUID: 2, Holds: 1}, []string{"in flight"}},
		{live.ZSnapshot{Name: "c", GUID: 3, Holds: 2}, []string{"held: nightshift:web"}},
		{live.ZSnapshot{Name: "c", GUID: 3, Holds: 3}, []string{"held: nightshift:web", "held: 1"}},
		{live.ZSnapshot{Name: "d", GUID: 4, Holds: 1}, []string{"held: 1"}},
		{live.ZSnapshot{Name: "d", GUID: 4, Clones: []string{"tank/mail/%recv", "tank/test"}}, []string{"in flight", "cloned: tank/test"}},
		{live.ZSnapshot{Name: "d", GUID: 4}, nil},
	} {
		require.Equal(t, test.want, f.Protects(&test.s, "mail"), "%+v", test.s)
	}
}

func TestDanglingHoldsAreFound(t *testing.T) {
	d := ds("tank/mail", p1, 1, p2, 2, p3, 3, p4, 4)
	ours := []string{"nightshift:mail"}
	f := Facts{Common: []uint64{2}, InFlight: map[uint64]bool{3: true}, Tags: map[string][]string{p1: {"theirs", "nightshift:mail"}, p2: ours, p3: ours, p4: {"theirs", "nightshift:web"}}}
	require.Equal(t, []string{p1}, DanglingHolds(d, "mail", f))
	f.Unknown = "ss2 cannot be read"
	require.Empty(t, DanglingHolds(d, "mail", f))
	require.Empty(t, DanglingHolds(d, "mail", Facts{Tags: f.Tags}), "without anything in common, the hold may be what keeps the last copy")
}

// Two datasets of a group have lost a point each: the last that both have stays, or none of that day could be brought back.
func TestThePointsOfAGroupStayWhole(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	p := Policy{Daily: 3, Zone: time.UTC}
	d := &live.ZDataset{Name: "tank/mail"}
	for _, hour := range []int{1, 2, 3} {
		add(d, time.Date(2026, 11, 19, hour, 0, 0, 0, time.UTC))
	}
	add(d, time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC))
	by := rollup(t, d, p, Facts{Whole: map[string]bool{"nightshift_mail_2026-11-19T02:00:00Z": true, "nightshift_mail_2026-11-20T01:00:00Z": true}}, now)
	require.Equal(t, Destroyed, by["nightshift_mail_2026-11-19T01:00:00Z"].What)
	require.Equal(t, []string{"last of 2026-11-19"}, by["nightshift_mail_2026-11-19T02:00:00Z"].Why)
	require.Equal(t, []string{"last of 2026-11-19"}, by["nightshift_mail_2026-11-19T03:00:00Z"].Why)
	require.Equal(t, []string{"the newest", "last of 2026-11-20"}, by["nightshift_mail_2026-11-20T01:00:00Z"].Why)
}
