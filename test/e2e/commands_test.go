//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
)

// TestRestartedWithAnEditedLabFile: nightshift is killed in the middle of a run, and comes back with a lab file that somebody
// has edited meanwhile. A comment changes nothing; a command that is not in the approved plan is not carried out before
// somebody has said yes to it.
func TestRestartedWithAnEditedLabFile(t *testing.T) {
	for name, c := range map[string]struct {
		edit func(string) string
		asks bool
	}{
		"a comment": {edit: func(s string) string { return s + "# tomorrow: the new UPS\n" }},
		"a command": {func(s string) string { return strings.Replace(s, "    stop: ", "    stopped: [3, 99]\n    stop: ", 1) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := simlab.ClusterAppSpec()
			for i := range spec.Guests {
				if g := &spec.Guests[i]; g.Name == "web01" { // it goes down before the application, and takes its time
					g.After, g.Shutdown = []string{"pg01"}, 4*time.Minute
				}
			}
			r := newRig(t, spec, 1)
			r.start()
			var started struct {
				Run string `json:"run"`
			}
			require.NoError(t, json.Unmarshal([]byte(r.must("run", "power-down", "--yes", "--detach", "-o", "json")), &started))
			for c := range r.calls {
				if c.Verb == "ShutdownGuest" {
					break
				}
			}
			r.kill()
			require.Zero(t, r.lab.Count("cluster stop", "pg"))
			text, err := os.ReadFile(r.labFile)
			require.NoError(t, err)
			edited := c.edit(string(text))
			require.NotEqual(t, string(text), edited)
			require.NoError(t, os.WriteFile(r.labFile, []byte(edited), 0o600))
			r.start()
			if c.asks {
				r.eventually("a new plan waits for an approval", func() bool { return r.report(started.Run).Proposal != nil })
				beyond := strings.Join(r.report(started.Run).Proposal.Beyond, "\n")
				require.Contains(t, beyond, "the approved plan does something else to application cluster pg")
				require.Zero(t, r.lab.Count("cluster stop", "pg"))
				r.must("approve", started.Run, "--yes")
			}
			r.eventually("it ends", func() bool { return r.report(started.Run).Outcome != "" })
			rep := r.report(started.Run)
			require.Equal(t, runapi.Done, rep.Outcome, rep.Why)
			require.Equal(t, 1, r.lab.Count("cluster stop", "pg"))
			r.requireActedOnce(0, rep)
			for name, h := range r.lab.Hosts() {
				require.Equal(t, "Off", h.Power, name)
			}
		})
	}
}
