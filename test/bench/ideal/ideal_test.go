package ideal

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
)

func step(id string, seconds int, hold string, needs ...string) plan.Step {
	s := plan.Step{ID: id, Estimate: plan.Duration(time.Duration(seconds) * time.Second), Needs: needs}
	if hold != "" {
		s.Holds = []string{hold}
	}
	return s
}

func asEstimated(s plan.Step) time.Duration { return time.Duration(s.Estimate) }

// Two chains, of which one is slow in its first half and the other in its second: a barrier makes each wait for the other.
func TestTheThreeWays(t *testing.T) {
	p := plan.Plan{Steps: []plan.Step{step("a1", 10, ""), step("b1", 100, ""), step("a2", 100, "", "a1"), step("b2", 10, "", "b1")}}
	span, err := Makespan(p, asEstimated)
	require.NoError(t, err)
	require.Equal(t, 110*time.Second, span)
	staged, stages, err := Stages(p, asEstimated)
	require.NoError(t, err)
	require.Equal(t, 2, stages)
	require.Equal(t, 200*time.Second, staged)
	require.Equal(t, 220*time.Second, OneByOne(p, asEstimated))
}

// The limits are held, and the step with the longest way to the end goes first.
func TestLimitsAndRank(t *testing.T) {
	p := plan.Plan{Limits: map[string]int{"vcenter": 2}, Steps: []plan.Step{
		step("short1", 10, "vcenter:a"), step("short2", 10, "vcenter:a"), step("long", 20, "vcenter:a"), step("last", 50, "", "long")}}
	span, err := Makespan(p, asEstimated)
	require.NoError(t, err)
	require.Equal(t, 70*time.Second, span)
	p.Limits["vcenter"] = 1
	span, err = Makespan(p, asEstimated)
	require.NoError(t, err)
	require.Equal(t, 70*time.Second, span, "the short ones fit beside the last")
	p.Steps = p.Steps[:3]
	span, err = Makespan(p, asEstimated)
	require.NoError(t, err)
	require.Equal(t, 40*time.Second, span)
}

func TestDelaysAreSpreadAndRepeatable(t *testing.T) {
	sum, n, shorter := 0.0, 4000, 0
	for i := range n {
		s := step(fmt.Sprintf("shutdown-guest:vm%04d", i), 60, "")
		d := Delay(s, 1)
		require.Equal(t, d, Delay(s, 1))
		require.GreaterOrEqual(t, d, 20*time.Second)
		require.LessOrEqual(t, d, 5*time.Minute)
		sum += math.Log(d.Seconds() / 60)
		if d < time.Minute {
			shorter++
		}
	}
	require.InDelta(t, 0, sum/float64(n), 0.05)
	require.InDelta(t, 0.5, float64(shorter)/float64(n), 0.05)
	require.NotEqual(t, Delay(step("a", 60, ""), 1), Delay(step("a", 60, ""), 2))
}

func TestACircleIsAnError(t *testing.T) {
	p := plan.Plan{Steps: []plan.Step{step("a", 1, "", "b"), step("b", 1, "", "a")}}
	_, err := Makespan(p, asEstimated)
	require.ErrorContains(t, err, "circle")
	_, _, err = Stages(p, asEstimated)
	require.ErrorContains(t, err, "circle")
}

func spans(seconds ...int) (list []Span) {
	for i := 0; i < len(seconds); i += 2 {
		list = append(list, Span{time.Duration(seconds[i]) * time.Second, time.Duration(seconds[i+1]) * time.Second})
	}
	return list
}

func TestJudge(t *testing.T) {
	p := plan.Plan{Limits: map[string]int{"vcenter": 2}, Steps: []plan.Step{
		step("a", 10, "vcenter:x"), step("b", 10, "vcenter:x"), step("c", 10, "vcenter:x"), step("d", 5, "", "a")}}
	for name, c := range map[string]struct {
		spans []Span
		want  Verdict
	}{
		"as it should be":        {spans(0, 10, 0, 20, 10, 20, 10, 15), Verdict{}},
		"one too many":           {spans(0, 10, 0, 20, 5, 20, 10, 15), Verdict{Over: []string{"vcenter:x: 3 of 2"}}},
		"before its need":        {spans(0, 10, 0, 20, 10, 20, 8, 15), Verdict{Early: []string{"d before the end of a"}}},
		"a slot lay idle":        {spans(0, 10, 0, 20, 14, 20, 10, 15), Verdict{Lag: 4 * time.Second, Lagged: "c"}},
		"a barrier":              {spans(0, 10, 0, 20, 10, 20, 20, 25), Verdict{Lag: 10 * time.Second, Lagged: "d"}},
		"waits for slots, twice": {spans(0, 10, 12, 30, 13, 20, 10, 15), Verdict{Lag: 13 * time.Second, Lagged: "c"}},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := Judge(p, c.spans, 0)
			require.NoError(t, err)
			require.Equal(t, c.want, v)
		})
	}
	v, err := Judge(p, spans(0, 10, 0, 20, 9, 20, 9, 15), time.Second)
	require.NoError(t, err)
	require.Equal(t, Verdict{}, v, "within what the clock is off")
}
