package telemetry

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"nightshift/internal/inventory"
	"nightshift/internal/ledger"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

func scrape(t *testing.T, tel *Telemetry) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+tel.Address()+"/metrics", nil)
	require.NoError(t, err)
	r, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer r.Body.Close()
	require.Equal(t, http.StatusOK, r.StatusCode)
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return string(b)
}

func start(t *testing.T) *Telemetry {
	t.Helper()
	tel, err := Start(t.Context(), Options{Listen: "127.0.0.1:0", Lab: "home", Version: "v1.2.3"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, tel.Close()) })
	return tel
}

func TestNothingWantedIsNothingStarted(t *testing.T) {
	tel, err := Start(t.Context(), Options{Lab: "home"})
	require.NoError(t, err)
	require.Nil(t, tel)
	var o client.Options
	tel.Client(&o)
	require.Nil(t, o.MetricsHandler)
	i, err := tel.Interceptors()
	require.NoError(t, err)
	require.Empty(t, i)
	tel.Watch(nil, "", &inventory.Lab{})
	require.NoError(t, tel.Close())
}

func TestBadOptionsSayWhatIsWrong(t *testing.T) {
	taken := start(t)
	_, err := Start(t.Context(), Options{Listen: taken.Address()})
	require.ErrorContains(t, err, "metrics cannot be served on "+taken.Address())
	for _, bad := range []string{"collector:4317", "ftp://collector", "nonsense"} {
		_, err = Start(t.Context(), Options{Traces: bad})
		require.ErrorContains(t, err, `nor a URL such as http://127.0.0.1:4318`, bad)
	}
}

// What runs tell has the labels that people ask for; what the SDK tells goes to Prometheus too.
func TestMetricsOfRuns(t *testing.T) {
	tel := start(t)
	var o client.Options
	tel.Client(&o)
	m := o.MetricsHandler.WithTags(map[string]string{"namespace": "default"}).WithTags(map[string]string{"lab": "home", "runbook": "power-down", "outcome": "done"})
	m.Counter(runapi.MetricRunEnded).Inc(2)
	m.Timer(runapi.MetricRunDuration).Record(90 * time.Second)
	o.MetricsHandler.WithTags(map[string]string{"lab": "home", "runbook": "power-down", "action": "ShutdownGuest", "state": "done"}).Timer(runapi.MetricStepDuration).Record(3 * time.Second)
	o.MetricsHandler.Counter("temporal_request").Inc(1)
	text := scrape(t, tel)
	for _, line := range []string{
		`nightshift_build_info{version="v1.2.3"} 1`,
		`nightshift_run_ended_total{lab="home",outcome="done",runbook="power-down"} 2`,
		`nightshift_run_ended_total{lab="home",outcome="aborted",runbook="power-up"} 0`,
		`nightshift_run_duration_seconds_bucket{lab="home",outcome="done",runbook="power-down",le="300"} 1`,
		`nightshift_run_duration_seconds_bucket{lab="home",outcome="done",runbook="power-down",le="60"} 0`,
		`nightshift_step_duration_seconds_count{action="ShutdownGuest",lab="home",runbook="power-down",state="done"} 1`,
		"temporal_request 1",
	} {
		require.Contains(t, text, line)
	}
}

func TestCollector(t *testing.T) {
	since := time.Unix(1_700_000_000, 0)
	point := time.Now().Add(-150 * time.Minute).Truncate(time.Second)
	mail := ledger.Group{Measured: ledger.Measured{Group: "mail", At: since, Point: point, Every: plan.Duration(time.Hour), Free: 200 << 30, Full: since.Add(24 * time.Hour),
		Volumes: []ledger.Volume{{Dataset: "tank/mail", PerDay: 3 << 29, Noisy: true}, {Dataset: "tank/log"}, {Dataset: "tank/new", PerDay: -1}}}}
	empty := ledger.Group{Measured: ledger.Measured{Group: "web", At: since, Every: plan.Duration(24 * time.Hour)}}
	ahead := ledger.Group{Measured: ledger.Measured{Group: "db", At: since, Point: time.Now().Add(365 * 24 * time.Hour), Every: plan.Duration(time.Hour)}}
	renamed := mail
	renamed.Group = "files"
	lab := &inventory.Lab{File: inventory.File{ProtectionGroups: []inventory.ProtectionGroup{{Name: "mail", Every: plan.Duration(time.Hour)}, {Name: "web", Every: plan.Duration(24 * time.Hour)},
		{Name: "db", Every: plan.Duration(time.Hour)}, {Name: "new", Every: plan.Duration(2 * time.Hour)}}}}
	asked := 0
	c := &collector{ctx: t.Context(), lab: lab, read: func(context.Context) reading {
		asked++
		return reading{
			runs: []openRun{{id: "power-down-home-1", runbook: "power-down", phase: "executing", sheet: &runapi.Sheet{Phase: runapi.PhaseExecute,
				Total: 10, Done: 4, Blocked: 2, Skipped: 1, Deadline: since}}, {id: "x", runbook: "power-up", phase: "locking"}},
			ledger:    &ledger.State{Debts: []plan.Debt{{Since: since.Add(time.Hour)}, {Since: since}}, Hold: &ledger.Hold{Until: since}, Groups: []ledger.Group{mail, empty, ahead, renamed}},
			schedules: []schedule{{name: "nightly", runbook: "power-down", missed: 3, skipped: 1, next: since}},
		}
	}}
	r := prometheus.NewRegistry()
	r.MustRegister(c)
	text := gathered(t, r)
	for _, line := range []string{
		"nightshift_up 1", `nightshift_runs_open{phase="executing",runbook="power-down"} 1`, `nightshift_runs_open{phase="locking",runbook="power-up"} 1`,
		`nightshift_run_steps{run="power-down-home-1",runbook="power-down",state="blocked"} 2`,
		`nightshift_run_steps{run="power-down-home-1",runbook="power-down",state="todo"} 3`,
		`nightshift_run_waits_for_person{run="power-down-home-1",runbook="power-down"} 1`,
		"nightshift_debts 2", "nightshift_debt_oldest_timestamp_seconds 1.7e+09", "nightshift_hold_until_timestamp_seconds 1.7e+09",
		`nightshift_schedule_missed_total{runbook="power-down",schedule="nightly"} 3`,
		`nightshift_schedule_next_timestamp_seconds{runbook="power-down",schedule="nightly"} 1.7e+09`,
		`nightshift_replica_point_timestamp_seconds{group="mail"} ` + strconv.FormatFloat(float64(point.Unix()), 'g', -1, 64),
		`nightshift_replica_interval_seconds{group="mail"} 3600`, `nightshift_replica_interval_seconds{group="web"} 86400`,
		`nightshift_replica_interval_seconds{group="new"} 7200`,
		`nightshift_replica_space_free_bytes{group="mail"} 2.147483648e+11`, `nightshift_replica_space_free_bytes{group="web"} 0`,
		`nightshift_replica_space_full_timestamp_seconds{group="mail"} 1.7000864e+09`,
		`nightshift_replica_change_bytes_per_day{dataset="tank/mail",group="mail"} 1.610612736e+09`,
		`nightshift_replica_change_bytes_per_day{dataset="tank/log",group="mail"} 0`,
	} {
		require.Contains(t, text, line+"\n")
	}
	ratio := regexp.MustCompile(`(?m)^nightshift_replica_rpo_ratio\{group="mail"\} (\S+)$`).FindStringSubmatch(text)
	require.NotNil(t, ratio, text)
	age, err := strconv.ParseFloat(ratio[1], 64)
	require.NoError(t, err)
	require.InDelta(t, 2.5, age, 0.1)
	for _, unknown := range []string{"last_success", "tank/new", `point_timestamp_seconds{group="web"}`, `rpo_ratio{group="web"}`, `point_timestamp_seconds{group="db"}`, `rpo_ratio{group="db"}`, `full_timestamp_seconds{group="web"}`} {
		require.NotContains(t, text, unknown, "it is not known: 1970 would be an alert")
	}
	require.NotContains(t, text, `group="files"`, "the lab file has it no more: nobody will replicate it")
	require.Equal(t, 1, strings.Count(text, `group="new"`), "nothing was measured yet: NightshiftReplicaNever needs the interval")
	gathered(t, r)
	require.Equal(t, 1, asked, "two scrapes within seconds are one reading")
}

// A ledger that does not answer is told as such, and never as a lab without debts.
func TestWhatCannotBeReadIsNotTold(t *testing.T) {
	r := prometheus.NewRegistry()
	r.MustRegister(&collector{ctx: t.Context(), read: func(context.Context) reading { return reading{err: errors.New("no worker")} }})
	text := gathered(t, r)
	require.Contains(t, text, "nightshift_up 0")
	require.NotContains(t, text, "nightshift_debts")
}

func gathered(t *testing.T, r *prometheus.Registry) string {
	t.Helper()
	families, err := r.Gather()
	require.NoError(t, err)
	require.NotEmpty(t, families)
	tel := &Telemetry{registry: r}
	return tel.text(t)
}

// text is what a scrape of the registry answers.
func (t *Telemetry) text(tb testing.TB) string {
	tb.Helper()
	w := httptest.NewRecorder()
	t.handler().ServeHTTP(w, httptest.NewRequestWithContext(tb.Context(), http.MethodGet, "/metrics", nil))
	require.Equal(tb, http.StatusOK, w.Code)
	return w.Body.String()
}

// Traces go to a collector by OTLP over HTTP; the last ones when the worker stops.
func TestTraces(t *testing.T) {
	got := make(chan string, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got <- r.URL.Path + " " + string(b)
	}))
	t.Cleanup(srv.Close)
	tel, err := Start(t.Context(), Options{Traces: srv.URL, Lab: "home", Version: "v1"})
	require.NoError(t, err)
	i, err := tel.Interceptors()
	require.NoError(t, err)
	require.Len(t, i, 1)
	_, span := tel.traces.Tracer("test").Start(t.Context(), "a step of the test")
	span.End()
	require.NoError(t, tel.Close())
	body := <-got
	require.True(t, strings.HasPrefix(body, "/v1/traces "))
	require.Contains(t, body, "a step of the test")
	require.Contains(t, body, "nightshift.lab")
}

// A collector that is away neither fails nor holds up the end.
func TestTracesWithoutACollector(t *testing.T) {
	tel, err := Start(t.Context(), Options{Traces: "http://127.0.0.1:1"})
	require.NoError(t, err)
	_, span := tel.traces.Tracer("test").Start(t.Context(), "nobody hears of it")
	span.End()
	require.NoError(t, tel.Close())
}

// described are the metrics that are read when they are scraped, with their labels.
func described(t *testing.T) map[string]string {
	t.Helper()
	known := map[string]string{}
	desc := regexp.MustCompile(`fqName: "([a-z_]+)".*variableLabels: {([a-z_,]*)}`)
	descs := make(chan *prometheus.Desc, 100)
	(&collector{}).Describe(descs)
	close(descs)
	for d := range descs {
		m := desc.FindStringSubmatch(d.String())
		require.NotNil(t, m, d.String())
		known[m[1]] = m[2]
	}
	return known
}

// docs/monitoring.md has each metric by its name, and with its labels.
func TestMetricsAreDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/monitoring.md")
	require.NoError(t, err)
	documented := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|([a-z, ]*)\\|").FindAllStringSubmatch(string(b), -1) {
		begins := ""
		for name := range strings.SplitSeq(strings.ReplaceAll(m[1], "`", ""), ", ") {
			if rest, short := strings.CutPrefix(name, "…"); short { // of a row, what begins as the first does
				name = begins + rest
			}
			if words := strings.SplitN(name, "_", 3); len(words) == 3 {
				begins = words[0] + "_" + words[1]
			}
			documented[name] = strings.ReplaceAll(strings.TrimSpace(m[2]), " ", "")
		}
	}
	for name := range documented {
		if !strings.HasPrefix(name, "nightshift_") { // keys of logs
			delete(documented, name)
		}
	}
	known := described(t)
	known[runapi.MetricRunEnded+"_total"] = strings.Join(runLabels, ",")
	known[runapi.MetricRunDuration+"_seconds"] = strings.Join(runLabels, ",")
	known[runapi.MetricStepDuration+"_seconds"] = strings.Join(stepLabels, ",")
	require.Equal(t, known, documented)
}

// The alerts that come along ask for metrics that there are, with labels that they have.
func TestAlertsAskForMetricsThatThereAre(t *testing.T) {
	b, err := os.ReadFile("../../deploy/prometheus/alerts.yml")
	require.NoError(t, err)
	known := described(t)
	tel := start(t)
	for _, m := range regexp.MustCompile(`(?m)^([a-z_]+){(.*)} `).FindAllStringSubmatch(scrape(t, tel), -1) {
		known[m[1]] += "," + m[2]
	}
	exprs := regexp.MustCompile(`(?m)^ +expr: (.*)$`).FindAllStringSubmatch(string(b), -1)
	require.Len(t, exprs, strings.Count(string(b), "- alert: "), "each on a line")
	asked := 0
	for _, e := range exprs {
		for _, m := range regexp.MustCompile(`(nightshift_[a-z_]+)(?:{([a-z]+)[=!])?`).FindAllStringSubmatch(e[1], -1) {
			asked++
			require.Contains(t, known, m[1], e[1])
			require.Contains(t, known[m[1]], m[2], e[1])
		}
	}
	require.Greater(t, asked, 8)
}
