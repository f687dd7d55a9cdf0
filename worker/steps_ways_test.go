package worker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/live"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
	"nightshift/runbooks/steps"
)

// The other ways through the shipped runbooks, and the template that `runbook new` writes, on a simulated lab whose waits are as
// short as it is fast.
func TestShippedStepRunbooksTheOtherWay(t *testing.T) {
	t.Parallel()
	s := newSite(t, stepsSpec())
	s.worker.Stop()
	s.speed = siteSpeed
	s.start()

	ran := func(line string) (n int) { // on the appliance, as somebody would type it
		for _, c := range s.lab.Calls() {
			if c.Target == "vcsa" && strings.ReplaceAll(c.Verb, "'", "") == line {
				n++
			}
		}
		return n
	}
	t.Run("a backup history that an appliance cannot read", func(t *testing.T) {
		run := s.steps("vcsa-restart-services", map[string]string{"machine": "vcsa", "cure": "backup-history"})
		require.NoError(t, s.lab.WaitFor(t.Context(), func(l *simlab.Lab) bool { return !l.VCenterUp() }), "the appliance restarts")
		sheet := s.result(run)
		require.Equal(t, runapi.Done, sheet.Outcome, "%s %v", sheet.Why, sheet.Notes)
		require.True(t, s.lab.VCenterUp(), "the run ends when it is back")
		for line, n := range map[string]int{
			"mv --backup=numbered /var/vmware/applmgmt/backupRestore-history.json /var/tmp/": 1,
			"shutdown -r +1": 1, "service-control --stop --all": 0, "service-control --start --all": 0,
		} {
			require.Equal(t, n, ran(line), line)
		}

		again := s.steps("vcsa-restart-services", map[string]string{"machine": "vcsa", "cure": "backup-history"})
		sheet = s.blocked(again, 1)
		require.Contains(t, sheet.Notes["backup-history/move"], "No such file or directory", "there is no history left: somebody else's fault")
		require.NoError(t, s.tell(again, runapi.Abort, runapi.Order{Reason: "it was another fault"}))
		require.Equal(t, runapi.Aborted, s.result(again).Outcome)
		require.Equal(t, 1, ran("shutdown -r +1"), "and nothing restarts for it")
	})
	t.Run("sysprep by hand", func(t *testing.T) {
		run := s.steps("guest-repair-sysprep", map[string]string{"guest": "db01", "sysprep": "true"})
		sheet := s.blocked(run, 1)
		require.Contains(t, sheet.Notes["sysprep"], `C:\Windows\System32\Sysprep\sysprep.exe`)
		require.Equal(t, live.PoweredOn, s.lab.Guests()["db01"].Power, "it has started again, and somebody can log in")
		require.NoError(t, s.tell(run, runapi.Confirm, runapi.Order{Steps: []string{"sysprep"}, Reason: "generalized"}))
		sheet = s.result(run)
		require.Equal(t, runapi.Done, sheet.Outcome, "%s %v", sheet.Why, sheet.Notes)
		require.Equal(t, "confirmed by bob@desk", sheet.Notes["sysprep"])
	})
	t.Run("the template", func(t *testing.T) {
		text, err := steps.Template("mine")
		require.NoError(t, err)
		s.library(nil)
		require.NoError(t, os.WriteFile(filepath.Join(s.file.LibraryDir(), "mine.yaml"), []byte(text), 0o600))
		run := s.steps("mine", map[string]string{"guest": "spare", "ask": "true", "pause": "2m"})
		s.blocked(run, 1)
		require.Equal(t, live.PoweredOff, s.lab.Guests()["spare"].Power)
		require.NoError(t, s.tell(run, runapi.Confirm, runapi.Order{Steps: []string{"ask"}}))
		sheet := s.result(run)
		require.Equal(t, runapi.Done, sheet.Outcome, "%s %v", sheet.Why, sheet.Notes)
		require.Equal(t, live.PoweredOn, s.lab.Guests()["spare"].Power)
	})
	require.Empty(t, s.ledger().Debts)
	require.Empty(t, s.ledger().Locks)
}
