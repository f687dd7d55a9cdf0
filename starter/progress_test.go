package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/words"
)

func viewOf(steps string) view {
	return view{Run: runA, Link: "http://ui/x", Plan: littlePlan(), Sheet: sheet(steps), Now: midnight()}
}

func TestPlainProgressIsOneLinePerChange(t *testing.T) {
	var out bytes.Buffer
	p := newPlainProgress(&out)
	planning := viewOf("...")
	planning.Plan, planning.Sheet.Steps, planning.Sheet.Phase = nil, "", runapi.PhasePlan
	skipped := viewOf("dsr")
	skipped.Sheet.Notes["shutdown-guest:db01"] = "skipped by ann@desk: by hand"
	for _, v := range []view{planning, viewOf("rr."), viewOf("rr."), viewOf("db."), viewOf("db."), skipped, viewOf("dsd")} {
		p.Show(v)
	}
	golden(t, "progress.txt", out.String())
}

func TestLiveFrames(t *testing.T) {
	for name, v := range map[string]view{"running": viewOf("dr."), "blocked": viewOf("db."), "done": {Run: runA, Plan: littlePlan(), Sheet: ended(sheet("ddd"), runapi.Done, ""), Now: midnight()}} {
		golden(t, "frame-"+name+".txt", strings.Join(style{}.frame(v, 100, 24), "\n")+"\n")
	}
	golden(t, "frame-ascii.txt", strings.Join(style{ascii: true}.frame(viewOf("db."), 100, 24), "\n")+"\n")
}

// bigView is a run of 4,500 steps: 300 groups, some done, some running, some blocked, the rest to come.
func bigView() view {
	p := plan.Plan{Schema: plan.SchemaVersion, Title: "Power down lab big", Lab: "big", Limits: map[string]int{"vcenter": 100}}
	steps := make([]byte, 4500)
	s := runapi.Sheet{Lab: "big", Title: p.Title, Phase: runapi.PhaseExecute, Hash: "x", Started: midnight().Add(-time.Hour), Total: len(steps), Notes: map[string]string{}}
	for i := range steps {
		id := fmt.Sprintf("shutdown-guest:vm%04d", i)
		p.Steps = append(p.Steps, plan.Step{ID: id, Title: "Shut down guest " + id, Group: fmt.Sprintf("Host esx%03d", i%300),
			Estimate: plan.Duration(time.Minute), Holds: []string{"vcenter:vc1"}})
		letter, begun, finished := byte(runapi.Todo), int64(-1), int64(-1)
		switch {
		case i < 2000:
			letter, begun, finished, s.Done = runapi.StepDone, 0, 600, s.Done+1
		case i < 2100:
			letter, begun, s.Running = runapi.Running, 0, s.Running+1
		case i < 2140:
			letter, begun, s.Blocked = runapi.Blocked, 0, s.Blocked+1
			s.Notes[id] = "still up, and this is a very long story: " + strings.Repeat("no answer ", 30)
		}
		steps[i] = letter
		s.Begun, s.Finished = append(s.Begun, begun), append(s.Finished, finished)
	}
	s.Steps = string(steps)
	return view{Run: "power-down-big", Plan: &p, Sheet: s, Now: midnight()}
}

func TestLiveDisplayStaysWithinTheWindow(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 50}, {40, 10}, {200, 8}} {
		lines := style{}.frame(bigView(), size[0], size[1]-1)
		require.LessOrEqual(t, len(lines), size[1]-1, "%v", size)
		for _, l := range lines {
			require.Less(t, utf8.RuneCountInString(l), size[0], "%q", l)
		}
	}
	text := strings.Join(style{}.frame(bigView(), 120, 40), "\n")
	require.Contains(t, text, strings.TrimSpace(strings.Repeat("no answer ", 5)), "the reason is there to its end")
	require.Contains(t, text, "more blocked")
	require.Contains(t, text, "more running")
	require.Contains(t, text, "nightshift retry power-down-big shutdown-guest:vm2100")
	require.Contains(t, text, "2000 of 4500 done, 100 running, 40 blocked")
}

func TestLiveDisplayRedrawsInPlace(t *testing.T) {
	var out bytes.Buffer
	p := &liveProgress{out: &out, size: func() (int, int) { return 100, 24 }}
	p.Show(viewOf("rr."))
	first := strings.Count(out.String(), "\n")
	out.Reset()
	p.Show(viewOf("dr."))
	require.True(t, strings.HasPrefix(out.String(), fmt.Sprintf("\x1b[%dA", first)), "%q", out.String()[:20])
	require.NotContains(t, strings.ReplaceAll(out.String(), "\x1b[K", ""), "\x1b[3", "colours, though the style has none")
}

func TestTimeLeft(t *testing.T) {
	v := viewOf("dr.") // db01 began 50 s ago and takes a minute, then the host takes two
	left, ok := v.left()
	require.True(t, ok)
	require.Equal(t, 2*time.Minute+10*time.Second, left)

	v = viewOf("db.") // the host waits for what is blocked: there is nothing to wait for
	_, ok = v.left()
	require.False(t, ok)
}

func TestTimeLeftLearnsFromWhatStepsTook(t *testing.T) {
	v := bigView() // a minute each, as estimated: 2,360 to come and 100 that should have ended, 100 at a time
	left, ok := v.left()
	require.True(t, ok)
	require.Equal(t, 24*time.Minute, left)
	for i := range 2000 {
		v.Sheet.Finished[i] = 60 // a tenth of it
	}
	left, ok = v.left()
	require.True(t, ok)
	require.Equal(t, 144*time.Second, left)
}

// The time of a simulated lab goes by faster, also before a step has shown by how much.
func TestTimeLeftInASimulatedLab(t *testing.T) {
	v := viewOf("...")
	v.Speed = 10
	left, ok := v.left()
	require.True(t, ok)
	v.Speed = 0
	real, _ := v.left()
	require.Equal(t, real/10, left)
}

// Once a step runs on beyond its estimate no number is a guide.
func TestWhatARunWaitsForIsSaidInPlaceOfANumber(t *testing.T) {
	v := viewOf("dr.") // db01 began 50 s ago and takes a minute, then the host takes two
	require.Equal(t, "about 2m10s left", v.rest())
	began := words.Clock(v.since(1))
	v.Now = v.Now.Add(15 * time.Second)
	require.Equal(t, "about 2m00s left", v.rest(), "a few seconds are noise")
	v.Now = v.Now.Add(40 * time.Second)
	require.Equal(t, "waits since "+began+" for: Shut down guest db01", v.rest())
	v.Sheet.Progress = map[string]plan.Progress{v.Plan.Steps[1].ID: {Left: plan.Duration(30 * time.Second)}}
	require.Equal(t, "about 2m30s left", v.rest(), "a stream tells it")
	v.Sheet.Progress = nil
	v.outlook = &outlook{}
	require.Contains(t, strings.Join(style{}.frame(v, 120, 24), "\n"), ", waits since "+began+" for: Shut down guest db01")
	v.Sheet.Phase = runapi.PhaseVerify
	require.Empty(t, v.rest())
	require.Empty(t, viewOf("db.").rest())
}

// What was skipped is not done, and a host that waits for a guest whose shutdown was skipped says so.
func TestSkippedStepsAreNotCountedAsDone(t *testing.T) {
	v := viewOf("dsr")
	text := strings.Join(style{}.frame(v, 120, 24), "\n")
	require.Contains(t, text, "Guests                       1/2, 1 skipped")
	require.Contains(t, text, "Shut down host esx21  40s: waits for db01 to be off (skipped)")
	require.Equal(t, 10, strings.Count(text, "█"))
}

// After an amendment the parameters in the title are old, and the clock of the step runs from the new attempt.
func TestAnAmendedStepShowsItsNewParameters(t *testing.T) {
	v := viewOf("dr.")
	id := "shutdown-guest:db01"
	at := midnight().Add(-7 * time.Second)
	v.Sheet.Orders = []runapi.Record{{At: at, Verb: runapi.Retry, Order: runapi.Order{By: "ann", Steps: []string{id}, Params: map[string]any{"timeout": "15m", "onTimeout": "powerOff"}}}}
	v.Sheet.Decisions = []runapi.Decision{{At: at, Step: id, By: "ann"}}
	require.Contains(t, strings.Join(style{}.frame(v, 150, 24), "\n"), "then ask) (now onTimeout=powerOff, timeout=15m)  7s")
}

func TestTheReasonOfABlockIsWrappedAndSaysNothingTwice(t *testing.T) {
	v := viewOf("db.")
	v.Sheet.Notes["shutdown-guest:db01"] = "ShutdownGuest of guest db01: it was asked to shut down and is still on after 5m0s, and policy onTimeout is leave. " +
		"Next: bring it into the right state, then `nightshift retry` (or `nightshift skip`)"
	text := strings.Join(style{}.frame(v, 60, 24), "\n")
	require.NotContains(t, text, "ShutdownGuest of")
	require.NotContains(t, text, "(or `nightshift skip`)")
	require.Contains(t, strings.Join(strings.Fields(text), " "), "still on after 5m0s, and policy onTimeout is leave. Next: bring it into the right state nightshift retry")
	require.Contains(t, text, "blocked, waits for you")
	require.Contains(t, text, runA+" \\\n            shutdown-guest:db01 --force\n", "a command in two lines is still one command")
}

func TestTheLinkIsNeverCut(t *testing.T) {
	v := viewOf("dr.")
	v.Link = "http://127.0.0.1:8233/namespaces/default/workflows/" + strings.Repeat("long-", 12) + "run"
	var out bytes.Buffer
	p := &liveProgress{out: &out, size: func() (int, int) { return 40, 24 }}
	p.Show(v)
	require.Contains(t, out.String(), v.Link)
	require.Equal(t, strings.Count(out.String(), "\n")+len(v.Link)/40, p.drawn, "the rows that it takes are counted, to draw over them")
}
