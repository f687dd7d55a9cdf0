package activities

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/replica"
	"nightshift/internal/simlab/storage"
)

const (
	markMail   = "mark-group:mail"
	unmarkMail = "unmark-group:mail"
	bob        = "laptop:/home/bob/nightshift"
)

func TestAGroupIsMarkedAndUnmarked(t *testing.T) {
	m := newMailLab(t)
	m.root(m.ss2, "zfs", "set", "nightshift:mark.mail=of a group elsewhere", "backup")
	m.root(m.ss2, "zfs", "set", "nightshift:mark.web="+bob, "backup/ss1")
	p := m.plan()
	require.Empty(t, p.Blockers, "what is inherited is no mark, and another group's is not ours")
	out := m.must(p, "run-1", markMail)
	require.True(t, out.Acted)
	now := m.markNow()
	require.True(t, now.Of("me", "run-1"), now)
	require.WithinDuration(t, time.Now(), now.Since, time.Minute)
	require.False(t, m.must(p, "run-1", markMail).Acted, "its own, after a kill")

	require.Empty(t, m.plan().Blockers)
	m.must(p, "run-2", markMail)
	require.True(t, m.markNow().Of("me", "run-2"), "a run of ours that has ended without taking it off has left it")

	require.True(t, m.must(p, "run-2", unmarkMail).Acted)
	require.Contains(t, m.root(m.ss2, "zfs", "get", "-H", "-o", "source", "nightshift:mark.mail", "backup/ss1"), "inherited")
	require.False(t, m.must(p, "run-2", unmarkMail).Acted)
	require.Equal(t, bob, m.root(m.ss2, "zfs", "get", "-H", "-o", "value", "nightshift:mark.web", "backup/ss1"))
}

func TestTheMarkOfAnotherNightshiftRefusesTheRun(t *testing.T) {
	m := newMailLab(t)
	p := m.plan()
	m.mark(bob, "replicate-7")
	says := "nightshift " + m.markNow().String() + " works on group mail: two must not; if it is gone, take its mark off: zfs inherit nightshift:mark.mail backup/ss1 (on ss2)"
	require.Contains(t, says, bob+", with run replicate-7, since 20")
	_, err := m.step(p, "run-1", markMail)
	requireType(t, err, Precondition)
	require.ErrorContains(t, err, says)
	require.Contains(t, m.plan().Blockers[0].Text, "another nightshift works on it: "+bob+", with run replicate-7, since 20")
	m.must(p, "run-1", unmarkMail)
	require.Equal(t, bob, m.markNow().By, "the other's stays")

	// As the error says, and the run after it works.
	m.root(m.ss2, "zfs", "inherit", "nightshift:mark.mail", "backup/ss1")
	m.cycle("run-2")
	m.same("tank/mail", "backup/ss1/mail")
	require.Empty(t, m.markNow())
}

// Each step that changes something of the group looks for the mark before: the earlier one of two that set theirs has seen its own, and
// a person may have taken the group from a nightshift that was only slow.
func TestEachStepLooksForTheMark(t *testing.T) {
	steps := []string{"snapshot:mail", "send:tank/mail", "send:tank/log", "keep:mail", "record:mail"}
	for at, step := range steps {
		t.Run(step, func(t *testing.T) {
			m := newMailLab(t)
			p := m.plan()
			m.must(p, "run-1", steps[:at]...)
			m.refusedUnmarked(p, "run-1", step)
		})
	}
	t.Run("prune", func(t *testing.T) {
		m, old := newPruneLab(t)
		for _, name := range old[:2] {
			m.root(m.ss1, "zfs", "hold", "nightshift:mail", "tank/mail@"+name)
		}
		p := m.prunePlan("release")
		m.refusedUnmarked(p, "run-3", "release:ss1:tank/mail:1")
		m.must(p, "run-3", "release:ss1:tank/mail:1")
		m.refusedUnmarked(p, "run-3", pruneMail)
		m.refusedUnmarked(p, "run-3", pruneReplica)
	})
}

// refusedUnmarked does a step without its run's mark: nothing changes.
func (m *mailLab) refusedUnmarked(p plan.Plan, run, step string) {
	m.t.Helper()
	c := m.call(p, run, step) // it is marked
	for says, take := range map[string]func(){
		"nightshift " + bob + ", with run replicate-7, since 20": func() { m.mark(bob, "replicate-7") },
		"nightshift me, with run of-ours, since 20":              func() { m.mark("me", "of-ours") },
		"the mark that this run works on group mail is not on backup/ss1 any more: somebody took it off": func() {
			m.root(m.ss2, "zfs", "inherit", "nightshift:mark.mail", "backup/ss1")
		},
	} {
		take()
		before := m.all()
		_, err := attemptOf(m.t, m.a, action(p, step), c, nil)
		requireType(m.t, err, Precondition)
		require.ErrorContains(m.t, err, says)
		require.Equal(m.t, before, m.all(), says)
	}
	m.mark(m.a.instance, run)
}

// all is what there is on both sides, with what is held and recorded.
func (m *mailLab) all() (text string) {
	m.t.Helper()
	for _, h := range []*storage.Host{m.ss1, m.ss2} {
		text += m.root(h, "zfs", "list", "-H", "-t", "all", "-o", "name,userrefs,receive_resume_token,nightshift:identity")
	}
	return text
}

// What the mark is on is not there while its pool is not imported: nobody has taken anything off, and there is no reason to abort a run.
func TestAMarkThatCannotBeSeenWasNotTakenOff(t *testing.T) {
	m := newMailLab(t)
	p := m.plan()
	c := m.call(p, "run-1", "snapshot:mail")
	m.root(m.ss2, "zfs", "rename", "backup/ss1", "backup/aside")
	_, err := attemptOf(t, m.a, plan.SnapshotGroup, c, nil)
	requireType(t, err, NotFound)
	require.ErrorContains(t, err, "the mark that this run works on group mail cannot be read: ss2: `zfs get")
	require.ErrorContains(t, err, "dataset does not exist")
	m.root(m.ss2, "zfs", "rename", "backup/aside", "backup/ss1")
	m.must(p, "run-1", "snapshot:mail")
}

// Plans that were made by a nightshift that knew no marks are carried out.
func TestAnOlderPlanHasNoMark(t *testing.T) {
	m := newMailLab(t)
	m.mark(bob, "replicate-7")
	g := groupMark{a: m.a, run: "run-1", group: "mail", host: "ss2"}
	require.NoError(t, g.still(t.Context()))
}

// Two nightshifts that mark a group at the same moment have both seen that nobody did: one of them gives way.
func TestTwoWhoMarkAGroupAtTheSameMoment(t *testing.T) {
	m := newMailLab(t)
	p := m.plan()
	c := m.call(p, "run-1", markMail)
	for range 5 {
		twoMark(t, m.lab, plan.MarkGroup, func(string) plan.Call { return c }, func() string { return m.markNow().By }, ", with run run-1")
		m.root(m.ss2, "zfs", "inherit", "nightshift:mark.mail", "backup/ss1")
	}
}

func TestAMarkSurvivesLostAnswersAndKills(t *testing.T) {
	m := newMailLab(t)
	p := m.plan()
	l := m.listen("ss2")
	for _, s := range []struct{ step, verb, by string }{{markMail, "set", "me"}, {unmarkMail, "inherit", ""}} {
		c, do := m.call(p, "run-1", s.step), action(p, s.step)
		memo := &plan.Memo{Phase: "set", Intent: "set the mark on group mail", At: time.Now().Add(-time.Hour)}
		out, err := attemptOf(t, m.a, do, c, memo)
		require.NoError(t, err)
		require.True(t, out.Unclear != nil && out.Unclear.NeverArrived, "it was killed before the call was sent: to send it is a new decision")
		require.Zero(t, l.count(s.verb))

		l.unsent = true
		_, err = attemptOf(t, m.a, do, c, nil)
		requireType(t, err, Transient)
		require.False(t, m.w.memos[len(m.w.memos)-1].Sent(), "the intent is struck out")
		l.unsent = false

		l.lose = true
		n := l.count(s.verb)
		out, err = attemptOf(t, m.a, do, c, nil)
		require.NoError(t, err)
		require.Nil(t, out.Unclear)
		require.Equal(t, n+1, l.count(s.verb), "sent once")
		require.Equal(t, s.by, m.markNow().By)
		l.lose = false

		out, err = attemptOf(t, m.a, do, c, memo) // killed when it was sent
		require.NoError(t, err)
		require.Nil(t, out.Unclear)
		require.Equal(t, n+1, l.count(s.verb))
	}
}

// The streams of an aborted run go on for a while, as nobody attends them: not beyond its mark.
func TestNoStreamGoesOnWhenTheMarkIsTakenOff(t *testing.T) {
	m := newMailLab(t)
	p := m.limited()
	m.must(p, "run-1", "snapshot:mail")
	end := m.sending(p, "run-1", "send:tank/mail", "backup/ss1/mail")
	m.must(p, "run-1", unmarkMail)
	got := <-end
	requireType(t, got.err, Precondition)
	require.ErrorContains(t, got.err, "somebody took it off")
	require.Equal(t, replica.Mark{}, m.markNow())
	require.Eventually(t, func() bool { return len(m.ss1.Running())+len(m.ss2.Running()) == 0 }, time.Minute, 5*time.Millisecond)
}
