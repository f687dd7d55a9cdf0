//go:build storagelab

package storagelab_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/test/storagelab"
)

// The mark on real ZFS, by the rights that prepare-storage gives: that of another nightshift refuses a run until a person takes it off as
// the error says, and none is left after a run.
func TestTheMarkOfAnotherNightshift(t *testing.T) {
	long(t)
	s := newStationOf(t, storagelab.Connect(t), "", volume{"mail", 16, 2})
	mark := func() string {
		return s.to.Root("zfs", "get", "-H", "-o", "value", "nightshift:mark.mail", s.under)
	}
	s.to.Root("zfs", "set", "nightshift:mark.mail=since=2026-11-20T21:04:05Z run=replicate-7 by=laptop:/home/bob/nightshift", s.under)
	r := s.run("run", "replicate", "-p", "group=mail", "--yes")
	t.Log(r.Out + r.Err)
	require.Error(t, r.Failed)
	require.Contains(t, r.Out+r.Err, "another nightshift works on it: laptop:/home/bob/nightshift, with run replicate-7, since 2026-11-20 21:04:05 UTC")
	require.Contains(t, r.Out+r.Err, "zfs inherit nightshift:mark.mail "+s.under)
	require.Empty(t, s.from.snapshots(s.volumes[0]))
	require.Contains(t, mark(), "laptop")

	s.to.Root("zfs", "inherit", "nightshift:mark.mail", s.under)
	r = s.run("run", "replicate", "-p", "group=mail", "--yes")
	t.Log(r.Out)
	require.NoError(t, r.Failed)
	require.Contains(t, r.Out, "Mark group mail on ss2")
	require.Equal(t, "-", mark())
	require.Len(t, s.to.snapshots(s.replica(s.volumes[0])), 1)
}
