//go:build e2e

package e2e

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"nightshift/internal/runapi"
	"nightshift/internal/signature"
	"nightshift/internal/simlab"
)

// withApprovers gives people keys, in files of their names, and has power-down approved by bob or ann.
func (r *rig) withApprovers(names ...string) {
	r.t.Helper()
	text := "\npeople:\n"
	for _, name := range names {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(r.t, err)
		key, err := ssh.NewPublicKey(public)
		require.NoError(r.t, err)
		block, err := ssh.MarshalPrivateKey(private, "")
		require.NoError(r.t, err)
		require.NoError(r.t, os.WriteFile(r.key(name), pem.EncodeToMemory(block), 0o600))
		text += fmt.Sprintf("  - {name: %s, key: %q}\n", name, signature.Line(key))
	}
	text += "runbooks: {power-down: {approvers: {of: [ann, bob]}}}\n"
	b, err := os.ReadFile(r.labFile)
	require.NoError(r.t, err)
	require.NotContains(r.t, string(b), "\nrunbooks:")
	require.NoError(r.t, os.WriteFile(r.labFile, append(b, text...), 0o600))
}

func (r *rig) key(name string) string { return filepath.Join(r.dir, name) }

// TestNobodyApprovesTheirOwnRun: on a real server, by the real command.
func TestNobodyApprovesTheirOwnRun(t *testing.T) {
	t.Parallel()
	r := newRig(t, simlab.SmallSpec(), 11)
	r.withApprovers("ann", "bob")
	r.start()
	_, err := r.run("run", "power-down", "--yes")
	require.Equal(t, 4, exitCode(err), "%v", err)
	require.ErrorContains(t, err, "--sign")
	require.Empty(t, destroyed(r), "nothing was touched")

	_, err = r.run("run", "power-down", "--yes", "--sign", "--key", r.key("ann"))
	require.Equal(t, 3, exitCode(err), "%v", err)
	id := r.status().Runs[0].Run
	for _, own := range [][]string{{"--yes"}, {"--sign", "--yes", "--key", r.key("ann")}} {
		_, err = r.run(append([]string{"approve", id}, own...)...)
		require.Equal(t, 4, exitCode(err), "%v", err)
	}
	require.Empty(t, destroyed(r))
	r.killAfter(0, 0) // what was signed outlives the process
	r.start()
	r.must("approve", id, "--sign", "--yes", "--key", r.key("bob"))
	_, err = r.run("watch", id)
	require.NoError(t, err)
	rep := r.report(id)
	require.Equal(t, runapi.Done, rep.Outcome)
	require.Equal(t, "ann", rep.Requester.Name)
	require.Equal(t, "bob", rep.Approvals[0].Name)
	require.Contains(t, r.must("report", "verify", id, "--people", r.labFile), "bob approved plan")
	file := filepath.Join(r.dir, "report.json")
	require.NoError(t, os.WriteFile(file, []byte(r.must("report", id, "-o", "json")), 0o600))
	r.stop()
	r.must("report", "verify", file, "--people", r.labFile)
}

// TestAScheduleIsApprovedByAnybodyWhoMay: by two of them, as nobody signs for a schedule. The mark on the run is the server's.
func TestAScheduleIsApprovedByAnybodyWhoMay(t *testing.T) {
	t.Parallel()
	r := newRig(t, simlab.SmallSpec(), 12)
	r.withApprovers("ann", "bob")
	r.start()
	r.must("schedule", "add", "minutely", "power-down", "--cron", "* * * * *", "--zone", "UTC")
	var id string
	r.eventually("the schedule has begun a run that waits", func() bool {
		var st struct {
			Runs []struct {
				Run   string
				Sheet *runapi.Sheet
			}
		}
		require.NoError(t, json.Unmarshal([]byte(r.must("status", "-o", "json")), &st))
		for _, run := range st.Runs {
			if run.Sheet != nil && run.Sheet.Phase == runapi.PhaseApprove {
				id = run.Run
			}
		}
		return id != ""
	})
	r.must("schedule", "remove", "minutely")
	require.True(t, strings.HasPrefix(id, "power-down-"), id)
	_, err := r.run("approve", id, "--yes")
	require.Equal(t, 4, exitCode(err), "%v", err)
	r.must("approve", id, "--sign", "--yes", "--key", r.key("ann"))
	require.Equal(t, runapi.PhaseApprove, r.report(id).Phase, "whoever made the schedule must not be the only one")
	require.Empty(t, destroyed(r))
	r.must("approve", id, "--sign", "--yes", "--key", r.key("bob"))
	_, err = r.run("watch", id)
	require.NoError(t, err)
	rep := r.report(id)
	require.Equal(t, "schedule minutely", rep.Requester.Name)
	require.Contains(t, r.must("report", "verify", id, "--people", r.labFile), "which signs nothing")
	require.Len(t, rep.Approvals, 2)
	r.stop()
}

// destroyed are the destructive calls that the lab has received.
func destroyed(r *rig) (calls []string) {
	for _, c := range r.lab.Calls() {
		for _, d := range destructive {
			if c.Verb == d {
				calls = append(calls, c.Verb+" "+c.Target)
			}
		}
	}
	return calls
}
