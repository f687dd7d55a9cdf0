package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/iscsi"
	"nightshift/internal/plan"
	"nightshift/internal/simlab/storage"
	"nightshift/internal/sshexec"
	"nightshift/internal/zfs"
)

func TestCyclesOfReplication(t *testing.T) {
	m := newMailLab(t)
	m.cycle("run-1")
	m.same("tank/mail", "backup/ss1/mail")
	m.same("tank/log", "backup/ss1/log")
	first := m.snapshots(m.ss1, "tank/mail")
	require.Len(t, first, 1)

	m.write("tank/mail", 20, 2)
	p := m.cycle("run-2")
	m.same("tank/mail", "backup/ss1/mail")
	m.same("tank/log", "backup/ss1/log")
	points := m.snapshots(m.ss1, "tank/mail")
	require.Len(t, points, 2)
	for host, dataset := range map[string]string{"ss1": "tank/mail", "ss2": "backup/ss1/mail"} {
		h := m.ss1
		if host == "ss2" {
			h = m.ss2
		}
		held := m.root(h, "zfs", "holds", "-H", dataset+"@"+points[0], dataset+"@"+points[1])
		require.Equal(t, 1, strings.Count(held, "nightshift:mail"), "on %s only the new point is held: %s", host, held)
		require.Contains(t, held, points[1])
	}
	require.Equal(t, "tank/mail#"+points[1], m.root(m.ss1, "zfs", "list", "-H", "-t", "bookmark", "-d", "1", "-o", "name", "tank/mail"), "the bookmark has moved")
	require.Equal(t, "on", m.root(m.ss2, "zfs", "get", "-H", "-o", "value", "readonly", "backup/ss1/mail"))
	require.Equal(t, "none", m.root(m.ss2, "zfs", "get", "-H", "-o", "value", "volmode", "backup/ss1/mail"))

	g, ok := m.w.book.Group("mail")
	require.True(t, ok)
	require.Equal(t, "run-2", g.Run)
	require.Len(t, g.Samples, 2)
	require.WithinDuration(t, time.Now(), g.Point, time.Minute)

	// Every step again finds that all is done.
	before := m.snapshots(m.ss2, "backup/ss1/mail")
	for _, s := range p.Steps[1 : len(p.Steps)-1] {
		out, err := m.step(p, "run-2", s.ID)
		require.NoError(t, err, s.ID)
		require.False(t, out.Acted, s.ID)
	}
	require.Equal(t, before, m.snapshots(m.ss2, "backup/ss1/mail"))
	require.Equal(t, points, m.snapshots(m.ss1, "tank/mail"))
}

func TestTheSnapshotsOfAGroupFitIntoOneCommand(t *testing.T) {
	require.LessOrEqual(t, inventory.MostDatasets, zfs.PerCommand)
}

func TestOneSnapshotIsTakenThoughItsAnswerIsLost(t *testing.T) {
	m := newMailLab(t)
	p := m.plan()
	c := m.call(p, "run-1", "snapshot:mail")
	memo := &plan.Memo{Phase: "snapshot", Intent: "the snapshot of protection group mail", At: time.Now().Add(-time.Hour)}
	out, err := attemptOf(t, m.a, plan.SnapshotGroup, c, memo)
	require.NoError(t, err)
	require.NotNil(t, out.Unclear)
	require.True(t, out.Unclear.NeverArrived)
	require.Empty(t, m.snapshots(m.ss1, "tank/mail"), "an attempt with a memo only looks")

	// The snapshot was taken, and its hold was not set.
	m.root(m.ss1, "zfs", "snapshot", "-o", "nightshift:run=run-1", "tank/mail@nightshift_mail_2026-11-20T10:00:00Z", "tank/log@nightshift_mail_2026-11-20T10:00:00Z")
	out, err = attemptOf(t, m.a, plan.SnapshotGroup, c, memo)
	require.NoError(t, err)
	require.True(t, out.Unclear != nil && out.Unclear.NeverArrived)
	c.Decision = 1
	out, err = attemptOf(t, m.a, plan.SnapshotGroup, c, nil)
	require.NoError(t, err)
	require.Nil(t, out.Unclear)
	require.Equal(t, []string{"nightshift_mail_2026-11-20T10:00:00Z"}, m.snapshots(m.ss1, "tank/mail"))
	require.Contains(t, m.root(m.ss1, "zfs", "holds", "-H", "tank/log@nightshift_mail_2026-11-20T10:00:00Z"), "nightshift:mail")
}

// limited is a plan whose streams are slow enough to be disturbed.
func (m *mailLab) limited() plan.Plan { return m.limitedTo(128 << 10) }

// limitedTo is a plan whose streams have so many bytes a second, of the lab's time, which is fast.
func (m *mailLab) limitedTo(limit int64) plan.Plan {
	p := m.plan()
	for i, s := range p.Steps {
		if s.Action == plan.SendDataset {
			var sp plan.SendParams
			require.NoError(m.t, json.Unmarshal(s.Params, &sp))
			sp.Limit = limit
			p.Steps[i].Params = plan.Encode(sp)
		}
	}
	return p
}

type ended struct {
	out plan.Outcome
	err error
}

// sending does a step in the background, and waits until something of it has arrived.
func (m *mailLab) sending(p plan.Plan, run, step, replica string) <-chan ended {
	m.t.Helper()
	end := make(chan ended, 1)
	c := m.call(p, run, step)
	a := m.a
	go func() {
		out, err := attemptOf(m.t, a, plan.SendDataset, c, nil)
		end <- ended{out, err}
	}()
	require.Eventually(m.t, func() bool {
		a.streams.mu.Lock()
		t := a.streams.by["ss2:"+replica]
		a.streams.mu.Unlock()
		if t == nil {
			return false
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		n := len(t.samples)
		return n > 0 && t.samples[n-1].bytes > 2<<20
	}, time.Minute, 5*time.Millisecond)
	return end
}

// leaveHalf is a process that ends when a part of its stream has arrived.
func (m *mailLab) leaveHalf(p plan.Plan, run, step, replica string) {
	m.t.Helper()
	end := m.sending(p, run, step, replica)
	m.a.Close()
	<-end
	require.Eventually(m.t, func() bool { return len(m.ss1.Running()) == 0 }, time.Minute, 5*time.Millisecond)
}

func TestABrokenStreamGoesOnWhereItWas(t *testing.T) {
	for name, disturb := range map[string]func(m *mailLab){
		"the sender is killed":   func(m *mailLab) { require.NoError(m.t, m.ss1.Kill(m.t.Context(), "send", "tank")) },
		"the receiver is killed": func(m *mailLab) { require.NoError(m.t, m.ss2.Kill(m.t.Context(), "receive", "backup")) },
		"the target crashes":     func(m *mailLab) { m.ss2.Crash() },
	} {
		t.Run(name, func(t *testing.T) {
			m := newMailLab(t)
			p := m.limited()
			m.must(p, "run-1", "snapshot:mail")
			end := m.sending(p, "run-1", "send:tank/mail", "backup/ss1/mail")
			disturb(m)
			got := <-end
			require.NoError(t, got.err)
			require.Nil(t, got.out.Unclear)
			require.Contains(t, got.out.Note, "was broken off")
			require.Contains(t, got.out.Note, "went on with a stream of which")
			m.same("tank/mail", "backup/ss1/mail")
		})
	}
}

// Neither the end of a stream nor that of the pause after a break waits for the next look.
func TestTheEndOfAStreamIsLookedAtAtOnce(t *testing.T) {
	m := newMailLab(t)
	m.a.pace = pace{time.Hour, time.Hour}
	p := m.limited()
	m.must(p, "run-1", "snapshot:mail")
	end := m.sending(p, "run-1", "send:tank/mail", "backup/ss1/mail")
	require.NoError(t, m.ss1.Kill(t.Context(), "send", "tank"))
	select {
	case got := <-end:
		require.NoError(t, got.err)
		require.Contains(t, got.out.Note, "was broken off")
	case <-time.After(time.Minute):
		require.Fail(t, "it still waits")
	}
	m.same("tank/mail", "backup/ss1/mail")
}

// What an earlier run left may be far more than this run has to send.
func TestAStreamThatGetsOnIsNotMeasuredByTheOneBefore(t *testing.T) {
	m := newMailLab(t)
	p := m.limited()
	m.must(p, "run-1", "snapshot:mail")
	c := m.call(p, "run-1", "send:tank/mail")
	s, err := m.a.sendStep(c, paramsOf[plan.SendParams](t, c))
	require.NoError(t, err)
	tr := m.a.streams.of("ss2:backup/ss1/mail", commandKey(c), s.try)
	tr.arrived(1 << 40) // of the one before
	end := m.sending(p, "run-1", "send:tank/mail", "backup/ss1/mail")
	require.NoError(t, m.ss1.Kill(t.Context(), "send", "tank"))
	got := <-end
	require.NoError(t, got.err)
	require.Contains(t, got.out.Note, "was broken off")
	require.Zero(t, tr.breaks, "it got on")
}

// Storage that comes up after nightshift does not answer the first attempt.
func TestASourceThatAnswersLateIsSentFrom(t *testing.T) {
	m := newMailLab(t)
	p := m.plan()
	m.must(p, "run-1", "snapshot:mail")
	l := m.listen("ss1")
	up := l.Runner
	l.Runner = storageScript(nil)
	_, err := m.step(p, "run-1", "send:tank/mail")
	requireType(t, err, Transient)
	l.Runner = up
	m.must(p, "run-1", "send:tank/mail")
	m.same("tank/mail", "backup/ss1/mail")
}

// A rebooter is a storage host that does not answer a number of commands.
type rebooter struct {
	zfs.Runner
	away atomic.Int64
}

func (r *rebooter) Run(ctx context.Context, argv []string, s zfs.Streams) (zfs.Exit, error) {
	if r.away.Add(-1) >= 0 {
		return zfs.Exit{}, fault.As(fault.Unreachable, errors.New("it boots"))
	}
	return r.Runner.Run(ctx, argv, s)
}

func TestASourceThatIsAwayInMidSendIsWaitedFor(t *testing.T) {
	m := newMailLab(t)
	m.a.streams.pause = time.Microsecond
	l := m.listen("ss1")
	r := &rebooter{Runner: l.Runner}
	l.Runner = r
	p := m.limited()
	m.must(p, "run-1", "snapshot:mail")
	end := m.sending(p, "run-1", "send:tank/mail", "backup/ss1/mail")
	r.away.Store(3 * mostBreaks)
	require.NoError(t, m.ss1.Kill(t.Context(), "send", "tank"))
	got := <-end
	require.NoError(t, got.err)
	require.Less(t, r.away.Load(), int64(0), "it was away for so many tries")
	require.Contains(t, got.out.Note, "waited for a host: ss1: it boots")
	require.Contains(t, got.out.Note, "went on with a stream of which")
	m.same("tank/mail", "backup/ss1/mail")
}

// A volume with a reservation needs room beside its snapshots: without it there is no recovery point of any.
func TestASnapshotForWhichThereIsNoRoom(t *testing.T) {
	m := newMailLab(t)
	m.root(m.ss1, "zfs", "set", "refreservation=64M", "tank/mail")
	m.root(m.ss1, "zfs", "create", "-o", "refreservation=1900M", "tank/ballast")
	p := m.plan()
	require.Len(t, p.Warnings, 1)
	require.Equal(t, "dataset tank/mail", p.Warnings[0].Subject)
	_, err := m.step(p, "run-1", "snapshot:mail")
	requireType(t, err, Precondition)
	require.ErrorContains(t, err, "out of space")
	require.Empty(t, m.snapshots(m.ss1, "tank/log"))
	m.root(m.ss1, "zfs", "destroy", "tank/ballast")
	require.Empty(t, m.plan().Warnings)
	m.must(p, "run-1", "snapshot:mail")
}

// A host that boots takes logins before it has imported its pools.
func TestASourceThatBootsWithoutItsPoolIsWaitedFor(t *testing.T) {
	m := newMailLab(t)
	m.a.streams.pause = time.Microsecond
	l := m.listen("ss1")
	r := &rebooter{Runner: l.Runner}
	l.Runner = r
	p := m.limited()
	m.must(p, "run-1", "snapshot:mail")
	end := m.sending(p, "run-1", "send:tank/mail", "backup/ss1/mail")
	r.away.Store(1 << 40)
	m.ss1.Crash()
	require.Eventually(t, func() bool {
		return m.ss1.Run(t.Context(), "root", []string{"zpool", "export", "tank"}, storage.Streams{}) == storage.Exit{}
	}, time.Minute, time.Millisecond)
	r.away.Store(0)
	m.a.streams.mu.Lock()
	send := m.a.streams.by["ss2:backup/ss1/mail"]
	m.a.streams.mu.Unlock()
	require.Eventually(t, func() bool {
		now := send.waiting()
		return now != nil && strings.HasSuffix(now.Waits, "its pool tank is not imported")
	}, time.Minute, time.Millisecond)
	m.root(m.ss1, "zpool", "import", "tank")
	got := <-end
	require.NoError(t, got.err)
	require.Contains(t, got.out.Note, "went on with a stream of which")
	m.same("tank/mail", "backup/ss1/mail")
}

// The worker is killed: its sender dies with it, and the receiver at the other end has not noticed.
func TestAnotherProcessGoesOnWithTheStream(t *testing.T) {
	m := newMailLab(t)
	p := m.limited()
	m.must(p, "run-1", "snapshot:mail")
	end := m.sending(p, "run-1", "send:tank/mail", "backup/ss1/mail")
	m.network.Cut()
	m.a.Close()
	<-end
	m.ss1.Crash()
	m.network.Restore()
	require.NotEmpty(t, m.ss2.Running(), "a receiver was left over")

	memo := m.w.memos[len(m.w.memos)-1]
	require.Equal(t, "send", memo.Phase)
	m.restart()
	out, err := attemptOf(t, m.a, plan.SendDataset, m.call(p, "run-1", "send:tank/mail"), &memo)
	require.NoError(t, err)
	require.Nil(t, out.Unclear)
	require.Contains(t, out.Note, "went on with a stream")
	m.same("tank/mail", "backup/ss1/mail")
}

func TestWhatAnEarlierRunLeftIsSentFirst(t *testing.T) {
	m := newMailLab(t)
	p := m.limited()
	m.must(p, "run-1", "snapshot:mail")
	m.leaveHalf(p, "run-1", "send:tank/mail", "backup/ss1/mail")

	m.restart()
	m.write("tank/mail", 20, 1)
	m.cycle("run-2")
	m.same("tank/mail", "backup/ss1/mail")
	require.Len(t, m.snapshots(m.ss2, "backup/ss1/mail"), 2, "the point of the run that was broken off, and that of this one")
}

func TestATokenOfNoUseIsThrownAway(t *testing.T) {
	m := newMailLab(t)
	p := m.limited()
	m.must(p, "run-1", "snapshot:mail")
	m.leaveHalf(p, "run-1", "send:tank/mail", "backup/ss1/mail")
	point := m.snapshots(m.ss1, "tank/mail")[0]
	m.root(m.ss1, "zfs", "release", "nightshift:mail", "tank/mail@"+point)
	m.root(m.ss1, "zfs", "destroy", "tank/mail@"+point)

	m.restart()
	p = m.plan()
	require.Empty(t, p.Blockers)
	m.must(p, "run-2", "snapshot:mail")
	out := m.must(p, "run-2", "send:tank/mail")
	require.Contains(t, out.Note, "thrown away")
	m.same("tank/mail", "backup/ss1/mail")
}

// The part of an increment whose base has gone from the source can never become whole.
func TestATokenWhoseBaseIsGoneIsThrownAway(t *testing.T) {
	m := newMailLab(t)
	m.cycle("run-1")
	base := m.snapshots(m.ss1, "tank/mail")[0]
	m.write("tank/mail", 8, 24)
	p := m.limited()
	m.must(p, "run-2", "snapshot:mail")
	m.leaveHalf(p, "run-2", "send:tank/mail", "backup/ss1/mail")
	m.root(m.ss1, "zfs", "release", "nightshift:mail", "tank/mail@"+base)
	m.root(m.ss1, "zfs", "destroy", "tank/mail@"+base)
	m.root(m.ss1, "zfs", "destroy", "tank/mail#"+base)

	m.restart()
	_, err := m.step(p, "run-2", "send:tank/mail")
	require.ErrorContains(t, err, "no snapshot")
	require.Equal(t, "-", m.token("backup/ss1/mail"))
	require.Equal(t, []string{base}, m.snapshots(m.ss2, "backup/ss1/mail"), "what it has whole stays")
}

func TestAReplicaThatWentItsOwnWayIsLeftAlone(t *testing.T) {
	m := newMailLab(t)
	p := m.cycle("run-1")
	m.write("tank/mail", 20, 1)
	m.must(p, "run-2", "snapshot:mail")
	m.root(m.ss2, "zfs", "set", "readonly=off", "backup/ss1/mail")
	m.root(m.ss2, "zfs", "set", "volmode=dev", "backup/ss1/mail")
	require.NoError(t, m.ss2.Write("backup/ss1/mail", 0, 1<<20))
	before := m.snapshots(m.ss2, "backup/ss1/mail")
	_, err := m.step(p, "run-2", "send:tank/mail")
	requireType(t, err, Precondition)
	require.ErrorContains(t, err, "was written to")
	require.ErrorContains(t, err, "The choices:")
	require.Equal(t, before, m.snapshots(m.ss2, "backup/ss1/mail"))
	_, err = m.step(p, "run-2", "verify:mail")
	requireType(t, err, Precondition)
	require.ErrorContains(t, err, "does not have the recovery point of this run")
	_, err = m.step(p, "run-2", "keep:mail")
	requireType(t, err, Precondition)
	held := m.root(m.ss1, "zfs", "holds", "-H", "tank/mail@"+m.snapshots(m.ss1, "tank/mail")[0])
	require.Contains(t, held, "nightshift:mail", "the last that both have stays held")
}

func TestAnotherDatasetOfTheNameIsNotSent(t *testing.T) {
	m := newMailLab(t)
	p := m.plan()
	m.root(m.ss1, "zfs", "destroy", "tank/mail")
	m.root(m.ss1, "zfs", "create", "-s", "-V", "64M", "tank/mail")
	_, err := m.step(p, "run-1", "snapshot:mail")
	requireType(t, err, Unsafe)
	require.Empty(t, m.snapshots(m.ss1, "tank/mail"))
	m.root(m.ss1, "zfs", "snapshot", "-o", "nightshift:run=run-1", "tank/mail@nightshift_mail_2026-11-20T10:00:00Z")
	_, err = m.step(p, "run-1", "send:tank/mail")
	requireType(t, err, Unsafe)
}

func TestAStreamThatNobodyAttendsEnds(t *testing.T) {
	m := newMailLab(t)
	m.a.streams.unattended = 60 * time.Millisecond
	p := m.limited()
	m.must(p, "run-1", "snapshot:mail")
	m.w.record = func() error { return nil }
	c := m.call(p, "run-1", "send:tank/mail")
	s, err := m.a.sendStep(c, paramsOf[plan.SendParams](t, c))
	require.NoError(t, err)
	tr := m.a.streams.of("ss2:backup/ss1/mail", "me", s.try)
	_, err = s.read(t.Context(), tr)
	require.NoError(t, err)
	tr.begin()
	<-tr.ended
	require.Error(t, tr.err)
	require.Eventually(t, func() bool { return len(m.ss1.Running()) == 0 }, time.Minute, 5*time.Millisecond)
}

func paramsOf[T any](t *testing.T, c plan.Call) T {
	t.Helper()
	p, err := params[T](c)
	require.NoError(t, err)
	return p
}

func TestThroughTheWorker(t *testing.T) {
	m := newMailLab(t)
	m.lab.ProtectionGroups[0].Send.Via = plan.ViaWorker
	m.network.Cut()
	m.cycle("run-1")
	m.same("tank/mail", "backup/ss1/mail")
}

// A host has no login to itself: what stays on one goes through the worker, whatever the group says.
func TestFromOnePoolOfAHostToAnother(t *testing.T) {
	m := newMailLab(t)
	m.ss1.AddPool("backup", 2<<30)
	m.root(m.ss1, "zfs", "create", "-o", "mountpoint=none", "backup/ss1")
	for _, p := range []string{"bookmark,destroy,hold,mount,release,send,snapshot,userprop", "canmount,create,readonly,receive,volmode"} {
		m.root(m.ss1, "zfs", "allow", "-u", "zfsadm", p, "backup")
	}
	m.lab.ProtectionGroups[0].Target.Host = "ss1"
	m.ss2 = m.ss1
	for _, run := range []string{"run-1", "run-2"} {
		m.cycle(run)
		m.same("tank/mail", "backup/ss1/mail")
		m.same("tank/log", "backup/ss1/log")
		m.write("tank/mail", 20, 2)
	}
}

// A machine runs ten commands at a time in one connection. Streams of many groups, of hours each, leave places for the looks of all.
func TestStreamsLeavePlacesForCommands(t *testing.T) {
	m := newMailLab(t)
	p := m.limitedTo(16 << 10)
	m.must(p, "run-1", "snapshot:mail")
	h, ok := m.lab.StorageHost("ss1")
	require.True(t, ok)
	for i := range 9 { // as streams of other groups
		in, w := io.Pipe()
		t.Cleanup(func() { _ = w.Close() })
		_, err := m.a.storage.of(m.a, h).StartWith(t.Context(), []string{"zfs", "receive", "-s", "-u", fmt.Sprint("tank/", i)}, sshexec.Streams{Stdin: in})
		require.NoError(t, err)
	}
	end := m.sending(p, "run-1", "send:tank/mail", "backup/ss1/mail")
	from, err := m.a.zfsOf("ss1")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err = from.GUIDs(ctx, "tank/mail@x")
	require.NoError(t, err)
	m.a.Close()
	<-end
}

// ZFS receives into a volume that initiators have open, and says nothing: the guard does.
func TestNothingIsReceivedUnderAnOpenLUN(t *testing.T) {
	m := newMailLab(t)
	m.cycle("run-1")
	require.NoError(t, m.ss2.AddTarget(t.TempDir(), "10.0.0.2:3260"))
	host := &m.lab.StorageHosts[1]
	host.Elevate, host.Target = inventory.ElevateSudo, &inventory.StorageTarget{Kind: inventory.TargetLIO}
	m.restart()
	const replica = "backup/ss1/mail"
	m.root(m.ss2, "zfs", "set", "volmode=dev", replica)
	m.root(m.ss2, "zfs", "set", "readonly=off", replica)
	h, err := m.a.lunHost("ss2")
	require.NoError(t, err)
	target, err := iscsi.OpenWith(*host, h.run)
	require.NoError(t, err)
	_, err = target.Publish(t.Context(), iscsi.Publication{Name: "mail", Device: "/dev/zvol/" + replica, Target: "iqn.2026-01.lab.storage:dr", Group: 1, Portals: []string{"10.0.0.2:3260"},
		Identity: iscsi.Identity{LUN: 3, NAA: mailNAA, Vendor: "SUN", Product: "COMSTAR"}, Grants: []iscsi.Grant{{Initiator: esxIQN}}})
	require.NoError(t, err)

	m.write("tank/mail", 20, 2)
	p := m.plan()
	_, err = m.step(p, "run-2", "snapshot:mail")
	require.NoError(t, err)
	before := m.snapshots(m.ss2, replica)
	_, err = m.step(p, "run-2", "send:tank/mail")
	requireType(t, err, Precondition)
	require.ErrorContains(t, err, "receive into "+replica+": the logical unit mail")
	require.ErrorContains(t, err, "unpublish first")
	require.Equal(t, before, m.snapshots(m.ss2, replica))
	require.Equal(t, "dev", m.root(m.ss2, "zfs", "get", "-H", "-o", "value", "volmode", replica))

	_, err = target.Unpublish(t.Context(), "mail", false)
	require.NoError(t, err)
	_, err = m.step(p, "run-2", "send:tank/mail")
	require.NoError(t, err)
	m.same("tank/mail", replica)
}

// What a group says of its streams may have changed since the plan was made, and the replica be one of the other kind.
func TestAStreamOfTheOtherKindIsNotSent(t *testing.T) {
	m := newMailLab(t)
	m.root(m.ss1, "zfs", "create", "-s", "-b", "256K", "-V", "64M", "tank/large")
	m.root(m.ss1, "zfs", "create", "-s", "-V", "64M", "-o", "encryption=on", "-o", "keyformat=passphrase", "-o", "keylocation=file:///etc/key", "tank/secret")
	m.write("tank/large", 0, 8)
	g := &m.lab.ProtectionGroups[0]
	g.Source.Datasets = []string{"tank/large", "tank/secret"}
	g.Send.Raw = true
	p := m.plan()
	require.Empty(t, p.Blockers)
	no := false
	g.Send.Raw, g.Send.LargeBlocks = false, &no
	m.cycle("run-1")
	m.write("tank/large", 8, 1)
	m.must(p, "run-2", "snapshot:mail")
	for volume, says := range map[string]string{"large": "ZFS would lose what it has", "secret": "a raw stream does not go onto it"} {
		_, err := m.step(p, "run-2", "send:tank/"+volume)
		requireType(t, err, Precondition)
		require.ErrorContains(t, err, says)
		require.ErrorContains(t, err, "The choices:")
		require.Len(t, m.snapshots(m.ss2, "backup/ss1/"+volume), 1)
	}
	m.cycle("run-3")
	m.same("tank/large", "backup/ss1/large")
	m.same("tank/secret", "backup/ss1/secret")
}

// A raw group needs no key on either side.
func TestARawGroupNeedsNoKey(t *testing.T) {
	m := newMailLab(t)
	m.root(m.ss1, "zfs", "create", "-s", "-V", "64M", "-o", "encryption=on", "-o", "keyformat=passphrase", "-o", "keylocation=file:///etc/key", "tank/secret")
	g := &m.lab.ProtectionGroups[0]
	g.Source.Datasets, g.Send.Raw = []string{"tank/secret"}, true
	for n, run := range []string{"run-1", "run-2"} {
		m.write("tank/secret", int64(n), 8)
		m.root(m.ss1, "zfs", "unload-key", "tank/secret")
		m.cycle(run)
		m.same("tank/secret", "backup/ss1/secret")
		m.root(m.ss1, "zfs", "load-key", "tank/secret")
	}
	require.Equal(t, "unavailable", m.root(m.ss2, "zfs", "get", "-Ho", "value", "keystatus", "backup/ss1/secret"))
	m.root(m.ss1, "zfs", "unload-key", "tank/secret")
	g.Send.Raw = false
	p := m.plan()
	require.Len(t, p.Blockers, 2)
	require.Contains(t, p.Blockers[0].Text, "its key is not loaded on ss1")
	require.Contains(t, p.Blockers[1].Text, "only a raw stream goes onto it")
}
