package worker

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
)

// pager is a monitoring that writes down what it is asked.
type pager struct {
	mu    sync.Mutex
	asked []string
}

func (p *pager) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, r.URL.Path)
}

func (s *site) quiet() (hosts int, cluster bool) {
	for _, h := range s.lab.Hosts() {
		if h.Quiet {
			hosts++
		}
	}
	return hosts, s.lab.Clusters()["Lab"].Quiet
}

// Who watches the lab hears nothing of a scheduled power-down, all night long, until the power-up is through.
func TestAScheduledNightIsQuiet(t *testing.T) {
	s := newSite(t, simlab.SmallSpec())
	watch := &pager{}
	server := httptest.NewServer(watch)
	t.Cleanup(server.Close)
	s.file.Monitoring = []inventory.Monitoring{{Name: "pager", Silence: inventory.Hook{URL: server.URL + "/quiet", Insecure: true}, Resume: inventory.Hook{URL: server.URL + "/watch", Insecure: true}}}
	clusters := s.lab.Clusters()
	down := s.result(s.begin("down", plan.PowerDownWorkflow, "power-down", runapi.Params{Scheduled: true}))
	require.Equal(t, runapi.Done, down.Outcome, "%s %v", down.Why, down.Notes)
	hosts, cluster := s.quiet()
	require.Equal(t, len(s.lab.Hosts()), hosts)
	require.True(t, cluster)
	require.Equal(t, []string{"/quiet"}, watch.asked)
	owed := map[plan.Setting]int{}
	for _, d := range s.ledger().Debts {
		owed[d.Setting]++
	}
	require.Equal(t, hosts+1, owed[plan.Alarms])
	require.Equal(t, 1, owed[plan.Watch])
	again := s.result(s.begin("down-again", plan.PowerDownWorkflow, "power-down", runapi.Params{Scheduled: true}))
	require.Zero(t, again.Total, "a lab that is down needs nothing")

	up := s.result(s.begin("up", plan.PowerUpWorkflow, "power-up", runapi.Params{}))
	require.Equal(t, runapi.Done, up.Outcome, "%s %v", up.Why, up.Notes)
	require.Equal(t, clusters, s.lab.Clusters())
	hosts, _ = s.quiet()
	require.Zero(t, hosts)
	require.Equal(t, []string{"/quiet", "/watch"}, watch.asked)
	require.Empty(t, s.ledger().Debts)
	s.requireOnce()
}

// Without the right, and with a monitoring that is not there, the night goes on as it should, and says so.
func TestAScheduledNightThatCannotBeQuiet(t *testing.T) {
	spec := simlab.SmallSpec()
	spec.Denied = map[string]string{"EnableAlarmActions": "Alarm.DisableActions"}
	s := newSite(t, spec)
	refuses := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(refuses.Close)
	hook := inventory.Hook{URL: refuses.URL, Insecure: true}
	s.file.Monitoring = []inventory.Monitoring{{Name: "pager", Silence: hook, Resume: hook}}
	down := s.result(s.begin("down", plan.PowerDownWorkflow, "power-down", runapi.Params{Scheduled: true, OnFailure: plan.Abort}))
	require.Equal(t, runapi.Partial, down.Outcome, "%s %v", down.Why, down.Notes)
	require.Equal(t, 1, down.Skipped)
	require.Contains(t, down.Notes["silence-monitoring:pager"], "404 Not Found")
	require.Contains(t, down.Warnings[0].Remedy, "Alarm.DisableActions")
	for name, h := range s.lab.Hosts() {
		require.Equal(t, "Off", h.Power, name)
		require.False(t, h.Quiet)
	}
}

// A scheduled run that finds another at work is skipped, and says at which.
func TestAScheduledRunBesideAnother(t *testing.T) {
	s := newSite(t, simlab.SmallSpec())
	down := s.begin("down", plan.PowerDownWorkflow, "power-down", runapi.Params{})
	require.NoError(t, s.lab.WaitFor(t.Context(), func(l *simlab.Lab) bool { return l.Count("ShutdownGuest", "") > 0 }))
	second := s.result(s.begin("nightly", plan.PowerDownWorkflow, "power-down", runapi.Params{Scheduled: true}))
	require.Equal(t, runapi.Skipped, second.Outcome)
	require.Contains(t, second.Why, "locked by run down (power-down, by ann@desk)")
	require.Equal(t, runapi.Done, s.result(down).Outcome)
	record(t, s.client, "nightly", "beside-another")
}
