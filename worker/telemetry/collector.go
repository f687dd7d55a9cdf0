package telemetry

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"nightshift/activities"
	"nightshift/internal/inventory"
	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/replica"
	"nightshift/internal/runapi"
)

// A reading is what the lab's runs, ledger and schedules say at one moment.
type reading struct {
	err       error // of what could not be read; the rest is there
	runs      []openRun
	ledger    *ledger.State // nil: it does not answer
	schedules []schedule
}

// An openRun is one that is under way. Without an answer from it only its phase is known.
type openRun struct {
	id, runbook, phase string
	sheet              *runapi.Sheet
}

// A schedule, as the server tells it.
type schedule struct {
	name, runbook   string
	paused          bool
	next            time.Time
	success         time.Time // when its last run that was done ended; zero: none that is kept
	missed, skipped int
}

// fresh is how long a reading is served again: several who scrape must not ask for each.
const fresh = 5 * time.Second

// collector reads when it is scraped.
type collector struct {
	ctx  context.Context // of the worker: Prometheus gives none
	read func(context.Context) reading
	lab  *inventory.Lab

	mu   sync.Mutex
	last reading
	at   time.Time
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("nightshift_"+name, help, labels, nil)
}

var (
	upDesc       = desc("up", "1 where everything below could be read, else 0.")
	runsDesc     = desc("runs_open", "Runs under way.", "runbook", "phase")
	stepsDesc    = desc("run_steps", "Steps of a run under way, by state.", "run", "runbook", "state")
	personDesc   = desc("run_waits_for_person", "1 where nothing of the run goes on without a person, else 0.", "run", "runbook")
	deadlineDesc = desc("run_deadline_timestamp_seconds", "When a run under way ends by itself if nobody answers.", "run", "runbook")
	debtsDesc    = desc("debts", "Settings that were switched off and are not switched on again.")
	oldestDesc   = desc("debt_oldest_timestamp_seconds", "Since when the oldest of them is owed.")
	locksDesc    = desc("locks", "Locks that runs hold.")
	memoryDesc   = desc("remembered_guests", "Guests that ran before a power-down and were not brought back yet.")
	holdDesc     = desc("hold_until_timestamp_seconds", "Until when scheduled runs are skipped.")
	pointDesc    = desc("replica_point_timestamp_seconds", "The moment of the newest recovery point that the other side has whole.", "group")
	everyDesc    = desc("replica_interval_seconds", "How often the group is to be replicated.", "group")
	ratioDesc    = desc("replica_rpo_ratio", "The age of that recovery point, in intervals: more than 2 is late, 3 critical.", "group")
	freeDesc     = desc("replica_space_free_bytes", "What was left where the replicas lie, after the last replication.", "group")
	fullDesc     = desc("replica_space_full_timestamp_seconds", "When nothing of it will be left, if all goes on as it did.", "group")
	changeDesc   = desc("replica_change_bytes_per_day", "What is written to a dataset in a day.", "group", "dataset")
	pausedDesc   = desc("schedule_paused", "1 where the schedule is paused, else 0.", "schedule", "runbook")
	nextDesc     = desc("schedule_next_timestamp_seconds", "When the schedule starts its next run.", "schedule", "runbook")
	successDesc  = desc("schedule_last_success_timestamp_seconds", "When the last run of the schedule ended as done.", "schedule", "runbook")
	missedDesc   = desc("schedule_missed_total", "Runs that could not be started in time.", "schedule", "runbook")
	skippedDesc  = desc("schedule_skipped_total", "Runs that were not started, as the one before was under way.", "schedule", "runbook")
)

func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{upDesc, runsDesc, stepsDesc, personDesc, deadlineDesc, debtsDesc, oldestDesc, locksDesc, memoryDesc, holdDesc,
		pointDesc, everyDesc, ratioDesc, freeDesc, fullDesc, changeDesc,
		pausedDesc, nextDesc, successDesc, missedDesc, skippedDesc} {
		ch <- d
	}
}

func (c *collector) Collect(ch chan<- prometheus.Metric) {
	r := c.reading()
	gauge(ch, upDesc, one(r.err == nil))
	collectRuns(ch, r.runs)
	if r.ledger != nil {
		collectLedger(ch, *r.ledger)
		for _, g := range activities.GroupsOf(c.lab, *r.ledger) {
			collectGroup(ch, g, time.Now())
		}
	}
	for _, s := range r.schedules {
		gauge(ch, pausedDesc, one(s.paused), s.name, s.runbook)
		moment(ch, nextDesc, s.next, s.name, s.runbook)
		moment(ch, successDesc, s.success, s.name, s.runbook)
		counter(ch, missedDesc, s.missed, s.name, s.runbook)
		counter(ch, skippedDesc, s.skipped, s.name, s.runbook)
	}
}

func (c *collector) reading() reading {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at.IsZero() || time.Since(c.at) > fresh {
		ctx, cancel := context.WithTimeout(c.ctx, scrapeTimeout)
		defer cancel()
		c.last, c.at = c.read(ctx), time.Now()
	}
	return c.last
}

func collectRuns(ch chan<- prometheus.Metric, runs []openRun) {
	count := map[[2]string]int{}
	for _, r := range runs {
		count[[2]string{r.runbook, r.phase}]++
		if r.sheet == nil {
			continue
		}
		s := r.sheet
		for _, of := range []struct {
			state string
			n     int
		}{{"done", s.Done}, {"running", s.Running}, {"blocked", s.Blocked}, {"skipped", s.Skipped}, {"todo", s.Total - s.Done - s.Running - s.Blocked - s.Skipped - s.Untouched}} {
			gauge(ch, stepsDesc, float64(of.n), r.id, r.runbook, of.state)
		}
		gauge(ch, personDesc, one(s.Stuck()), r.id, r.runbook)
		moment(ch, deadlineDesc, s.Deadline, r.id, r.runbook)
	}
	for k, n := range count {
		gauge(ch, runsDesc, float64(n), k[0], k[1])
	}
}

func collectLedger(ch chan<- prometheus.Metric, st ledger.State) {
	gauge(ch, debtsDesc, float64(len(st.Debts)))
	gauge(ch, locksDesc, float64(len(st.Locks)))
	gauge(ch, memoryDesc, float64(len(st.Memory)))
	moment(ch, oldestDesc, oldest(st.Debts))
	if st.Hold != nil {
		moment(ch, holdDesc, st.Hold.Until)
	}
}

func collectGroup(ch chan<- prometheus.Metric, g ledger.Group, now time.Time) {
	gauge(ch, everyDesc, time.Duration(g.Every).Seconds(), g.Group)
	if g.At.IsZero() { // nothing was measured: no space is left would be wrong
		return
	}
	if !replica.Future(g.Point, now) {
		moment(ch, pointDesc, g.Point, g.Group)
	}
	if lag := replica.LagOf(g.Point, time.Duration(g.Every), now); lag.Level != replica.Unknown {
		gauge(ch, ratioDesc, lag.Ratio, g.Group)
	}
	gauge(ch, freeDesc, float64(g.Free), g.Group)
	moment(ch, fullDesc, g.Full, g.Group)
	for _, v := range g.Volumes {
		if v.PerDay >= 0 {
			gauge(ch, changeDesc, float64(v.PerDay), g.Group, v.Dataset)
		}
	}
}

func oldest(debts []plan.Debt) (at time.Time) {
	for _, d := range debts {
		if at.IsZero() || d.Since.Before(at) {
			at = d.Since
		}
	}
	return at
}

func gauge(ch chan<- prometheus.Metric, d *prometheus.Desc, v float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}

func counter(ch chan<- prometheus.Metric, d *prometheus.Desc, v int, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
}

// moment tells a time; none is not told at all, as 1970 would be wrong.
func moment(ch chan<- prometheus.Metric, d *prometheus.Desc, at time.Time, labels ...string) {
	if !at.IsZero() {
		gauge(ch, d, float64(at.UnixMilli())/1000, labels...)
	}
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
