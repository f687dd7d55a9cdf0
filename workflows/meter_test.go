package workflows

import (
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// A meter keeps what is recorded of nightshift's own metrics, in their order.
type meter struct {
	client.MetricsHandler // of all others
	tags                  map[string]string
	to                    *readings
}

type readings struct {
	mu  sync.Mutex
	all []reading
}

// A reading is one of a counter, or of a timer.
type reading struct {
	name  string
	tags  map[string]string
	count int64
	took  time.Duration
}

func (m meter) WithTags(tags map[string]string) client.MetricsHandler {
	all := maps.Clone(m.tags)
	maps.Copy(all, tags)
	return meter{m.MetricsHandler, all, m.to}
}

func (m meter) add(r reading) {
	switch r.name {
	case runapi.MetricRunEnded, runapi.MetricRunDuration, runapi.MetricStepDuration:
	default:
		return
	}
	m.to.mu.Lock()
	defer m.to.mu.Unlock()
	r.tags = map[string]string{}
	for _, k := range []string{"lab", "runbook", "outcome", "action", "state"} {
		if v, ok := m.tags[k]; ok {
			r.tags[k] = v
		}
	}
	m.to.all = append(m.to.all, r)
}

func (m meter) Counter(name string) client.MetricsCounter {
	return counted(func(n int64) { m.add(reading{name: name, count: n}) })
}

func (m meter) Timer(name string) client.MetricsTimer {
	return timed(func(d time.Duration) { m.add(reading{name: name, took: d}) })
}

type counted func(int64)

func (f counted) Inc(n int64) { f(n) }

type timed func(time.Duration)

func (f timed) Record(d time.Duration) { f(d) }

// A run that ends counts itself and its steps, whose waits for people are no time of theirs.
func TestARunMetersItself(t *testing.T) {
	got := &readings{}
	m := meter{client.MetricsNopHandler, map[string]string{}, got}
	b := newBenchWith(t, func(s *testsuite.WorkflowTestSuite) { s.SetMetricsHandler(m) }, step("g1"), step("g2", "g1"), step("g3", "g2"))
	b.does["g1"] = failing(1, "still on")
	b.does["g2"] = failing(9, "still on")
	b.order(20*time.Minute, runapi.Retry, runapi.Order{By: "ann", Steps: []string{"g1"}}, "")
	b.order(60*time.Minute, runapi.Skip, runapi.Order{By: "ann", Reason: "off by hand", Steps: []string{"g2"}}, "")
	b.run(runapi.Params{Approved: true})
	s := b.sheet()

	run := func(more ...string) map[string]string {
		tags := map[string]string{"lab": "home", "runbook": "power-down"}
		for i := 0; i < len(more); i += 2 {
			tags[more[i]] = more[i+1]
		}
		return tags
	}
	var ended, steps []reading
	for _, r := range got.all {
		if r.name == runapi.MetricStepDuration {
			require.Less(t, r.took, 10*time.Minute, "that it waited for ann is no time of its own: %+v", r)
			r.took = 0
			steps = append(steps, r)
			continue
		}
		ended = append(ended, r)
	}
	of := func(state string) reading {
		return reading{name: runapi.MetricStepDuration, tags: run("action", string(plan.PowerOnGuest), "state", state)}
	}
	require.Equal(t, []reading{of("done"), of("skipped"), of("done")}, steps)
	require.Equal(t, []reading{
		{name: runapi.MetricRunEnded, tags: run("outcome", s.Outcome), count: 1},
		{name: runapi.MetricRunDuration, tags: run("outcome", s.Outcome), took: s.Ended.Sub(s.Started)},
	}, ended)
	require.GreaterOrEqual(t, s.Ended.Sub(s.Started), 60*time.Minute)
}
