//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/ledger"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
)

// A standing is what `status -o json` tells.
type standing struct {
	Runs      []struct{ Run string }
	Ledger    ledger.State
	Orphans   []struct{ Run, State string }
	Schedules []struct {
		Name, Note string
		Paused     bool
	}
}

func (r *rig) status() (s standing) {
	r.t.Helper()
	out := r.must("status", "-o", "json")
	require.NoError(r.t, json.Unmarshal([]byte(out), &s), out)
	return s
}

// TestRestoreOfARunUnderWay: a backup is made while a run goes on, and more of the run happens after it. Out of the backup
// the run must not go on, nothing may be forgotten, and a new run takes it from there.
func TestRestoreOfARunUnderWay(t *testing.T) {
	t.Parallel()
	r := newRig(t, simlab.SmallSpec(), 7)
	clusters := r.lab.Clusters()
	r.start()
	r.must("schedule", "add", "nightly", "power-down", "--cron", "0 23 * * *", "--zone", "UTC")
	r.must("hold", "--until", "23:59", "--reason", "a demo")
	var started struct{ Run string }
	require.NoError(t, json.Unmarshal([]byte(r.must("run", "power-down", "--yes", "--detach", "-o", "json")), &started))
	r.eventually("the run has switched something off", func() bool {
		st := r.status().Ledger
		return len(st.Debts) > 0 && len(st.Memory) > 0
	})
	file := filepath.Join(r.dir, "backup.tar.gz")
	r.must("backup", file)
	was := r.status()
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	_, err = r.run("backup", file)
	require.ErrorContains(t, err, "is there already")
	_, err = r.run("restore", file, "--replace")
	require.ErrorContains(t, err, "already serves the state directory")
	r.killAfter(5, 0)

	old := r.dir
	r.dir = t.TempDir() // a machine of its own
	out := r.must("restore", file)
	require.Contains(t, out, "nightshift unlock "+started.Run)
	require.Contains(t, out, "Schedules are paused: nightly.", "by the name that resume takes")
	r.drain()
	since := len(r.lab.Calls())
	r.start()
	now := r.status()
	require.Empty(t, now.Runs, "it does not go on")
	require.Equal(t, started.Run, now.Orphans[0].Run)
	require.Equal(t, "terminated", now.Orphans[0].State)
	require.NotEmpty(t, now.Ledger.Debts)
	require.Subset(t, was.Ledger.Debts, now.Ledger.Debts)
	require.Equal(t, was.Ledger.Memory, now.Ledger.Memory)
	require.Equal(t, was.Ledger.Hold, now.Ledger.Hold)
	require.Len(t, now.Schedules, 1)
	require.True(t, now.Schedules[0].Paused)
	require.Contains(t, now.Schedules[0].Note, "restored from the backup")
	_, err = r.run("run", "power-up", "--yes")
	require.Equal(t, 4, exitCode(err), "the lock stands: %v", err)
	for _, c := range r.lab.Calls()[since:] {
		require.NotContains(t, destructive, c.Verb, "%s to %s, though nobody has asked for it", c.Verb, c.Target)
	}
	require.Contains(t, r.log.String(), "This state is from a backup of")
	r.stop()

	r.dir = old
	_, err = r.run("restore", file)
	require.Equal(t, 4, exitCode(err), "%v", err)
	require.ErrorContains(t, err, "--replace")
	r.must("restore", file, "--replace")
	asides, err := filepath.Glob(r.state() + ".before-restore-*")
	require.NoError(t, err)
	require.Len(t, asides, 1)
	r.start()
	r.must("unlock", started.Run, "--reason", "I have looked")
	_, err = r.run("run", "power-up", "--yes")
	require.NoError(t, err)
	require.Equal(t, clusters, r.lab.Clusters(), "what was owed is given back")
	st := r.ledger()
	require.Empty(t, st.Debts)
	require.Empty(t, st.Locks)
	require.Equal(t, runapi.Done, r.report("latest").Outcome)
	r.stop()
}
