//go:build storagelab

package storagelab_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/test/storagelab"
)

// snapshots are those of a dataset, by name behind the @.
func (h host) snapshots(dataset string) (names []string) {
	h.t.Helper()
	found, err := h.Client().List(h.t.Context(), false, dataset)
	require.NoError(h.t, err)
	for _, s := range found[0].Snapshots {
		names = append(names, s.Name)
	}
	return names
}

// The runbook on real ZFS: what is held, cloned, foreign or the last common one stays, the rest goes, by the rights that
// prepare-storage gives.
func TestPrune(t *testing.T) {
	long(t)
	s := newStation(t, storagelab.ConnectAlone(t), "")
	mail, log := s.volumes[0], s.volumes[1]
	replica := s.replica(mail)
	var old []string
	for hour := range 110 { // more than one step takes
		old = append(old, fmt.Sprintf("nightshift_mail_2026-01-%02dT%02d:00:00Z", 1+hour/24, hour%24))
		s.from.Root("zfs", "snapshot", mail+"@"+old[hour], log+"@"+old[hour])
	}
	s.from.Root("zfs", "snapshot", mail+"@by-hand")
	s.from.Root("zfs", "hold", "theirs", mail+"@"+old[1])
	clone := s.from.pool.Dataset("clone")
	s.from.Root("zfs", "clone", mail+"@"+old[2], clone)
	t.Cleanup(func() {
		s.from.Root("zfs", "destroy", clone)
		s.from.Root("zfs", "release", "theirs", mail+"@"+old[1])
	})
	for range 2 {
		r := s.run("run", "replicate", "-p", "group=mail", "--yes")
		require.NoError(t, r.Failed, r.Out)
		s.from.Write(mail, 30, 2)
	}
	s.from.Root("zfs", "hold", "nightshift:mail", mail+"@"+old[3])
	here := s.from.snapshots(mail)
	newest := here[len(here)-1]
	require.Len(t, s.to.snapshots(replica), 2)

	r := s.run("plan", "prune", "-p", "group=mail")
	require.NoError(t, r.Failed)
	t.Log(r.Out)
	for _, want := range []string{"held: theirs", "cloned: " + clone, "foreign: not made by nightshift", "the last common one", "nightshift holds 1 snapshot", "-p release=true"} {
		require.Contains(t, r.Out, want)
	}
	r = s.run("run", "prune", "-p", "group=mail", "-p", "release=true", "--yes")
	t.Log(r.Out)
	require.NoError(t, r.Failed)
	require.Equal(t, []string{old[1], old[2], "by-hand", newest}, s.from.snapshots(mail))
	require.Equal(t, []string{newest}, s.from.snapshots(log))
	require.Equal(t, []string{newest}, s.to.snapshots(replica))

	r = s.run("plan", "prune", "-p", "group=mail")
	require.NoError(t, r.Failed)
	require.Contains(t, r.Out, "Nothing to do: no recovery point of group mail is to be destroyed")
	r = s.run("run", "replicate", "-p", "group=mail", "--yes")
	require.NoError(t, r.Failed, r.Out)
	s.same()
}
