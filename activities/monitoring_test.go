package activities

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
)

const pagerToken = "s3cr3t-t0ken"

func watchCall() plan.Call {
	return plan.Call{Run: "run-1", Lab: "home", Step: "silence-monitoring:pager", Params: plan.Encode(plan.MonitoringParams{Monitoring: "pager"}),
		Target: plan.Target{Kind: plan.Watcher, Name: "pager"}}
}

// watched has one monitoring, with a secret.
func watched(t *testing.T, w *world, silence, resume inventory.Hook) *Activities {
	t.Helper()
	t.Setenv("PAGER_TOKEN", pagerToken)
	a := newActivities(w)
	a.lab.Dir = t.TempDir()
	a.lab.Monitoring = []inventory.Monitoring{{Name: "pager", Silence: silence, Resume: resume, Secrets: map[string]inventory.SecretRef{"TOKEN": "env:PAGER_TOKEN"}}}
	return a
}

func TestMonitoringOverHTTP(t *testing.T) {
	var asked []string
	s := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = append(asked, strings.Join([]string{r.Method, r.URL.String(), r.Header.Get("Authorization"), string(body)}, " "))
	}))
	t.Cleanup(s.Close)
	pin := inventory.TLS{Fingerprint: endpoint.Fingerprint(s.Certificate())}
	w := newWorld()
	a := watched(t, w, inventory.Hook{URL: s.URL + "/quiet?t=${TOKEN}", Headers: map[string]string{"Authorization": "Bearer ${TOKEN}"}, Body: `{"for": "12h"}`, TLS: pin},
		inventory.Hook{URL: s.URL + "/watch", Method: "DELETE", TLS: pin})
	out, err := attemptOf(t, a, plan.SilenceMonitoring, watchCall(), nil)
	require.NoError(t, err)
	require.Equal(t, plan.Outcome{Evidence: "it took the request to be quiet", Acted: true}, out)
	require.Equal(t, []string{"POST /quiet?t=" + pagerToken + " Bearer " + pagerToken + ` {"for": "12h"}`}, asked)
	require.Equal(t, []string{"owe", "memo ask", "memo ask"}, w.events, "the debt comes first")
	require.Equal(t, plan.MonitoringDebt("pager"), w.book.Debts[0].ID)

	out, err = attemptOf(t, a, plan.ResumeMonitoring, watchCall(), nil)
	require.NoError(t, err)
	require.True(t, out.Acted)
	require.Equal(t, "DELETE /watch  ", asked[1])
	require.Empty(t, w.book.Debts)
	out, err = attemptOf(t, a, plan.ResumeMonitoring, watchCall(), nil)
	require.NoError(t, err)
	require.Equal(t, "nothing owed", out.Note)
	require.Len(t, asked, 2)
}

func TestMonitoringThatSaysNo(t *testing.T) {
	var status atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(int(status.Load()))
		_, _ = io.WriteString(w, r.Header.Get("Authorization")) // it repeats the secret
	}))
	t.Cleanup(s.Close)
	hook := inventory.Hook{URL: s.URL + "/${TOKEN}", Insecure: true, Headers: map[string]string{"Authorization": "${TOKEN}"}}
	for code, kind := range map[int32]string{302: Precondition, 403: Precondition, 404: Precondition} {
		status.Store(code)
		w := newWorld()
		_, err := attemptOf(t, watched(t, w, hook, hook), plan.SilenceMonitoring, watchCall(), nil)
		requireType(t, err, kind)
		require.ErrorContains(t, err, "correct its url, headers or secrets")
		require.NotContains(t, err.Error(), pagerToken)
		require.Len(t, w.book.Debts, 1, "what was asked for is owed: who knows what it has done")
	}
	status.Store(503)
	out, err := attemptOf(t, watched(t, newWorld(), hook, hook), plan.SilenceMonitoring, watchCall(), nil)
	require.NoError(t, err)
	require.True(t, out.Unclear.NeverArrived, "asking again does no harm")

	s.Close()
	_, err = attemptOf(t, watched(t, newWorld(), hook, hook), plan.SilenceMonitoring, watchCall(), nil)
	requireType(t, err, Transient)
	require.NotContains(t, err.Error(), pagerToken)

	a := watched(t, newWorld(), hook, hook)
	t.Setenv("PAGER_TOKEN", "")
	_, err = attemptOf(t, a, plan.SilenceMonitoring, watchCall(), nil)
	require.ErrorContains(t, err, "PAGER_TOKEN is not set")
}

// TestMonitoringThatSaysNoWithAYes: JSON-RPC has status 200 for everything. Were it taken for a yes, the monitoring would be
// silent for good, with nothing owed.
func TestMonitoringThatSaysNoWithAYes(t *testing.T) {
	var body atomic.Value
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body.Load().(string)) }))
	t.Cleanup(s.Close)
	hook := inventory.Hook{URL: s.URL, Insecure: true}
	for text, ok := range map[string]bool{
		`{"jsonrpc":"2.0","error":{"code":-32602,"message":"Invalid params.","data":"Not authorised: ` + pagerToken + `"},"id":1}`: false,
		`{"jsonrpc":"2.0","result":{"maintenanceids":["3"]},"id":1}`:                                                               true,
		`{"result":1,"error":null}`: true,
		`{"error":false}`:           true,
		`["error"]`:                 true,
		`error`:                     true,
		``:                          true,
	} {
		body.Store(text)
		w := newWorld()
		a := watched(t, w, hook, hook)
		w.book.Debts = []plan.Debt{{ID: plan.MonitoringDebt("pager"), Setting: plan.Watch, Was: "true"}}
		_, err := attemptOf(t, a, plan.ResumeMonitoring, watchCall(), nil)
		require.Equal(t, ok, err == nil, text)
		require.Equal(t, ok, len(w.book.Debts) == 0, text)
		if !ok {
			require.ErrorContains(t, err, "with an error in its body")
			require.NotContains(t, err.Error(), pagerToken)
		}
	}
}

func TestMonitoringByACommandThatTalksTooMuch(t *testing.T) {
	a := watched(t, newWorld(), inventory.Hook{Run: []string{"/bin/sh", "-c", `yes "$TOKEN" | head -c 3000000 >&2; exit 3`}}, inventory.Hook{})
	_, err := attemptOf(t, a, plan.SilenceMonitoring, watchCall(), nil)
	require.ErrorContains(t, err, "exit status 3: (more than can be told)")
	require.NotContains(t, err.Error(), pagerToken[:5])
}

func TestMonitoringByACommand(t *testing.T) {
	w := newWorld()
	a := watched(t, w, inventory.Hook{Run: []string{"/bin/sh", "-c", `echo "$TOKEN $NIGHTSHIFT_RUN" > said`}}, inventory.Hook{Run: []string{"/bin/sh", "-c", `echo "no: $TOKEN" >&2; exit 3`}})
	_, err := attemptOf(t, a, plan.SilenceMonitoring, watchCall(), nil)
	require.NoError(t, err)
	said, err := os.ReadFile(filepath.Join(a.lab.Dir, "said"))
	require.NoError(t, err)
	require.Equal(t, pagerToken+" run-1\n", string(said))
	_, err = attemptOf(t, a, plan.ResumeMonitoring, watchCall(), nil)
	requireType(t, err, Precondition)
	require.ErrorContains(t, err, "exit status 3: no: (secret)")
	require.Len(t, w.book.Debts, 1, "it is still quiet")

	a.lab.Monitoring[0].Resume.Run = []string{"/no/such/command"}
	_, err = attemptOf(t, a, plan.ResumeMonitoring, watchCall(), nil)
	requireType(t, err, InvalidInput)
	a.lab.Monitoring[0].Name = "other"
	_, err = attemptOf(t, a, plan.ResumeMonitoring, watchCall(), nil)
	require.ErrorContains(t, err, `monitoring "pager" is not in the lab file`)
}

// The process dies at every event: the monitoring is asked once more at most for each decision, and the debt is there first.
func TestMonitoringSurvivesACrashAtEveryEvent(t *testing.T) {
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(s.Close)
	hook := inventory.Hook{URL: s.URL, Insecure: true}
	t.Setenv("PAGER_TOKEN", pagerToken)
	for at := 1; at <= 4; at++ {
		asked.Store(0)
		w := newWorld()
		w.crashAt = at
		a := watched(t, w, hook, hook)
		_, err := attemptOf(t, a, plan.SilenceMonitoring, watchCall(), nil)
		if at <= 3 {
			require.Error(t, err, "it died")
		}
		if asked.Load() > 0 {
			require.Len(t, w.book.Debts, 1, "event %d", at)
		}
	}
}

func TestAlarmActions(t *testing.T) {
	w := newWorld()
	w.host.Alarms, w.cluster.Alarms = live.AlarmsOn, live.AlarmsOn
	a := newActivities(w)
	host := hostCall(plan.SettingParams{Setting: plan.Alarms})
	for _, c := range []plan.Call{host, clusterCall(plan.Alarms)} {
		_, err := attemptOf(t, a, plan.SuspendSetting, c, nil)
		require.NoError(t, err)
	}
	require.Equal(t, []string{live.AlarmsOff, live.AlarmsOff}, []string{w.host.Alarms, w.cluster.Alarms})
	require.Len(t, w.book.Debts, 2)
	require.Contains(t, w.note, "alarm actions=true")
	require.Equal(t, "owe", w.events[0])
	for _, c := range []plan.Call{host, clusterCall(plan.Alarms)} {
		_, err := attemptOf(t, a, plan.SettleDebt, c, nil)
		require.NoError(t, err)
	}
	require.Equal(t, []string{live.AlarmsOn, live.AlarmsOn}, []string{w.host.Alarms, w.cluster.Alarms})
	require.Empty(t, w.book.Debts)
	require.Empty(t, w.note)

	w.react["SetAlarmActions host-1"] = func() error { return fault.As(fault.Permission, errors.New("no permission")) }
	_, err := attemptOf(t, a, plan.SuspendSetting, host, nil)
	requireType(t, err, Permission)
	other := host
	other.Target.UUID = "another"
	_, err = attemptOf(t, a, plan.SuspendSetting, other, nil)
	require.ErrorContains(t, err, "another")
	_, err = attemptOf(t, a, plan.SuspendSetting, hostCall(plan.SettingParams{Setting: plan.HA}), nil)
	requireType(t, err, Unsafe)
	a.lab.Hosts[0].Keep = true
	_, err = attemptOf(t, a, plan.SuspendSetting, host, nil)
	requireType(t, err, Unsafe)
}
