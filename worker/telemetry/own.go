package telemetry

import (
	"maps"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/client"

	"nightshift/internal/runapi"
	"nightshift/runbooks"
)

// own are the metrics that runs tell themselves, through the SDK, which leaves them out of replays. They are kept here and
// not passed on: so they have the labels that people ask for, and none of the SDK's.
type own struct {
	ended *prometheus.CounterVec
	took  map[string]*prometheus.HistogramVec
}

var (
	runLabels  = []string{"lab", "runbook", "outcome"}
	stepLabels = []string{"lab", "runbook", "action", "state"}
)

func newOwn(r prometheus.Registerer, lab string) *own {
	histogram := func(name, help string, labels []string, buckets ...float64) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name + "_seconds", Help: help, Buckets: buckets}, labels)
	}
	o := &own{
		ended: prometheus.NewCounterVec(prometheus.CounterOpts{Name: runapi.MetricRunEnded + "_total", Help: "Runs that ended, by outcome."}, runLabels),
		took: map[string]*prometheus.HistogramVec{
			runapi.MetricRunDuration:  histogram(runapi.MetricRunDuration, "How long runs took.", runLabels, 10, 60, 300, 600, 1200, 1800, 3600, 7200, 14400),
			runapi.MetricStepDuration: histogram(runapi.MetricStepDuration, "How long steps took, without their waits for people.", stepLabels, 1, 5, 10, 30, 60, 120, 300, 600, 1200, 3600),
		},
	}
	for _, rb := range runbooks.Catalog() { // a counter that appears with its first run would hide that run from increase()
		for _, outcome := range runapi.Outcomes() {
			o.ended.WithLabelValues(lab, rb.Name, outcome)
		}
	}
	r.MustRegister(o.ended, o.took[runapi.MetricRunDuration], o.took[runapi.MetricStepDuration])
	return o
}

// handler keeps own metrics and hands all others on.
type handler struct {
	client.MetricsHandler
	own  *own
	tags map[string]string
}

func (h handler) WithTags(tags map[string]string) client.MetricsHandler {
	all := maps.Clone(h.tags)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, tags)
	return handler{h.MetricsHandler.WithTags(tags), h.own, all}
}

func (h handler) Counter(name string) client.MetricsCounter {
	if name != runapi.MetricRunEnded {
		return h.MetricsHandler.Counter(name)
	}
	return counts{h.own.ended.With(h.labels(runLabels))}
}

func (h handler) Timer(name string) client.MetricsTimer {
	vec, ours := h.own.took[name]
	if !ours {
		return h.MetricsHandler.Timer(name)
	}
	labels := runLabels
	if strings.HasPrefix(name, runapi.MetricStepDuration) {
		labels = stepLabels
	}
	return times{vec.With(h.labels(labels))}
}

func (h handler) labels(names []string) prometheus.Labels {
	l := prometheus.Labels{}
	for _, n := range names {
		l[n] = h.tags[n]
	}
	return l
}

type counts struct{ to prometheus.Counter }

func (c counts) Inc(n int64) { c.to.Add(float64(n)) }

type times struct{ to prometheus.Observer }

func (t times) Record(d time.Duration) { t.to.Observe(d.Seconds()) }
