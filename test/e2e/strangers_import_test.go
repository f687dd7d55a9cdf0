//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFromNothingToAReport goes the way of somebody who has a vCenter, its user, and nothing else: import, fill in what only a
// person knows, trust, check, plan, run, schedule, report. Nothing of the lab is ours.
func TestFromNothingToAReport(t *testing.T) {
	s := newStrangeLab(t)
	typed, err := os.ReadFile(s.labFile)
	require.NoError(t, err)
	url := regexp.MustCompile(`url: (https://\S+)`).FindStringSubmatch(string(typed))[1]
	require.NoError(t, os.Remove(s.labFile))

	login := []string{"lab", "import", "--vcenter", url, "--user", "nightshift", "--password", "env:STRANGE_VC", "--name", "strange"}
	_, err = s.run(login...)
	require.Equal(t, 4, exitCode(err), "nothing is trusted unseen")
	shown := regexp.MustCompile(`--fingerprint ([0-9A-F:]+)`).FindStringSubmatch(err.Error())
	require.Len(t, shown, 2, err)
	require.Contains(t, s.must(append(login, "--fingerprint", shown[1])...), "4 hosts")
	s.must("lab", "validate")
	s.must("lab", "check")
	require.Contains(t, s.must("lab", "graph"), "4 guests in any order")
	require.Contains(t, s.must("lab", "role"), "Get-VIPrivilege")
	s.start()
	require.Contains(t, s.must("plan", "power-down"), "Nothing to do", "it has no BMC yet, so nothing may go down")
	s.stop()

	s.fillIn()
	s.must("lab", "validate")
	s.must("lab", "trust", "--yes")
	s.must("lab", "check")
	s.start()
	require.Contains(t, s.must("plan", "power-down"), "3 hosts, 2 guests")
	s.must("run", "power-down", "--yes")
	s.requirePower("Off", []string{"GracefulShutdown"}, []string{"GracefulShutdown", "ForceOff"}, []string{"GracefulShutdown"})
	s.must("run", "power-up", "--yes")
	s.must("schedule", "add", "nightly", "power-down", "--cron", "0 23 * * *")
	require.Contains(t, s.must("schedule", "list"), "nightly")
	require.Contains(t, s.must("report", "latest"), "power-up")
}

// fillIn answers the questions of the imported file, as a person does in an editor.
func (s *strangeLab) fillIn() {
	b, err := os.ReadFile(s.labFile)
	require.NoError(s.t, err)
	text := string(b)
	bmc := `bmc: {url: "%s", insecure: true, user: root, password: env:STRANGE_BMC, system: /redfish/v1/Systems/%s}`
	for host, line := range map[string]string{
		"DC0_C0_H0": fmt.Sprintf(bmc, s.shared.URL, "one"),
		"DC0_C0_H1": fmt.Sprintf(bmc, s.shared.URL, "two"),
		"DC0_C0_H2": fmt.Sprintf(`bmc: {url: "%s", insecure: true}`, s.single.URL),
	} {
		question := regexp.MustCompile(`(?m)^(  - name: ` + host + `\n)    keep: true # \? .*\n    # bmc: .*$`)
		require.Regexp(s.t, question, text)
		text = question.ReplaceAllString(text, "${1}    "+line)
	}
	policy := regexp.MustCompile(`(?m)^    noTools: ask$`)
	require.Regexp(s.t, policy, text)
	text = policy.ReplaceAllString(text, "    noTools: powerOff\n  host: {noRights: graceful, timeout: 5s, onTimeout: forceOff, boot: 10s}")
	require.NoError(s.t, os.WriteFile(s.labFile, []byte(text), 0o600))
}
