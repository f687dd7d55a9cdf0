//go:build e2e

package e2e

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"nightshift/internal/inventory"
	"nightshift/internal/report"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
)

// A collector takes traces by OTLP over HTTP, as OpenTelemetry's own does.
type collector struct {
	*httptest.Server
	mu    sync.Mutex
	spans map[string][]*tracepb.Span // by the id of their trace
	wrong []string
}

func newCollector(t *testing.T) *collector {
	c := &collector{spans: map[string][]*tracepb.Span{}}
	c.Server = httptest.NewServer(c)
	t.Cleanup(c.Close)
	return c
}

// ServeHTTP implements http.Handler. TracesData is, byte for byte, what an export request is.
func (c *collector) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, err := io.ReadAll(r.Body)
	var data tracepb.TracesData
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || proto.Unmarshal(b, &data) != nil {
		c.wrong = append(c.wrong, r.Method+" "+r.URL.Path)
		return
	}
	for _, resource := range data.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				id := hex.EncodeToString(s.GetTraceId())
				c.spans[id] = append(c.spans[id], s)
			}
		}
	}
}

// trace is how often spans of each name are in the trace of a run, and its id: the largest that has a span of this name, as an ended
// run that a report asks for its plan is replayed, which is one more span of it alone.
func (c *collector) trace(of string) (id string, names map[string]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for trace, spans := range c.spans {
		found := map[string]int{}
		for _, s := range spans {
			found[s.GetName()]++
		}
		if found[of] > 0 && (id == "" || len(spans) > len(c.spans[id])) {
			id, names = trace, found
		}
	}
	return id, names
}

// scrape reads what Prometheus would: the value of each series, by its name and labels as they are written.
func scrape(t *testing.T, url string) map[string]float64 {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	series := map[string]float64{}
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "} "); ok && !strings.HasPrefix(line, "#") {
			series[name+"}"], err = strconv.ParseFloat(value, 64)
		} else if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && !strings.HasPrefix(line, "#") {
			series[name], err = strconv.ParseFloat(value, 64)
		}
		require.NoError(t, err, line)
	}
	return series
}

// sum adds up the series whose names match.
func sum(series map[string]float64, pattern string) (total float64) {
	for name, v := range series {
		if regexp.MustCompile(pattern).MatchString(name) {
			total += v
		}
	}
	return total
}

// logged are the lines of the server's log, of JSON, with this message.
func (r *rig) logged(msg string) (lines []map[string]any) {
	r.t.Helper()
	for line := range strings.Lines(r.log.String()) {
		if !strings.HasPrefix(line, "{") {
			continue
		}
		var m map[string]any
		require.NoError(r.t, json.Unmarshal([]byte(line), &m), line)
		require.NotEmpty(r.t, m["time"])
		require.NotEmpty(r.t, m["level"])
		if m["msg"] == msg {
			lines = append(lines, m)
		}
	}
	return lines
}

// TestWhatMonitoringSees: a night as metrics, traces and the log tell of it: a power-down in which a guest blocks, and the power-up of
// a schedule. Meanwhile the same nightshift, asked whether it could take its own place, carries the open run out once more in memory.
func TestWhatMonitoringSees(t *testing.T) {
	t.Parallel()
	spec := simlab.SmallSpec()
	for i := range spec.Guests {
		if g := &spec.Guests[i]; g.Name == "web01" {
			g.IgnoresShutdown = true
		}
	}
	traces := newCollector(t)
	r := newRig(t, spec, 41)
	text, err := os.ReadFile(r.labFile)
	require.NoError(t, err)
	asks := bytes.ReplaceAll(text, []byte("onTimeout: powerOff"), []byte("onTimeout: ask"))
	require.NotEqual(t, text, asks)
	require.NoError(t, os.WriteFile(r.labFile, asks, 0o600))
	r.work("serve", "--port", "0", "--ui-port", "-1", "--metrics", "127.0.0.1:0", "--traces", traces.URL, "--log-json")
	r.eventually("serve answers", func() bool { _, err := r.run("status", "-o", "json"); return err == nil })
	url := regexp.MustCompile(`metrics +(http://\S+/metrics)`).FindStringSubmatch(r.log.String())
	require.NotNil(t, url, r.log.String())
	file, err := inventory.Load(r.labFile)
	require.NoError(t, err)
	lab := file.Lab
	counted := func(runbook, outcome string) string {
		return `nightshift_run_ended_total{lab="` + lab + `",outcome="` + outcome + `",runbook="` + runbook + `"}`
	}
	before := scrape(t, url[1])
	require.Contains(t, before, counted("power-down", runapi.Done), "a counter is there before its first run")

	down := r.begin("power-down")
	r.eventually("a guest blocks the run", func() bool { rep := r.report(down); return rep.Counts.Blocked == 1 && rep.Counts.Running == 0 })
	require.Regexp(t, `ok +`+down+` +history +goes on with this nightshift`, r.must("upgrade-check"))
	var open map[string]float64
	waits := `nightshift_run_waits_for_person{run="` + down + `",runbook="power-down"}`
	r.eventually("it is to be seen that it waits", func() bool { open = scrape(t, url[1]); return open[waits] == 1 })
	require.InDelta(t, 1, open["nightshift_up"], 0)
	require.InDelta(t, 1, open[`nightshift_run_steps{run="`+down+`",runbook="power-down",state="blocked"}`], 0)
	require.InDelta(t, 1, open[`nightshift_runs_open{phase="executing",runbook="power-down"}`], 0)
	require.Positive(t, open["nightshift_debts"])
	require.Positive(t, open["nightshift_locks"])
	r.must("retry", down, "shutdown-guest:web01", "--force")
	rep := r.end(down)

	r.must("schedule", "add", "morning", "power-up", "--cron", "0 6 * * *", "--zone", "UTC")
	success := `nightshift_schedule_last_success_timestamp_seconds{runbook="power-up",schedule="morning"}`
	r.must("schedule", "trigger", "morning", "--wait")
	var after map[string]float64
	r.eventually("the schedule's success is to be seen", func() bool { after = scrape(t, url[1]); return after[success] > 0 })
	require.WithinDuration(t, time.Now(), time.Unix(int64(after[success]), 0), patience)
	require.Positive(t, after[`nightshift_schedule_next_timestamp_seconds{runbook="power-up",schedule="morning"}`])
	for _, runbook := range []string{"power-down", "power-up"} {
		require.InDelta(t, 1, after[counted(runbook, runapi.Done)], 0, runbook)
		require.InDelta(t, 1, after[`nightshift_run_duration_seconds_count{lab="`+lab+`",outcome="done",runbook="`+runbook+`"}`], 0)
	}
	steps := `^nightshift_step_duration_seconds_count{action="[A-Za-z]+",lab="` + lab + `",runbook="power-down",state="done"}$`
	require.InDelta(t, timed(rep), sum(after, steps), 0, "each step that began is counted once")
	require.InDelta(t, 3, sum(after, strings.Replace(steps, "[A-Za-z]+", "ShutdownGuest", 1)), 0)
	for _, sdk := range []string{`^temporal_request(_total)?{`, `^temporal_activity_execution_latency(_seconds)?_count{`, `^go_goroutines$`, `^process_open_fds$`, `^nightshift_build_info{`} {
		require.Positive(t, sum(after, sdk), sdk)
	}
	require.Zero(t, after["nightshift_debts"])

	for _, line := range []map[string]any{one(t, r.logged(runapi.LogBlocked)), ofRun(t, r.logged(runapi.LogEnded), down)} {
		require.Equal(t, lab, line["lab"])
		require.Equal(t, "power-down", line["runbook"])
		require.Equal(t, down, line["WorkflowID"])
		for _, key := range []string{"RunID", "WorkflowType", "Namespace", "TaskQueue", "Attempt"} {
			require.Contains(t, line, key)
		}
	}
	blocked := one(t, r.logged(runapi.LogBlocked))
	require.Equal(t, "shutdown-guest:web01", blocked["step"])
	require.Equal(t, "guest web01", blocked["target"])
	require.Contains(t, blocked["title"], "Shut down guest web01")
	require.Contains(t, blocked["why"], "still on")
	require.Equal(t, runapi.Done, ofRun(t, r.logged(runapi.LogEnded), down)["outcome"])

	r.stop() // which sends the last spans
	require.Empty(t, traces.wrong)
	for run, act := range map[string]string{"RunWorkflow:PowerDown": "RunActivity:ShutdownGuest", "RunWorkflow:PowerUp": "RunActivity:PowerOnHost"} {
		_, names := traces.trace(run)
		require.NotNil(t, names, run)
		require.Positive(t, names[act], "%s: %v", run, names)
	}
	id, names := traces.trace("RunWorkflow:PowerDown")
	require.Equal(t, 4, names["RunActivity:ShutdownGuest"], "three guests, and the second attempt at one")
	require.Equal(t, id, blocked["TraceID"], "the log names the trace")
}

// timed is how many steps of a run took time of their own.
func timed(rep report.Report) (n int) {
	for _, s := range rep.Steps {
		if !s.Begun.IsZero() {
			n++
		}
	}
	return n
}

func one(t *testing.T, lines []map[string]any) map[string]any {
	t.Helper()
	require.Len(t, lines, 1)
	return lines[0]
}

// ofRun is the one line of a run.
func ofRun(t *testing.T, lines []map[string]any, run string) map[string]any {
	t.Helper()
	var its []map[string]any
	for _, l := range lines {
		if l["WorkflowID"] == run {
			its = append(its, l)
		}
	}
	return one(t, its)
}
