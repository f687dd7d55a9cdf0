//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/engine"
	"nightshift/internal/simlab"
	"nightshift/internal/statedir"
)

// TestServerAndWorkerInDifferentProcesses runs worker and verbs against a Temporal server that is not theirs, found by
// flag and by environment. The server knows nothing of nightshift: no search attributes, nothing.
func TestServerAndWorkerInDifferentProcesses(t *testing.T) {
	dir, err := statedir.Open(filepath.Join(t.TempDir(), "temporal"))
	require.NoError(t, err)
	require.NoError(t, dir.Lock(t.Context()))
	server, err := engine.Start(t.Context(), engine.Options{Dir: dir, UIPort: -1, Unsafe: true})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop(); _ = dir.Close() })

	r := newRig(t, simlab.SmallSpec(), 7)
	address := []string{"--temporal-address", server.Address()}
	for _, verb := range []string{"worker", "serve"} { // serve runs no engine then
		r.work(append([]string{verb}, address...)...)
		r.eventually("the worker works", func() bool { _, err := r.run(append(address, "plan", "power-down")...); return err == nil })
		runbook := map[string]string{"worker": "power-down", "serve": "power-up"}[verb]
		r.must(append(address, "run", runbook, "--yes")...)
		r.stop()
	}
	require.NoFileExists(t, filepath.Join(r.state(), "temporal.db"))

	t.Setenv("TEMPORAL_ADDRESS", server.Address())
	require.Contains(t, r.must("runs"), "power-down-small-")
}

// TestStopInTheMiddle is Ctrl-C during a run: what waits yields, and the run goes on after the restart.
func TestStopInTheMiddle(t *testing.T) {
	t.Parallel()
	r := newRig(t, simlab.HomeSpec(), 3)
	r.start()
	since := len(r.lab.Calls())
	r.must("run", "power-down", "--yes", "--detach")
	require.NoError(t, r.lab.WaitFor(t.Context(), func(l *simlab.Lab) bool { return l.Count("ShutdownGuest", "") >= 3 }))
	r.stop()
	sent := len(r.lab.Calls())
	require.NoFileExists(t, filepath.Join(r.state(), "address.json"))
	_, err := r.run("status")
	require.ErrorContains(t, err, "nightshift serve", "it says what to do")

	r.start()
	_, err = r.run("watch", "latest")
	require.NoError(t, err)
	rep := r.report("latest")
	require.Equal(t, "done", rep.Outcome, rep.Why)
	require.Greater(t, len(r.lab.Calls()), sent)
	r.requireActedOnce(since, rep)
	requireNoCrash(t, r.lab)
}

// TestSecondServeIsRefused and says who is there.
func TestSecondServeIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, simlab.SmallSpec(), 5)
	r.start()
	_, err := r.run("serve")
	require.ErrorContains(t, err, "already")
	info, statErr := os.Stat(r.state())
	require.NoError(t, statErr)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

// TestHoldAndSchedule starts a run by the clock, and does not while a hold stands.
func TestHoldAndSchedule(t *testing.T) {
	t.Parallel()
	r := newRig(t, simlab.SmallSpec(), 6)
	r.start()
	r.must("hold", "--for", "1h", "--reason", "guests stay tonight")
	r.must("schedule", "add", "nightly", "power-down", "--cron", "* * * * *", "--zone", "Europe/Prague")
	require.Contains(t, r.must("schedule", "list"), "nightly")
	r.eventually("a scheduled run was skipped", func() bool {
		out, err := r.run("report", "latest", "-o", "json")
		return err != nil && len(out) > 0 && r.report("latest").Outcome == "skipped"
	})
	require.Empty(t, r.lab.Calls(), "nothing was touched")
	r.must("schedule", "pause", "nightly")
	r.must("hold", "--end")
	r.must("schedule", "resume", "nightly")
	r.eventually("a scheduled run is done", func() bool { return r.report("latest").Outcome == "done" })
	require.Equal(t, "schedule nightly", r.report("latest").By)
	r.must("schedule", "remove", "nightly")
}
