package plan

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func step(id string, estimate time.Duration, needs ...string) Step {
	return Step{ID: id, Action: PowerOnGuest, Estimate: Duration(estimate), Timeout: Duration(time.Minute), Needs: needs}
}

func graph(t *testing.T, p Plan) *Graph {
	t.Helper()
	g, err := NewGraph(p)
	require.NoError(t, err)
	for i := range p.Steps {
		if g.Open(i) == 0 {
			g.Offer(i)
		}
	}
	return g
}

func TestCircleIsNamed(t *testing.T) {
	_, err := NewGraph(Plan{Steps: []Step{step("first", 0), step("a", 0, "first", "b"), step("b", 0, "c"), step("c", 0, "a"), step("last", 0, "a")}})
	require.EqualError(t, err, `the steps need each other in a circle: "a" needs "b" needs "c" needs "a"`)
}

func TestUnknownAndDoubleSteps(t *testing.T) {
	_, err := NewGraph(Plan{Steps: []Step{step("a", 0, "ghost")}})
	require.EqualError(t, err, `step "a" needs "ghost", which is not in the plan`)
	_, err = NewGraph(Plan{Steps: []Step{step("a", 0), step("a", 0)}})
	require.EqualError(t, err, `step "a" appears twice`)
}

func TestValidateTellsEverything(t *testing.T) {
	p := Plan{Schema: SchemaVersion, Limits: map[string]int{"vcenter": 0}, Steps: []Step{
		{ID: "a", Action: "Explode", Timeout: 1}, {ID: "b", Action: MarkLab}, {ID: "c", Action: MarkLab, Timeout: 1, OnFailure: "pray"},
		{ID: "d", Action: CheckGuest, Timeout: 1, Params: []byte(`{"tools":true,"prayer":1}`)}, {Title: "nameless", Action: MarkLab, Timeout: 1}}}
	err := p.Validate()
	for _, want := range []string{`unknown action "Explode"`, `step "b": no time-out`, `onFailure is "pray"`, `unknown field "prayer"`, `no id ("nameless")`, `limit "vcenter" is 0`} {
		require.ErrorContains(t, err, want)
	}
	require.ErrorContains(t, Plan{Schema: 99}.Validate(), "schema version 99")
	require.NoError(t, Plan{Schema: SchemaVersion}.Validate())
}

func TestLimitsHold(t *testing.T) {
	p := Plan{Limits: map[string]int{"vcenter": 2, "host:a": 1}}
	for _, id := range []string{"1", "2", "3"} {
		s := step(id, time.Second)
		s.Holds = []string{"vcenter:vc"}
		p.Steps = append(p.Steps, s)
	}
	g := graph(t, p)
	require.Equal(t, 0, g.Take())
	require.Equal(t, 1, g.Take())
	require.Equal(t, -1, g.Take())
	g.Release(0)
	require.Equal(t, 2, g.Take())
	require.Equal(t, 2*time.Second, p.Makespan())
}

// A step woken for a slot that it cannot use must pass it on.
func TestSlotIsPassedOn(t *testing.T) {
	p := Plan{Limits: map[string]int{"vc": 1, "host": 1}, Steps: []Step{
		{ID: "h", Holds: []string{"host:a"}, Estimate: 9}, {ID: "v", Holds: []string{"vc:1"}, Estimate: 8},
		{ID: "both", Holds: []string{"vc:1", "host:a"}, Estimate: 7}, {ID: "other", Holds: []string{"vc:1"}, Estimate: 1}}}
	for i := range p.Steps {
		p.Steps[i].Estimate *= Duration(time.Second)
	}
	g := graph(t, p)
	require.Equal(t, []int{0, 1, -1}, []int{g.Take(), g.Take(), g.Take()})
	g.Release(1)
	require.Equal(t, 3, g.Take())
	g.Release(0)
	g.Release(3)
	require.Equal(t, 2, g.Take())
}

func TestLongestPathStartsFirst(t *testing.T) {
	p := Plan{Steps: []Step{step("short", time.Second), step("long", time.Minute), step("end", time.Second, "long", "short")}}
	g := graph(t, p)
	require.Equal(t, 1, g.Take())
	ids, total := g.CriticalPath()
	require.Equal(t, []string{"long", "end"}, ids)
	require.Equal(t, 61*time.Second, total)
	require.Equal(t, 61*time.Second, p.Makespan())
}

func TestPackedPlanIsTheSame(t *testing.T) {
	p := Plan{Schema: SchemaVersion, Title: "t", Created: time.Unix(1, 0).UTC(), Steps: []Step{step("a", time.Second), step("b", 0, "a")}}
	b, err := p.Pack()
	require.NoError(t, err)
	q, err := Unpack(b)
	require.NoError(t, err)
	require.Equal(t, p, q)
	_, err = Unpack([]byte("no plan"))
	require.Error(t, err)
}

func TestHashIsOfWhatIsDone(t *testing.T) {
	p := Plan{Steps: []Step{step("a", time.Second)}}
	h := p.Hash()
	p.Created = time.Unix(9, 0)
	require.Equal(t, h, p.Hash(), "when it was made does not matter")
	p.Steps[0].Target.UUID = "another"
	require.NotEqual(t, h, p.Hash())
}

func TestAmendTakesTheWordOfTheLabFile(t *testing.T) {
	raw := Encode(ShutdownGuestParams{Method: ShutdownByTools, Timeout: Duration(time.Minute), OnTimeout: PowerOffGuest})
	got, err := Amend(ShutdownGuest, raw, map[string]any{"onTimeout": "ask"})
	require.NoError(t, err)
	require.Contains(t, string(got), `"onTimeout":"leave"`)
}

func TestAmendRefusesWhatMakesNoSense(t *testing.T) {
	raw := Encode(ShutdownGuestParams{Method: ShutdownByTools, Timeout: Duration(time.Minute), OnTimeout: LeaveGuest, NoTools: LeaveGuest})
	for name, change := range map[string]map[string]any{
		"time that is over": {"timeout": "-5s"}, "no time": {"timeout": "0s"}, "no duration": {"timeout": "soon"},
		"unknown way": {"method": "explode"}, "unknown policy": {"onTimeout": "explode"}, "of hosts": {"noTools": ForceOffBMC},
	} {
		_, err := Amend(ShutdownGuest, raw, change)
		require.Error(t, err, name)
	}
	_, err := Amend(ShutdownGuest, raw, map[string]any{"timeout": "2m", "onTimeout": PowerOffGuest})
	require.NoError(t, err)
	host := Encode(ShutdownHostParams{Host: "esx21", Via: ViaVCenter, Timeout: Duration(time.Minute)})
	_, err = Amend(ShutdownHost, host, map[string]any{"onTimeout": PowerOffGuest})
	require.ErrorContains(t, err, "allowed are ask, forceOff")
}
