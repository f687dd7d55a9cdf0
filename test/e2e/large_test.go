//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
)

// largePatience is for a run of the large lab, and for its plan: the simulator takes most of it.
const largePatience = 40 * time.Minute

// TestALargeLab takes 2,000 guests on 64 hosts down and up with the real steps, through the command: the right end, nothing
// twice, and not a warning of Temporal. NIGHTSHIFT_LARGE=4/100 for less.
func TestALargeLab(t *testing.T) {
	hosts, guests := 64, 2000
	if size := os.Getenv("NIGHTSHIFT_LARGE"); size != "" {
		_, err := fmt.Sscanf(size, "%d/%d", &hosts, &guests)
		require.NoError(t, err, "NIGHTSHIFT_LARGE is HOSTS/GUESTS")
	}
	r := newRig(t, simlab.FleetSpec(hosts, guests), 1)
	r.patience = largePatience
	r.start()
	before, clusters := r.lab.Guests(), r.lab.Clusters()
	began := time.Now()
	r.must("plan", "power-down")
	t.Logf("plan power-down: %s", time.Since(began).Round(time.Millisecond))
	for _, runbook := range []string{"power-down", "power-up"} {
		since, began := len(r.lab.Calls()), time.Now()
		r.must("run", runbook, "--yes")
		rep := r.report("latest")
		t.Logf("%s: %d steps in %s", runbook, rep.Counts.Total, time.Since(began).Round(time.Second))
		require.Equal(t, runapi.Done, rep.Outcome, rep.Why)
		r.requireActedOnce(since, rep)
		require.GreaterOrEqual(t, rep.Counts.Total, 2*hosts+guests)
		require.Equal(t, rep.Counts.Total, rep.Counts.Done)
		if runbook == "power-down" {
			for name, h := range r.lab.Hosts() {
				require.Equal(t, "Off", h.Power, name)
			}
		}
	}
	for name, g := range r.lab.Guests() {
		require.Equal(t, before[name].Power, g.Power, "guest %s", name)
		require.Zero(t, g.Crashes, "guest %s", name)
	}
	require.Equal(t, clusters, r.lab.Clusters())
	r.stop()
	for line := range strings.Lines(r.log.String()) {
		require.NotContains(t, line, "level=WARN")
		require.NotContains(t, line, "level=ERROR")
	}
}
