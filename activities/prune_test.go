package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/plan"
	"nightshift/internal/sshexec"
	"nightshift/internal/zfs"
	"nightshift/runbooks"
)

// newPruneLab has old points on the source, and two that both sides have: of each day only the last is to stay.
func newPruneLab(t *testing.T) (m *mailLab, old []string) {
	t.Helper()
	m = newMailLab(t)
	of := &inventory.Retention{Daily: 1}
	m.lab.ProtectionGroups[0].Keep = inventory.Retentions{Source: of, Target: of, Zone: "UTC"}
	for hour := range 5 {
		name := time.Date(2026, 1, 2, hour, 0, 0, 0, time.UTC).Format("nightshift_mail_2006-01-02T15:04:05Z")
		m.root(m.ss1, "zfs", "snapshot", "tank/mail@"+name, "tank/log@"+name)
		old = append(old, name)
	}
	m.root(m.ss1, "zfs", "snapshot", "tank/mail@theirs")
	m.cycle("run-1")
	m.cycle("run-2")
	return m, old
}

func (m *mailLab) prunePlan(more ...string) plan.Plan {
	m.t.Helper()
	given := map[string]string{"group": "mail"}
	for _, name := range more {
		given[name] = "true"
	}
	return m.planOf(runbooks.Prune, given)
}

const (
	pruneMail    = "destroy:ss1:tank/mail:1"
	pruneReplica = "destroy:ss2:backup/ss1/mail:1"
)

func TestPruneDestroysWhatThePolicyDoesNotKeep(t *testing.T) {
	m, old := newPruneLab(t)
	before := m.snapshots(m.ss1, "tank/mail")
	p := m.prunePlan()
	require.Empty(t, p.Blockers)
	require.Len(t, p.Steps, 1+4+1)
	for _, s := range p.Steps {
		out := m.must(p, "run-3", s.ID)
		require.True(t, out.Acted)
	}
	require.Equal(t, []string{"theirs", before[len(before)-1]}, m.snapshots(m.ss1, "tank/mail"))
	require.Len(t, m.snapshots(m.ss2, "backup/ss1/mail"), 1)
	require.NotContains(t, m.snapshots(m.ss1, "tank/log"), old[0])

	// Every step again finds that all is done, and there is nothing left to plan.
	for _, s := range p.Steps[1 : len(p.Steps)-1] {
		out := m.must(p, "run-3", s.ID)
		require.False(t, out.Acted)
		require.Contains(t, out.Note, "was already rid of")
	}
	require.Empty(t, m.prunePlan().Steps)

	m.write("tank/mail", 20, 1)
	m.cycle("run-4")
	m.same("tank/mail", "backup/ss1/mail")
}

// ZFS says of each name that is not there that it is not: of a hundred, more than is kept of its words.
func TestAHundredPointsAreDestroyed(t *testing.T) {
	m, _ := newPruneLab(t)
	for i := range 100 {
		m.root(m.ss1, "zfs", "snapshot", "tank/mail@"+time.Date(2026, 1, 3, 0, i, 0, 0, time.UTC).Format("nightshift_mail_2006-01-02T15:04:05Z"))
	}
	p := m.prunePlan()
	for _, s := range p.Steps {
		m.must(p, "run-3", s.ID)
	}
	require.Len(t, m.snapshots(m.ss1, "tank/mail"), 2)
}

// Safety rule 7, at the moment of the act: what is held or cloned by then stays, and the rest goes.
func TestWhatIsProtectedByThenIsNotDestroyed(t *testing.T) {
	for name, c := range map[string]struct {
		bend func(m *mailLab, snapshot string)
		left string
	}{
		"held":   {func(m *mailLab, s string) { m.root(m.ss1, "zfs", "hold", "theirs", s) }, "held: 1"},
		"cloned": {func(m *mailLab, s string) { m.root(m.ss1, "zfs", "clone", s, "tank/test") }, "cloned: tank/test"},
	} {
		t.Run(name, func(t *testing.T) {
			m, old := newPruneLab(t)
			p := m.prunePlan()
			c.bend(m, "tank/mail@"+old[1])
			r := m.listen("ss1")
			out := m.must(p, "run-3", pruneMail)
			require.True(t, out.Acted)
			require.Contains(t, out.Note, "left: @"+old[1]+" ("+c.left)
			require.Equal(t, 1, r.count("destroy"), "it was left out, and not refused")
			left := m.snapshots(m.ss1, "tank/mail")
			require.Contains(t, left, old[1])
			for _, gone := range []string{old[0], old[2], old[3], old[4]} {
				require.NotContains(t, left, gone)
			}
			out = m.must(p, "run-3", pruneMail)
			require.False(t, out.Acted, "there is nothing left to do")
		})
	}
}

// newerLab has two points that the target does not have, of which the plan destroys the first.
func newerLab(t *testing.T) (m *mailLab, p plan.Plan, common, first string) {
	t.Helper()
	m, _ = newPruneLab(t)
	here := m.snapshots(m.ss1, "tank/mail")
	common, first = here[len(here)-1], "nightshift_mail_2026-01-03T01:00:00Z"
	m.write("tank/mail", 20, 1)
	for _, name := range []string{first, "nightshift_mail_2026-01-03T02:00:00Z"} {
		m.root(m.ss1, "zfs", "snapshot", "tank/mail@"+name, "tank/log@"+name)
	}
	p = m.prunePlan()
	for _, s := range p.Steps {
		if s.ID == pruneMail {
			require.Contains(t, string(s.Params), first, "else the test shows nothing")
		}
	}
	return m, p, common, first
}

// Safety rule 7: another program has sent a point since the plan was made, which is the last common one now.
func TestTheLastCommonOneByThenIsNotDestroyed(t *testing.T) {
	m, p, common, first := newerLab(t)
	from, err := m.a.zfsOf("ss1")
	require.NoError(t, err)
	to, err := m.a.zfsOf("ss2")
	require.NoError(t, err)
	_, err = from.Relay(t.Context(), to, zfs.Transfer{Send: zfs.Send{Snapshot: "tank/mail@" + first, From: "tank/mail@" + common, Compressed: true, LargeBlocks: true},
		Receive: zfs.Receive{Dataset: "backup/ss1/mail", Set: zfs.ReplicaProps(true)}})
	require.NoError(t, err)
	out := m.must(p, "run-3", pruneMail)
	require.Contains(t, out.Note, "left: @"+first+" (the last common one)")
	require.Contains(t, m.snapshots(m.ss1, "tank/mail"), first)
}

// Safety rule 7: a stream was broken off since the plan was made, and nobody here knows of which point.
func TestWhatIsInFlightByThenIsNotDestroyed(t *testing.T) {
	m, _, _, first := newerLab(t)
	m.root(m.ss1, "zfs", "hold", "nightshift:mail", "tank/mail@"+first)
	p := m.prunePlan("release")
	m.write("tank/mail", 20, 8)
	q := m.limited()
	m.must(q, "run-9", "snapshot:mail")
	m.leaveHalf(q, "run-9", "send:tank/mail", "backup/ss1/mail")
	m.restart()
	require.Eventually(t, func() bool {
		return m.root(m.ss2, "zfs", "get", "-H", "-o", "value", "receive_resume_token", "backup/ss1/mail") != "-"
	}, time.Minute, 5*time.Millisecond)
	out := m.must(p, "run-3", "release:ss1:tank/mail:1")
	require.False(t, out.Acted)
	require.Contains(t, m.root(m.ss1, "zfs", "holds", "-H", "tank/mail@"+first), "nightshift:mail")
	m.root(m.ss1, "zfs", "release", "nightshift:mail", "tank/mail@"+first)
	out = m.must(p, "run-3", pruneMail)
	require.Contains(t, out.Note, "left: @"+first+" (in flight)")
	m.cycle("run-10")
	m.same("tank/mail", "backup/ss1/mail")
}

func TestPruneRefusesWhatIsNotAsPlanned(t *testing.T) {
	for name, c := range map[string]struct {
		step string
		bend func(m *mailLab, common string)
		kind string
		says string
	}{
		"the target has lost the last common one": {pruneMail, func(m *mailLab, common string) {
			m.root(m.ss2, "zfs", "release", "nightshift:mail", "backup/ss1/mail@"+common)
			m.root(m.ss2, "zfs", "destroy", "backup/ss1/mail@"+common)
		}, Precondition, "backup/ss1/mail on ss2 does not have the last snapshot any more"},
		"the source has lost it, and its bookmark": {pruneReplica, func(m *mailLab, common string) {
			m.root(m.ss1, "zfs", "release", "nightshift:mail", "tank/mail@"+common)
			m.root(m.ss1, "zfs", "destroy", "tank/mail@"+common)
			m.root(m.ss1, "zfs", "destroy", "tank/mail#"+common)
		}, Precondition, "tank/mail on ss1 does not have the last snapshot any more"},
		"the replica was set aside": {pruneMail, func(m *mailLab, _ string) {
			m.root(m.ss2, "zfs", "rename", "backup/ss1/mail", "backup/ss1/aside")
		}, Precondition, "backup/ss1/mail is not there any more on ss2"},
		"it was set aside itself, or its pool exported": {pruneReplica, func(m *mailLab, _ string) {
			m.root(m.ss2, "zfs", "rename", "backup/ss1/mail", "backup/ss1/aside")
		}, NotFound, "backup/ss1/mail is not there any more on ss2"},
		"another dataset has the name": {pruneMail, func(m *mailLab, _ string) {
			m.root(m.ss1, "zfs", "rename", "tank/mail", "tank/aside")
			m.root(m.ss1, "zfs", "rename", "tank/log", "tank/mail")
		}, "", ""},
		"no right": {pruneMail, func(m *mailLab, _ string) { m.root(m.ss1, "zfs", "unallow", "-u", "zfsadm", "destroy", "tank") }, Permission, "6 of 6 recovery points could not be destroyed: ss1: `zfs destroy"},
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := newPruneLab(t)
			p := m.prunePlan()
			here := m.snapshots(m.ss1, "tank/mail")
			c.bend(m, here[len(here)-1])
			before := m.root(m.ss1, "zfs", "list", "-H", "-t", "snapshot", "-o", "name") + m.root(m.ss2, "zfs", "list", "-H", "-t", "snapshot", "-o", "name")
			out, err := m.step(p, "run-3", c.step)
			if c.says == "" { // its snapshots are others, whatever they are called: none of the plan's is there
				require.NoError(t, err)
				require.False(t, out.Acted)
			} else {
				requireType(t, err, c.kind)
				require.ErrorContains(t, err, c.says)
			}
			require.Equal(t, before, m.root(m.ss1, "zfs", "list", "-H", "-t", "snapshot", "-o", "name")+m.root(m.ss2, "zfs", "list", "-H", "-t", "snapshot", "-o", "name"))
		})
	}
}

func TestAnotherDatasetOfTheNameIsNotPruned(t *testing.T) {
	m, old := newPruneLab(t)
	c := m.call(m.prunePlan(), "run-3", pruneMail)
	of := paramsOf[plan.PointsParams](t, c)
	of.GUID++
	c.Params = plan.Encode(of)
	_, err := attemptOf(t, m.a, plan.DestroyPoints, c, nil)
	requireType(t, err, Unsafe)
	require.Contains(t, m.snapshots(m.ss1, "tank/mail"), old[0])
}

func TestWhatDidNotArriveIsTriedAgain(t *testing.T) {
	m, _ := newPruneLab(t)
	p := m.prunePlan()
	r := m.listen("ss1")
	r.unsent = true
	_, err := m.step(p, "run-3", pruneMail)
	requireType(t, err, Transient)
	require.False(t, m.w.memos[len(m.w.memos)-1].Sent(), "the intent is struck out")
	r.unsent = false
	m.must(p, "run-3", pruneMail)
}

func TestAnotherSnapshotOfTheNameIsNotDestroyed(t *testing.T) {
	m, old := newPruneLab(t)
	p := m.prunePlan()
	m.root(m.ss1, "zfs", "destroy", "tank/mail@"+old[0])
	m.root(m.ss1, "zfs", "snapshot", "tank/mail@"+old[0])
	m.must(p, "run-3", pruneMail)
	require.Contains(t, m.snapshots(m.ss1, "tank/mail"), old[0])
	require.NotContains(t, m.snapshots(m.ss1, "tank/mail"), old[1])
}

// What ZFS refuses in the very moment does not stop the rest.
func TestOneRefusalDoesNotStopTheRest(t *testing.T) {
	m, old := newPruneLab(t)
	p := m.prunePlan()
	r := m.listen("ss1")
	r.before = func(argv []string) {
		if r.count("destroy") == 1 {
			m.root(m.ss1, "zfs", "hold", "theirs", "tank/mail@"+old[2])
		}
	}
	out := m.must(p, "run-3", pruneMail)
	require.Contains(t, out.Note, "left: @"+old[2]+" (held: 1)")
	require.Contains(t, m.snapshots(m.ss1, "tank/mail"), old[2])
	require.NotContains(t, m.snapshots(m.ss1, "tank/mail"), old[1])

	m, old = newPruneLab(t)
	p = m.prunePlan()
	r = m.listen("ss1")
	r.refuse = "tank/mail@" + old[3]
	_, err := m.step(p, "run-3", pruneMail)
	requireType(t, err, Precondition)
	require.ErrorContains(t, err, "1 of 6 recovery points could not be destroyed")
	require.ErrorContains(t, err, "dataset is busy")
	require.Contains(t, m.snapshots(m.ss1, "tank/mail"), old[3])
	require.NotContains(t, m.snapshots(m.ss1, "tank/mail"), old[1])
}

func TestPointsAreDestroyedOnceThoughTheAnswerIsLost(t *testing.T) {
	m, old := newPruneLab(t)
	p := m.prunePlan()
	memo := &plan.Memo{Phase: "destroy", Intent: "the destruction", At: time.Now().Add(-time.Hour)}
	out, err := attemptOf(t, m.a, plan.DestroyPoints, m.call(p, "run-3", pruneMail), memo)
	require.NoError(t, err)
	require.True(t, out.Unclear != nil && out.Unclear.NeverArrived, "it never arrived, and to send it is a new decision")
	require.Contains(t, m.snapshots(m.ss1, "tank/mail"), old[0], "an attempt with a memo only looks")

	r := m.listen("ss1")
	r.lose = true
	out = m.must(p, "run-3", pruneMail)
	require.True(t, out.Acted)
	require.Equal(t, 1, r.count("destroy"))
	require.NotContains(t, m.snapshots(m.ss1, "tank/mail"), old[0])
}

func TestDanglingHoldsAreReleased(t *testing.T) {
	m, old := newPruneLab(t)
	m.root(m.ss1, "zfs", "hold", "nightshift:mail", "tank/mail@"+old[0], "tank/mail@"+old[1])
	m.root(m.ss1, "zfs", "hold", "theirs", "tank/mail@"+old[1])
	p := m.prunePlan()
	require.Len(t, p.Warnings, 1)
	p = m.prunePlan("release")
	out := m.must(p, "run-3", "release:ss1:tank/mail:1")
	require.True(t, out.Acted)
	require.Contains(t, out.Evidence, "without our hold on 2 of 2 snapshots")
	out = m.must(p, "run-3", "release:ss1:tank/mail:1")
	require.False(t, out.Acted)
	require.Contains(t, m.root(m.ss1, "zfs", "holds", "-H", "tank/mail@"+old[1]), "theirs")
	m.must(p, "run-3", pruneMail)
	require.NotContains(t, m.snapshots(m.ss1, "tank/mail"), old[0])
	require.Contains(t, m.snapshots(m.ss1, "tank/mail"), old[1])
}

// A hold that is needed by then stays.
func TestTheHoldOfTheLastCommonOneIsNotReleased(t *testing.T) {
	m, _, common, first := newerLab(t)
	m.root(m.ss1, "zfs", "hold", "nightshift:mail", "tank/mail@"+first)
	p := m.prunePlan("release")
	from, err := m.a.zfsOf("ss1")
	require.NoError(t, err)
	to, err := m.a.zfsOf("ss2")
	require.NoError(t, err)
	_, err = from.Relay(t.Context(), to, zfs.Transfer{Send: zfs.Send{Snapshot: "tank/mail@" + first, From: "tank/mail@" + common, Compressed: true, LargeBlocks: true},
		Receive: zfs.Receive{Dataset: "backup/ss1/mail", Set: zfs.ReplicaProps(true)}})
	require.NoError(t, err)
	out := m.must(p, "run-3", "release:ss1:tank/mail:1")
	require.Contains(t, out.Note, "left: @"+first+" (the last common one)")
	require.Contains(t, m.root(m.ss1, "zfs", "holds", "-H", "tank/mail@"+first), "nightshift:mail")
}

// A listener stands between the activities and a storage host, and counts what changes something there.
type listener struct {
	zfs.Runner
	calls  []string
	before func(argv []string) // of what changes something
	refuse string              // a snapshot that is busy
	lose   bool                // the answers to what changes something
	unsent bool                // there is no connection for what changes something
}

func (m *mailLab) listen(host string) *listener {
	m.t.Helper()
	h, ok := m.lab.StorageHost(host)
	require.True(m.t, ok)
	r := &listener{Runner: zfs.OverSSH(m.a.storage.of(m.a, h))}
	m.a.storage.runner = func(name string) zfs.Runner {
		if name == host {
			return r
		}
		h, _ := m.lab.StorageHost(name)
		return zfs.OverSSH(m.a.storage.of(m.a, h))
	}
	return r
}

func (r *listener) count(verb string) (n int) {
	for _, c := range r.calls {
		if strings.Contains(c, "zfs "+verb+" ") {
			n++
		}
	}
	return n
}

func (r *listener) Run(ctx context.Context, argv []string, s zfs.Streams) (zfs.Exit, error) {
	line := strings.Join(argv, " ")
	if !slices.ContainsFunc([]string{"destroy", "release", "set", "inherit"}, func(verb string) bool { return strings.Contains(line, "zfs "+verb+" ") }) {
		return r.Runner.Run(ctx, argv, s)
	}
	r.calls = append(r.calls, line)
	if r.before != nil {
		r.before(argv)
	}
	if r.unsent {
		return zfs.Exit{}, fault.As(sshexec.ErrNotSent, fault.As(fault.Unreachable, errors.New("no route")))
	}
	dataset, short, _ := strings.Cut(r.refuse, "@")
	if r.refuse != "" && strings.Contains(line, dataset+"@") && strings.Contains(line, short) {
		_, err := fmt.Fprintf(s.Stderr, "cannot destroy snapshot %s: dataset is busy\n", r.refuse)
		return zfs.Exit{Status: 1}, err
	}
	exit, err := r.Runner.Run(ctx, argv, s)
	if err == nil && r.lose {
		return zfs.Exit{}, fault.As(fault.Unreachable, errors.New("connection reset"))
	}
	return exit, err
}
