//go:build storagelab

package storagelab_test

import (
	"context"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/live"
	"nightshift/test/command"
	"nightshift/test/storagelab"
)

// Commands of the service account, as ps shows them.
const (
	sending   = "^zfs send -vP "
	receiving = "^zfs receive -s -u "
	login     = "^sshd(-session)?: "
)

// An underWay is a `nightshift run` that goes on beside the test.
type underWay struct {
	done   chan struct{} // closed at its end
	result command.Result
}

// replicate begins a replication of the group.
func (s *station) replicate() *underWay {
	u := &underWay{done: make(chan struct{})}
	go func() {
		defer close(u.done)
		u.result = s.run("run", "replicate", "-p", "group=mail", "--yes")
	}()
	return u
}

func (u *underWay) over() bool {
	select {
	case <-u.done:
		return true
	default:
		return false
	}
}

// pids are the processes of this station's account on a machine whose commands are like that.
func (s *station) pids(m *storagelab.Machine, like string) []string {
	return strings.Fields(m.Try("pgrep", "-u", s.of.name, "-f", like).Stdout)
}

// kill is kill -9 of them; false: there were none.
func (s *station) kill(m *storagelab.Machine, like string) bool {
	return m.Try("pkill", "-KILL", "-u", s.of.name, "-f", like).Status == 0
}

// settled is what is to be true after runs that took so many points: each is there once, on both sides, the newest is held by
// us, and nothing is left of what was under way: no lock, no process, no part of a stream.
func (s *station) settled(points int) {
	s.t.Helper()
	s.lab.Await("no run is under way, and nobody has a lock", func(context.Context) bool {
		st, ok := s.status()
		return ok && len(st.Runs) == 0 && len(st.Ledger.Locks) == 0 && len(st.Orphans) == 0
	})
	s.lab.Await("no stream is under way", func(context.Context) bool {
		return len(s.pids(s.from.m, "^zfs ")) == 0 && len(s.pids(s.to.m, "^zfs ")) == 0
	})
	for _, v := range s.volumes {
		here, there := s.points(s.from, v), s.points(s.to, s.replica(v))
		require.Len(s.t, here, points, "of %s: one for each run", v)
		require.Equal(s.t, guids(here), guids(there), "of %s: what the source has is there once, in its order", v)
		s.held(s.from, v, here)
		s.held(s.to, s.replica(v), there)
		found, err := s.to.Client().List(s.t.Context(), false, s.replica(v))
		require.NoError(s.t, err)
		require.Empty(s.t, found[0].ResumeToken)
		require.Zero(s.t, found[0].Written, "nobody writes to a replica")
	}
}

// points are the snapshots of a dataset, oldest first, all of which must be ours.
func (s *station) points(h host, dataset string) []live.ZSnapshot {
	s.t.Helper()
	found, err := h.Client().List(s.t.Context(), false, dataset)
	require.NoError(s.t, err)
	found[0].Sort()
	for _, p := range found[0].Snapshots {
		require.Regexp(s.t, `^nightshift_mail_[0-9TZ:-]+$`, p.Name)
	}
	return found[0].Snapshots
}

func guids(points []live.ZSnapshot) (all []uint64) {
	for _, p := range points {
		all = append(all, p.GUID)
	}
	return all
}

// held makes sure that of the points only the newest is held, once, by us.
func (s *station) held(h host, dataset string, points []live.ZSnapshot) {
	s.t.Helper()
	var names []string
	for _, p := range points {
		names = append(names, dataset+"@"+p.Name)
	}
	holds, err := h.Client().Holds(s.t.Context(), names...)
	require.NoError(s.t, err)
	require.Equal(s.t, []live.ZHold{{Snapshot: names[len(names)-1], Tag: "nightshift:mail"}}, holds)
}

// streaming waits until the source sends and the target receives; false: the run has ended before. A moment later it is so long after.
func (s *station) streaming(u *underWay, later time.Duration) bool {
	s.t.Helper()
	s.lab.Await("a stream is under way", func(context.Context) bool {
		return u.over() || len(s.pids(s.from.m, sending)) > 0 && len(s.pids(s.to.m, receiving)) > 0
	})
	select {
	case <-u.done:
		return false
	case <-time.After(later):
		return !u.over()
	}
}
