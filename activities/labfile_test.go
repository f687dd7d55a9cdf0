package activities

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/plan"
	"nightshift/runbooks"
)

const smallLab = `lab: home
self: {outside: true}
vcenters:
  - {name: vc1, url: "https://vc1", user: u, password: "env:X"}
hosts:
  - name: esx21
    address: esx21.lab
    bmc: {url: "https://esx21-oob", user: u, password: "env:X"}
`

// Who marks a host as kept and runs a power-down must not lose it because the worker read the file before.
func TestALabFileThatChangedStopsWhatSwitchesOff(t *testing.T) {
	for name, tc := range map[string]struct {
		change   func(string) string
		blockers string
	}{
		"as it was":    {change: func(s string) string { return s }},
		"a comment":    {change: func(s string) string { return "# mine\n" + s }},
		"a host kept":  {change: func(s string) string { return s + "    keep: true\n" }, blockers: "was changed"},
		"broken":       {change: func(s string) string { return s + "nonsense: true\n" }, blockers: "is not valid now"},
		"moved away":   {change: func(string) string { return "" }},
		"another host": {change: func(s string) string { return strings.Replace(s, "esx21-oob", "esx22-oob", 1) }, blockers: "was changed"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "lab.yaml")
			require.NoError(t, os.WriteFile(path, []byte(smallLab), 0o600))
			w := newWorld()
			a := newActivities(w)
			var err error
			a.lab, err = inventory.Load(path)
			require.NoError(t, err)
			if text := tc.change(smallLab); text == "" {
				require.NoError(t, os.Remove(path))
			} else {
				require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			}
			var texts []string
			reply, err := makePlan(t, a, plan.Request{Runbook: runbooks.PowerDown, Lab: "home"})
			require.NoError(t, err)
			for _, b := range reply.Blockers {
				if strings.HasPrefix(b.Subject, "lab file ") {
					texts = append(texts, b.Text)
				}
			}
			if tc.blockers == "" {
				require.Empty(t, texts)
				return
			}
			require.Len(t, texts, 1)
			require.Contains(t, texts[0], tc.blockers)

			reply, err = makePlan(t, a, plan.Request{Runbook: runbooks.PowerUp, Lab: "home"})
			require.NoError(t, err)
			require.Empty(t, reply.Blockers, "what switches on goes on, with a warning")
			require.NotEmpty(t, reply.Warnings)
		})
	}
}
