package replica

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/live"
)

// ds makes a volume with snapshots "name" of GUIDs and transaction groups in this order: {"a", 1, "b", 2}.
func ds(name string, points ...any) *live.ZDataset {
	d := &live.ZDataset{Name: name, Volume: true}
	for i := 0; i < len(points); i += 2 {
		n := uint64(points[i+1].(int))
		d.Snapshots = append(d.Snapshots, live.ZSnapshot{Name: points[i].(string), GUID: n, CreateTXG: 100 * n, Creation: time.Unix(int64(1000*n), 0)})
	}
	return d
}

func mark(d *live.ZDataset, name string, n uint64) *live.ZDataset {
	d.Bookmarks = append(d.Bookmarks, live.ZBookmark{Name: name, GUID: n, CreateTXG: 100 * n})
	return d
}

func with(d *live.ZDataset, change func(*live.ZDataset)) *live.ZDataset {
	change(d)
	return d
}

const (
	p1 = "nightshift_mail_2026-11-21T01:00:00Z"
	p2 = "nightshift_mail_2026-11-21T02:00:00Z"
	p3 = "nightshift_mail_2026-11-21T03:00:00Z"
	p4 = "nightshift_mail_2026-11-21T04:00:00Z"
)

func TestTheBaseOfAnIncrement(t *testing.T) {
	for _, test := range []struct {
		name           string
		source, target *live.ZDataset
		want           Base
	}{
		{"no replica yet", ds("tank/mail", p3, 3), nil, Base{}},
		{"the snapshot of last time", ds("tank/mail", p1, 1, p2, 2, p3, 3), ds("b/mail", p1, 1, p2, 2), Base{From: "tank/mail@" + p2, GUID: 2, Target: p2}},
		{"the target is some cycles behind", ds("tank/mail", p1, 1, p2, 2, p3, 3), ds("b/mail", p1, 1), Base{From: "tank/mail@" + p1, GUID: 1, Target: p1}},
		{"a bookmark, where the snapshot is gone", mark(ds("tank/mail", p3, 3), p2, 2), ds("b/mail", p1, 1, p2, 2), Base{From: "tank/mail#" + p2, GUID: 2, Target: p2}},
		{"renamed on one side: the GUID counts", ds("tank/mail", "renamed", 2, p3, 3), ds("b/mail", p2, 2), Base{From: "tank/mail@renamed", GUID: 2, Target: p2}},
		{"a foreign one that both have", ds("tank/mail", "weekly", 2, p3, 3), ds("b/mail", "weekly", 2), Base{From: "tank/mail@weekly", GUID: 2, Target: "weekly"}},
		{"others made snapshots there, in which nothing changed", ds("tank/mail", p2, 2, p3, 3), ds("b/mail", p2, 2, "autosnap_1", 8, "autosnap_2", 9),
			Base{From: "tank/mail@" + p2, GUID: 2, Target: p2, Over: []string{"autosnap_1", "autosnap_2"}}},
		{"it is there already", ds("tank/mail", p2, 2, p3, 3), ds("b/mail", p2, 2, p3, 3), Base{From: "tank/mail@" + p3, GUID: 3, Target: p3, Done: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := ChooseBase(test.source, p3, test.target, Stream{LargeBlocks: true})
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}

func TestWhyThereIsNoBase(t *testing.T) {
	for _, test := range []struct {
		name           string
		source, target *live.ZDataset
		why, common    string
		newer          []string
		says           string
		choices        int
	}{
		{"nothing to send", ds("tank/mail", p2, 2), nil, Missing, "", nil, "tank/mail@" + p3 + " is not there", 0},
		{"no common snapshot: pruned while the other side was down", ds("tank/mail", p3, 3), ds("b/mail", p1, 1), Lost, "", []string{p1}, "no snapshot in common any more", 2},
		{"the newest of the replica was pruned from the source", ds("tank/mail", p1, 1, p3, 3), ds("b/mail", p1, 1, p2, 2), Lost, p1, []string{p2}, "does not have @" + p2 + " any more", 2},
		{"a snapshot was made on the replica, of something new", ds("tank/mail", p2, 2, p3, 3), with(ds("b/mail", p2, 2, "mine", 9), func(d *live.ZDataset) { d.Newest().Written = 1 }),
			Diverged, p2, []string{"mine"}, "that tank/mail does not know", 2},
		{"an empty one, and then it was written to", ds("tank/mail", p2, 2, p3, 3), with(ds("b/mail", p2, 2, "mine", 9), func(d *live.ZDataset) { d.Written = 1 }),
			Diverged, p2, []string{"mine"}, "that tank/mail does not know", 2},
		{"the replica was written to", ds("tank/mail", p2, 2, p3, 3), with(ds("b/mail", p2, 2), func(d *live.ZDataset) { d.Written = 4096 }), Modified, p2, nil, "was written to since its newest snapshot", 2},
		{"it arrived and was then written to", ds("tank/mail", p3, 3), with(ds("b/mail", p3, 3), func(d *live.ZDataset) { d.Written = 1 }), Modified, p3, nil, "1 bytes", 2},
		{"something broken off", ds("tank/mail", p2, 2, p3, 3), with(ds("b/mail", p2, 2), func(d *live.ZDataset) { d.ResumeToken = "1-x" }), Partial, "", nil, "broken off", 2},
		{"a foreign dataset", ds("tank/mail", p3, 3), ds("b/mail", "x", 9), Foreign, "", []string{"x"}, "none of its 1 snapshots came from tank/mail", 2},
		{"an empty dataset", ds("tank/mail", p3, 3), ds("b/mail"), Foreign, "", nil, "has no snapshots", 2},
		{"a file system where a volume should be", ds("tank/mail", p3, 3), with(ds("b/mail", p2, 2), func(d *live.ZDataset) { d.Volume = false }), Kind, "", nil, "b/mail is a file system, and tank/mail a volume", 1},
		{"the target is ahead", ds("tank/mail", p2, 2, p3, 3, p4, 4), ds("b/mail", p2, 2, p3, 3, p4, 4), Ahead, "", []string{p4}, "has @" + p3 + " already", 1},
		{"the source was taken back and went another way", ds("tank/mail", p1, 1, p3, 7), ds("b/mail", p1, 1, p2, 2, p3, 3), Lost, p1, []string{p2, p3}, "the newest that both have is @" + p1, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ChooseBase(test.source, p3, test.target, Stream{LargeBlocks: true})
			no := new(NoBase)
			require.ErrorAs(t, err, &no)
			require.Equal(t, test.why, no.Why)
			if test.why != Ahead {
				require.Equal(t, test.common, no.Common)
			}
			require.Equal(t, test.newer, no.Newer)
			require.ErrorContains(t, err, test.says)
			require.Len(t, no.Choices, test.choices)
		})
	}
}

// A clone that was promoted has taken the snapshots with it.
func TestAPromotedCloneIsOneOfTheChoices(t *testing.T) {
	clone := func(d *live.ZDataset) { d.Origin = "pool/clone@" + p2 }
	for name, sides := range map[string][2]*live.ZDataset{
		"of the source, all":  {with(ds("tank/mail", p3, 3), clone), ds("b/mail", p1, 1, p2, 2)},
		"of the source, some": {with(ds("tank/mail", p1, 1, p3, 3), clone), ds("b/mail", p1, 1, p2, 2)},
		"of the replica":      {ds("tank/mail", p1, 1, p3, 3), with(ds("b/mail"), clone)},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ChooseBase(sides[0], p3, sides[1], Stream{})
			require.ErrorContains(t, err, "take them back: zfs promote ")
		})
	}
	_, err := ChooseBase(with(mark(ds("tank/mail", p3, 3), p2, 2), clone), p3, ds("b/mail", p1, 1, p2, 2), Stream{})
	require.NoError(t, err, "a bookmark is enough")
}

func TestRawStreamsAndEncryption(t *testing.T) {
	locked := func(d *live.ZDataset) { d.Encryption, d.KeyStatus = "aes-256-gcm", "unavailable" }
	unlocked := func(d *live.ZDataset) { d.Encryption, d.KeyStatus = "aes-256-gcm", "available" }
	plain := func(*live.ZDataset) {}
	for _, test := range []struct {
		name           string
		raw            bool
		source, target func(*live.ZDataset)
		why, says      string // empty: it goes
	}{
		{"raw, and its key is nowhere loaded", true, locked, locked, "", ""},
		{"raw onto what is not encrypted", true, unlocked, plain, Encryption, "do not send raw, with the key of tank/mail loaded"},
		{"raw means nothing where the source is not encrypted", true, plain, plain, "", ""},
		{"nor where only the replica is", true, plain, unlocked, "", ""},
		{"not raw onto what is encrypted otherwise", false, plain, unlocked, "", ""},
		{"not raw, and the replica's key is not loaded", false, unlocked, locked, Encryption, "only a raw stream goes onto it"},
		{"the same, of what is not encrypted", true, plain, locked, Encryption, "load its key"},
	} {
		t.Run(test.name, func(t *testing.T) {
			source, target := with(ds("tank/mail", p2, 2, p3, 3), test.source), with(ds("b/mail", p2, 2), test.target)
			_, err := ChooseBase(source, p3, target, Stream{Raw: test.raw})
			if test.why == "" {
				require.NoError(t, err)
			} else {
				no := new(NoBase)
				require.ErrorAs(t, err, &no)
				require.Equal(t, test.why, no.Why)
				require.ErrorContains(t, err, test.says)
			}
			base, err := ChooseBase(source, p3, with(ds("b/mail", p2, 2, p3, 3), test.target), Stream{Raw: test.raw})
			require.NoError(t, err, "what is there is there")
			require.True(t, base.Done)
		})
	}
	_, err := ChooseBase(with(ds("tank/mail", p2, 2, p3, 3), locked), p3, with(ds("b/mail", p2, 2, "mine", 9), locked), Stream{Raw: true})
	no := new(NoBase)
	require.ErrorAs(t, err, &no)
	require.Equal(t, NoBase{Why: Diverged, Text: no.Text, Common: p2, Newer: []string{"mine"}, Choices: no.Choices}, *no)
	require.ErrorContains(t, err, "a raw stream does not go over them: @mine. The choices: destroy them there")
}

func TestVolumesOfLargeBlocks(t *testing.T) {
	volume := func(block int64) func(*live.ZDataset) { return func(d *live.ZDataset) { d.VolBlockSize = block } }
	const least, large = 128 << 10, 256 << 10
	for _, test := range []struct {
		name           string
		as             Stream
		source, target int64
		says           string // empty: it goes
	}{
		{"with them, as before", Stream{LargeBlocks: true}, large, large, ""},
		{"without them, as before", Stream{}, large, least, ""},
		{"with them, for the first time", Stream{LargeBlocks: true}, large, least, "ZFS would lose what it has"},
		{"raw, for the first time: that has them", Stream{Raw: true}, large, least, "ZFS would lose what it has"},
		{"without them, for the first time", Stream{}, large, large, "send with them, as before"},
		{"there are none", Stream{LargeBlocks: true}, least, least, ""},
		{"there are none, and it does not matter", Stream{}, least, least, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ChooseBase(with(ds("tank/mail", p2, 2, p3, 3), volume(test.source)), p3, with(ds("b/mail", p2, 2), volume(test.target)), test.as)
			if test.says == "" {
				require.NoError(t, err)
				return
			}
			no := new(NoBase)
			require.ErrorAs(t, err, &no)
			require.Equal(t, Blocks, no.Why)
			require.ErrorContains(t, err, test.says)
		})
	}
}

func TestABookmarkOfALaterMomentIsNoBase(t *testing.T) {
	source := mark(ds("tank/mail", p3, 3), "later", 4)
	target := ds("b/mail", "later", 4)
	_, err := ChooseBase(source, p3, target, Stream{LargeBlocks: true})
	no := new(NoBase)
	require.True(t, errors.As(err, &no))
}

func TestNames(t *testing.T) {
	at := time.Date(2026, 11, 21, 10, 0, 0, 0, time.FixedZone("CET", 3600))
	name, err := PointName("mail", at)
	require.NoError(t, err)
	require.Equal(t, "nightshift_mail_2026-11-21T09:00:00Z", name)
	group, when, ours := ParsePoint(name)
	require.True(t, ours)
	require.Equal(t, "mail", group)
	require.True(t, when.Equal(at))
	group, _, ours = ParsePoint("nightshift_a_b_2026-11-21T09:00:00Z")
	require.True(t, ours)
	require.Equal(t, "a_b", group)
	for _, foreign := range []string{"", "nightshift", "nightshift_", "nightshift_mail", "nightshift__2026-11-21T09:00:00Z", "nightshift_mail_2026-11-21", "nightshift_mail_2026-13-21T09:00:00Z",
		"nightshift_mail_2026-11-21T09:00:00+01:00", "x_nightshift_mail_2026-11-21T09:00:00Z", "nightshift_mail_2026-11-21T09:00:00Z-copy", "nightshift_mail_2026-11-21T09:00:00.5Z",
		"autosnap_2026-11-21_09:00:00_hourly", "10-10-2008-23:45"} {
		_, _, ours := ParsePoint(foreign)
		require.False(t, ours, foreign)
	}
	for _, bad := range []string{"", "a b", "a/b", "a@b", "ä"} {
		_, err := PointName(bad, at)
		require.Error(t, err)
	}
}

func FuzzParsePoint(f *testing.F) {
	f.Add("nightshift_mail_2026-11-21T09:00:00Z")
	f.Add("nightshift_a_b_2024-02-29T23:59:60Z")
	f.Fuzz(func(t *testing.T, name string) {
		group, at, ours := ParsePoint(name)
		if !ours {
			return
		}
		again, err := PointName(group, at)
		require.NoError(t, err)
		require.Equal(t, name, again)
	})
}
