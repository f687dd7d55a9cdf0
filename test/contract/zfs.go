package contract

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/live"
	"nightshift/internal/replica"
	"nightshift/internal/zfs"
)

// Reading is what a host tells of itself.
func Reading(t *testing.T, p Pair) {
	ctx := t.Context()
	c := p.Source.Client()
	system, err := c.System(ctx)
	require.NoError(t, err)
	require.NotEmpty(t, system.Name)
	require.Less(t, system.Ahead.Abs(), time.Minute)
	pools, err := c.Pools(ctx, p.Source.Pool())
	require.NoError(t, err)
	require.Equal(t, "ONLINE", pools[0].Health)
	require.Positive(t, pools[0].Free)
	_, err = c.Pools(ctx, "no-such-pool")
	require.ErrorIs(t, err, fault.NotFound)
	_, err = c.List(ctx, true, p.Source.Pool()+"/nothing")
	require.ErrorIs(t, err, fault.NotFound)

	a, b := p.Source.Volume("a", 16), p.Source.Pool()+"/b with space"
	p.Source.Root("zfs", "create", b)
	require.NoError(t, c.Snapshot(ctx, nil, a+"@x", b+"@x"))
	require.NoError(t, c.Hold(ctx, "nightshift:mail", a+"@x", b+"@x"))
	require.NoError(t, c.Bookmark(ctx, a+"@x", a+"#x"))
	require.NoError(t, c.SetUser(ctx, map[string]string{"nightshift:group": "mail", "nightshift:identity": strings.Repeat("x", zfs.MaxValue)}, a))
	require.NoError(t, c.SetUser(ctx, map[string]string{"nightshift:one": "1", "nightshift:two": "2"}, a, b))
	each, err := c.GetEach(ctx, []string{"nightshift:one", "nightshift:group"}, a, b)
	require.NoError(t, err)
	require.Equal(t, "1", each[b]["nightshift:one"].Value)
	require.True(t, each[a]["nightshift:group"].Own())
	require.NotContains(t, each[b], "nightshift:group")
	each, err = c.GetEach(ctx, []string{"nightshift:one"})
	require.NoError(t, err)
	require.Equal(t, "1", each[a]["nightshift:one"].Value, "of all that there are")
	found, err := c.List(ctx, true, p.Source.Pool())
	require.NoError(t, err)
	host := live.StorageHost{Datasets: found}
	da, db := host.Dataset(a), host.Dataset(b)
	require.True(t, da.Volume)
	require.False(t, db.Volume)
	require.Equal(t, int64(16<<20), da.VolSize)
	require.Equal(t, da.Newest().CreateTXG, db.Newest().CreateTXG, "one command, one moment")
	require.NotEqual(t, da.Newest().GUID, db.Newest().GUID)
	require.Equal(t, 1, da.Newest().Holds)
	require.Equal(t, da.Newest().GUID, da.Bookmarks[0].GUID)
	alone, err := c.List(ctx, false, p.Source.Pool())
	require.NoError(t, err)
	require.Len(t, alone, 1)
	props, err := c.Get(ctx, a, "nightshift:group", "nightshift:identity", "nightshift:none", "readonly")
	require.NoError(t, err)
	require.Equal(t, zfs.Property{Value: "mail", Source: "local"}, props["nightshift:group"])
	require.Len(t, props["nightshift:identity"].Value, zfs.MaxValue)
	require.NotContains(t, props, "nightshift:none")
	require.Equal(t, "off", props["readonly"].Value)
	require.NoError(t, c.ClearUser(ctx, a, "nightshift:group"))
	props, err = c.Get(ctx, a, "nightshift:group")
	require.NoError(t, err)
	require.Empty(t, props)

	holds, err := c.Holds(ctx, a+"@x", b+"@x", a+"@gone")
	require.NoError(t, err)
	require.ElementsMatch(t, []live.ZHold{{Snapshot: a + "@x", Tag: "nightshift:mail"}, {Snapshot: b + "@x", Tag: "nightshift:mail"}}, holds)
	guids, err := c.GUIDs(ctx, a+"@x", a+"@gone", p.Source.Pool()+"/nothing@x")
	require.NoError(t, err)
	require.Equal(t, map[string]uint64{a + "@x": da.Newest().GUID}, guids)
}

// Refusals are what a host says no to, each by its own error.
func Refusals(t *testing.T, p Pair) {
	ctx := t.Context()
	c := p.Source.Client()
	a := p.Source.Volume("a", 16)
	require.NoError(t, c.Snapshot(ctx, nil, a+"@x"))
	refused := func(err error, is ...error) {
		t.Helper()
		for _, e := range append(is, fault.NotDone) {
			require.ErrorIs(t, err, e)
		}
	}
	refused(c.Snapshot(ctx, nil, a+"@x"), fault.State, zfs.ErrExists)
	refused(c.Snapshot(ctx, nil, a+"@y", p.Source.Pool()+"/nothing@y"), fault.NotFound)
	guids, err := c.GUIDs(ctx, a+"@y")
	require.NoError(t, err)
	require.Empty(t, guids, "all or none")
	require.NoError(t, c.Hold(ctx, "nightshift:mail", a+"@x"))
	refused(c.Hold(ctx, "nightshift:mail", a+"@x"), zfs.ErrExists)
	refused(c.Release(ctx, "nightshift:web", a+"@x"), fault.NotFound, zfs.ErrNoHold)
	require.NoError(t, c.Bookmark(ctx, a+"@x", a+"#x"))
	refused(c.Bookmark(ctx, a+"@x", a+"#x"), zfs.ErrExists)
	refused(c.Bookmark(ctx, a+"@gone", a+"#y"), fault.NotFound)
	require.NoError(t, c.DestroyBookmark(ctx, a+"#x"))
	refused(c.DestroyBookmark(ctx, a+"#x"), fault.NotFound)
	refused(c.Abort(ctx, a), fault.NotFound)
	_, err = c.Estimate(ctx, zfs.Send{Token: "1-" + strings.Repeat("ab", 9)})
	refused(err, fault.Invalid, zfs.ErrToken)
	_, err = c.Estimate(ctx, zfs.Send{Snapshot: a + "@gone"})
	refused(err, fault.NotFound)

	p.Source.Root("zfs", "create", p.Source.Pool()+"/theirs")
	p.Source.Root("zfs", "unallow", "-u", "zfsadm", p.Source.Pool())
	refused(c.Snapshot(ctx, nil, a+"@z"), fault.Permission)
	refused(c.Hold(ctx, "nightshift:web", a+"@x"), fault.Permission)
	d, err := c.Destroy(ctx, a+"@x")
	require.NoError(t, err)
	require.ErrorIs(t, d.Failed[a+"@x"], fault.Permission)
}

// Destroying: one that cannot be destroyed does not stop the others, and what is not named stays.
func Destroying(t *testing.T, p Pair) {
	ctx := t.Context()
	c := p.Source.Client()
	a, b := p.Source.Volume("a", 16), p.Source.Volume("b", 16)
	var names []string
	for _, n := range []string{"1", "2", "held", "3", "cloned", "4", "foreign"} {
		require.NoError(t, c.Snapshot(ctx, nil, a+"@"+n, b+"@"+n))
		if n != "foreign" {
			names = append(names, a+"@"+n, b+"@"+n)
		}
	}
	require.NoError(t, c.Hold(ctx, "somebody", a+"@held"))
	p.Source.Root("zfs", "clone", "-o", "volmode=none", a+"@cloned", p.Source.Pool()+"/clone")
	d, err := c.Destroy(ctx, append(names, a+"@gone")...)
	require.NoError(t, err)
	require.Len(t, d.Failed, 2, "%v", d.Failed)
	require.ErrorIs(t, d.Failed[a+"@held"], zfs.ErrHeld)
	require.ErrorIs(t, d.Failed[a+"@cloned"], zfs.ErrCloned)
	require.Len(t, d.Gone, len(names)-1)
	var left []string
	for _, s := range read(t, p.Source, a).Snapshots {
		left = append(left, s.Name)
	}
	require.Equal(t, []string{"held", "cloned", "foreign"}, left)
	require.Equal(t, []string{p.Source.Pool() + "/clone"}, read(t, p.Source, a).Snapshot("cloned").Clones)
	require.Equal(t, "foreign", read(t, p.Source, b).Newest().Name)
}

// Cycles: in full, from a snapshot, from a bookmark; nothing changed; both ways of a stream.
func Cycles(t *testing.T, p Pair) {
	for _, w := range []way{direct, relay} {
		t.Run(string(w), func(t *testing.T) {
			ctx := t.Context()
			r := newReplication(t, p, "mail-"+strings.ReplaceAll(string(w), " ", "-"), 16)
			c := p.Source.Client()
			p.Source.Write(r.from, 0, 6)
			first := r.point(1)
			require.Equal(t, replica.Base{}, r.replicate(w, first))
			base, err := r.base(first)
			require.NoError(t, err)
			require.True(t, base.Done)

			p.Source.Write(r.from, 2, 2)
			second := r.point(2)
			require.Equal(t, r.from+"@"+first, r.replicate(w, second).From)

			require.NoError(t, c.Bookmark(ctx, r.from+"@"+second, r.from+"#"+second))
			d, err := c.Destroy(ctx, r.from+"@"+first, r.from+"@"+second)
			require.NoError(t, err)
			require.Len(t, d.Gone, 2)
			p.Source.Write(r.from, 8, 1)
			third := r.point(3)
			require.Equal(t, r.from+"#"+second, r.replicate(w, third).From)

			fourth := r.point(4)
			e, err := c.Estimate(ctx, zfs.Send{Snapshot: r.from + "@" + fourth, From: r.from + "@" + third})
			require.NoError(t, err)
			require.Less(t, e.Bytes, int64(100_000), "nothing changed")
			r.replicate(w, fourth)
		})
	}
}
