//go:build storagelab

package storagelab_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/test/storagelab"
)

// hooked has a group list its own snapshots before and after each point, in the home of its account on ss1.
const hooked = `hooks:
      before: {at: ss1, command: [sh, -c, "/usr/sbin/zfs list -Ht snapshot -o name >before; echo >>hooks"]}
      after: {at: ss1, command: [sh, -c, "/usr/sbin/zfs list -Ht snapshot -o name >after; echo >>hooks"]}`

// bookmarks are those of a dataset, by name behind the #.
func (h host) bookmarks(dataset string) (names []string) {
	h.t.Helper()
	found, err := h.Client().List(h.t.Context(), false, dataset)
	require.NoError(h.t, err)
	for _, b := range found[0].Bookmarks {
		names = append(names, b.Name)
	}
	return names
}

// A group of a volume and a file system, with hooks around its snapshot; from the bookmarks alone it goes on.
func TestReplicateFilesWithHooks(t *testing.T) {
	long(t)
	s := newStationOf(t, storagelab.ConnectAlone(t), hooked, volume{"mail", 16, 4}, volume{"files", 0, 2})
	mail, home := s.volumes[0], s.home(s.from.m)
	count := func(file string) int {
		return strings.Count(s.from.Root("cat", home+"/"+file), mail+"@nightshift_mail_")
	}
	s.cycle()
	s.same()
	require.Equal(t, []int{0, 1}, []int{count("before"), count("after")}, "the snapshot is taken between the hooks")
	for _, v := range s.volumes {
		_, newest := s.newest(s.from, v)
		s.from.Root("zfs", "release", "nightshift:mail", v+"@"+newest.Name)
		s.from.Root("zfs", "destroy", v+"@"+newest.Name)
		s.from.Write(v, 1, 1)
	}
	r := s.run("plan", "replicate", "-p", "group=mail")
	require.NoError(t, r.Failed)
	require.Contains(t, r.Out, "from #nightshift_mail_")
	s.cycle()
	s.same()
	require.Equal(t, 4, len(s.from.Root("sh", "-c", `tr '\n' x <"$1"`, "sh", home+"/hooks")), "each hook ran once in each run")
}

// The worker dies when the replica has the point, and nothing of it was held or bookmarked yet: what is done then is what was left.
func TestKilledBeforeThePointIsKept(t *testing.T) {
	long(t)
	s := newStationOf(t, storagelab.ConnectAlone(t), "", volume{"mail", 16, 4})
	mail := s.volumes[0]
	s.cycle()
	old := s.from.bookmarks(mail)
	require.Len(t, old, 1)
	s.from.Write(mail, 4, 2)
	s.to.Root("zfs", "unallow", "-u", s.of.name, "hold", s.under)
	r := s.run("run", "replicate", "-p", "group=mail", "--yes")
	s.to.Root("zfs", "allow", "-u", s.of.name, "hold", s.under)
	require.Error(t, r.Failed)
	st, ok := s.status()
	require.True(t, ok)
	require.Len(t, st.Runs, 1, "%s%s", r.Out, r.Err)
	s.same()
	require.Len(t, s.from.snapshots(mail), 2)
	s.server.Kill()
	s.serve()
	require.NoError(t, s.run("retry", st.Runs[0].Run, "--all", "--reason", "it was put right").Failed)
	require.NoError(t, s.run("watch", st.Runs[0].Run).Failed)
	s.settled(2)
	_, newest := s.newest(s.from, mail)
	require.Equal(t, []string{newest.Name}, s.from.bookmarks(mail), "it has moved")
	require.NotEqual(t, old, s.from.bookmarks(mail))
}
