package contract

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/replica"
	"nightshift/internal/zfs"
)

// Files: the replica of a file system may be mounted, as long as nobody writes to it.
func Files(t *testing.T, p Pair) {
	r := replicationOf(t, p, p.Source.FileSystem("files"))
	p.Source.Write(r.from, 0, 2)
	first := r.point(1)
	r.replicate(direct, first)
	require.False(t, r.target().Mounted)
	p.Target.Root("zfs", "set", "mountpoint=/run/"+r.to, r.to)
	p.Target.Root("zfs", "mount", r.to)
	require.True(t, r.target().Mounted)
	p.Source.Write(r.from, 2, 1)
	second := r.point(2)
	r.replicate(direct, second)

	p.Target.Root("zfs", "set", "readonly=off", r.to)
	p.Target.Write(r.to, 0, 1)
	p.Target.Root("zpool", "sync", p.Target.Pool())
	p.Source.Write(r.from, 3, 1)
	third := r.point(3)
	_, err := r.base(third)
	no := new(replica.NoBase)
	require.ErrorAs(t, err, &no)
	require.Equal(t, replica.Modified, no.Why)
	for _, w := range []way{direct, relay} {
		_, err = r.start(w, r.transfer(third, replica.Base{From: r.from + "@" + second}))
		require.ErrorIs(t, err, zfs.ErrModified)
		require.ErrorIs(t, err, fault.NotDone)
		require.NotErrorIs(t, err, fault.Unreachable, "another try is of no use")
	}
	require.Equal(t, second, r.target().Newest().Name)
	require.Positive(t, r.target().Written, "what was written stays")
	p.Target.Root("zfs", "rollback", r.to+"@"+second)
	p.Target.Root("zfs", "set", "readonly=on", r.to)
	r.replicate(direct, third)
}

// Clones and others' snapshots on the replica stay, whatever is received; and who promotes a clone takes the snapshots with it.
func Clones(t *testing.T, p Pair) {
	r := newReplication(t, p, "mail", 16)
	clone := func(h Host, of, name string) string {
		h.Root("zfs", "clone", "-o", "volmode=none", of, h.Pool()+"/"+name)
		return h.Pool() + "/" + name
	}
	p.Source.Write(r.from, 0, 2)
	first := r.point(1)
	r.replicate(direct, first)
	theirs := clone(p.Target, r.to+"@"+first, "theirs")
	p.Target.Root("zfs", "snapshot", r.to+"@own")
	p.Target.Root("zfs", "hold", "keep", r.to+"@own")
	second := r.point(2)
	r.replicate(direct, second)
	p.Source.Write(r.from, 2, 1)
	third := r.point(3)
	r.replicate(relay, third)
	d, err := p.Target.Client().Destroy(t.Context(), r.to+"@"+first, r.to+"@"+second)
	require.NoError(t, err)
	require.ErrorIs(t, d.Failed[r.to+"@"+first], zfs.ErrCloned)
	require.Equal(t, []string{r.to + "@" + second}, d.Gone)
	require.Equal(t, r.to+"@"+first, read(t, p.Target, theirs).Origin)
	require.NotNil(t, r.target().Snapshot("own"))

	// Of the replica: what is newer than the clone stays, and is enough.
	p.Target.Root("zfs", "promote", theirs)
	require.Nil(t, r.target().Snapshot(first))
	fourth := r.point(4)
	require.Equal(t, third, r.replicate(direct, fourth).Target)

	no := new(replica.NoBase)
	fifth := r.point(5)
	promoted := func(h Host, dataset, why string) {
		t.Helper()
		h.Root("zfs", "promote", clone(h, dataset+"@"+fourth, "promoted"))
		_, err := r.base(fifth)
		require.ErrorAs(t, err, &no)
		require.Equal(t, why, no.Why)
		require.Contains(t, no.Choices[0], "zfs promote "+dataset)
		_, err = r.start(direct, r.transfer(fifth, replica.Base{From: r.from + "@" + fourth}))
		require.Error(t, err)
		require.Empty(t, r.target().ResumeToken)
		h.Root("zfs", "promote", dataset)
		require.Equal(t, dataset+"@"+fourth, read(t, h, h.Pool()+"/promoted").Origin)
	}
	promoted(p.Target, r.to, replica.Foreign)
	promoted(p.Source, r.from, replica.Lost)
	r.replicate(direct, fifth)
	require.NotNil(t, read(t, p.Target, theirs).Snapshot(first), "what others have is still there")
	require.NotNil(t, r.target().Snapshot("own"))
}

// Pruned: a snapshot that is being sent is not destroyed. What it is sent from may be: a sender has read that when it begins.
func Pruned(t *testing.T, p Pair) {
	r := newReplication(t, p, "mail", 24)
	first, second, base := r.increment()
	require.NoError(t, r.breakOff(direct, r.transfer(second, base), func() {
		d, err := p.Source.Client().Destroy(t.Context(), r.from+"@"+first, r.from+"@"+second)
		require.NoError(t, err)
		require.ErrorIs(t, d.Failed[r.from+"@"+second], zfs.ErrBusy)
		require.Equal(t, []string{r.from + "@" + first}, d.Gone, "what it is sent from is, and is not needed any more")
	}))
	r.verify(second)
}

// Away: of a pool that is not imported nobody says that something in it is not there any more. It comes back, and all goes on.
func Away(t *testing.T, p Pair) {
	r := newReplication(t, p, "mail", 16)
	p.Source.Write(r.from, 0, 1)
	first := r.point(1)
	r.replicate(direct, first)
	for _, h := range []struct {
		Host
		dataset string
	}{{p.Source, r.from}, {p.Target, r.to}} {
		z := h.Client()
		away := func(err error) {
			t.Helper()
			require.ErrorIs(t, err, fault.Unreachable)
			require.ErrorContains(t, err, h.Pool()+" is not imported")
		}
		h.Root("zpool", "export", h.Pool())
		_, err := z.List(t.Context(), false, h.dataset)
		away(err)
		_, err = z.Get(t.Context(), h.dataset, "type")
		away(err)
		_, err = z.Marked(t.Context(), "nightshift:run", "run-1", h.dataset)
		away(err)
		h.Root("zpool", "import", h.Pool())
		_, err = z.List(t.Context(), false, h.Pool()+"/nothing")
		require.ErrorIs(t, err, fault.NotFound)
		require.NotErrorIs(t, err, fault.Unreachable)
	}
	p.Source.Write(r.from, 1, 1)
	r.replicate(direct, r.point(2))
}
