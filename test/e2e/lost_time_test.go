//go:build e2e

package e2e

import (
	"encoding/json"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
)

// TestALaptopThatSleeps stops the process in the middle of a power-down, as a lid that is closed does, and lets it go on
// later: server, worker and steps at once. The lab has gone on meanwhile. Nothing new begins until somebody says so; then
// the run ends right, and nothing was sent twice.
func TestALaptopThatSleeps(t *testing.T) {
	const staleAfter = 20 * time.Second
	spec := simlab.SmallSpec()
	r := newRig(t, spec, 1)
	r.start()
	var started struct {
		Run string `json:"run"`
	}
	require.NoError(t, json.Unmarshal([]byte(r.must("run", "power-down", "--yes", "--detach", "--stale-after", staleAfter.String(), "-o", "json")), &started))
	run := started.Run
	require.NoError(t, r.lab.WaitFor(t.Context(), func(l *simlab.Lab) bool { return l.Count("ShutdownGuest", "") > 0 }))
	require.NoError(t, r.serve.Signal(syscall.SIGSTOP))
	<-time.After(2 * staleAfter) // the sleep
	hosts := r.lab.Count("ShutdownHost_Task", "")
	require.NoError(t, r.serve.Signal(syscall.SIGCONT))
	r.eventually("it has looked, and asks", func() bool {
		rep := r.report(run)
		return rep.Stale != "" && rep.Counts.Running == 0 && len(rep.Amendments) > 0
	})
	require.Contains(t, r.must("status"), "nightshift resume "+run)
	require.Equal(t, hosts, r.lab.Count("ShutdownHost_Task", ""), "no host goes down in the morning")
	r.eventually("it goes on, and ends", func() bool {
		rep := r.report(run)
		if rep.Stale != "" {
			_, _ = r.run("resume", run, "--reason", "still wanted") // a busy machine may be late once more
		}
		return rep.Outcome != ""
	})
	rep := r.report(run)
	require.Equal(t, runapi.Done, rep.Outcome, rep.Why)
	for name, h := range r.lab.Hosts() {
		if !kept(spec, name) {
			require.Equal(t, "Off", h.Power, name)
		}
	}
	r.requireActedOnce(0, rep)
}
