//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/test/command"
)

// TestFromNothingToAReport goes the way of somebody who has a vCenter, its user, and nothing else, and types what the README says, line
// by line: import, fill in what only a person knows, trust, check, plan, run, schedule, report. Nothing of the lab is ours.
func TestFromNothingToAReport(t *testing.T) {
	s := newStrangeLab(t)
	t.Setenv("VC_PASSWORD", "strange-vc-secret")
	t.Setenv("BMC_PASSWORD", "strange-bmc-secret")
	typed, err := os.ReadFile(s.labFile)
	require.NoError(t, err)
	vcenter := regexp.MustCompile(`url: https://(\S+)`).FindStringSubmatch(string(typed))[1]
	require.NoError(t, os.Remove(s.labFile))
	mine := strings.NewReplacer("vcenter.example.com", vcenter, "nightshift@vsphere.local", "nightshift")

	_, err = s.run("lab", "import", "--vcenter", vcenter, "--user", "nightshift", "--password", "env:VC_PASSWORD")
	require.Equal(t, 4, exitCode(err), "nothing is trusted unseen")
	require.Regexp(t, `--fingerprint ([0-9A-F]{2}:){31}[0-9A-F]{2}`, err.Error())

	said := map[string]string{}
	after := map[string]func(){
		"lab import": func() {
			require.Contains(t, said["lab import"], "4 hosts")
			s.allIsKept()
		},
		"lab graph":       func() { require.Contains(t, said["lab graph"], "4 guests in any order") },
		"plan power-down": func() { require.Contains(t, said["plan power-down"], "3 hosts, 2 guests") },
		"run power-down":  func() { s.requirePower("Off", gentle, harsh, gentle) },
		"run power-up":    func() { s.requirePower("On", append(gentle, "On"), append(harsh, "On"), append(gentle, "On")) },
		"schedule list": func() {
			require.Regexp(t, `nightly +power-down\n +when +every day at 23:00 Europe/Prague\n`, said["schedule list"])
		},
		"schedule trigger": func() { s.requirePower("Off", twice(gentle), twice(harsh), twice(gentle)) },
		"report latest": func() {
			require.Contains(t, said["report latest"], "Power down lab ")
			require.Regexp(t, `(?s)\nAsked by +schedule nightly\n.*\nOutcome +done\n`, said["report latest"])
		},
	}
	guide, err := os.ReadFile("../../docs/start.md")
	require.NoError(t, err)
	for _, line := range tenMinutes(t) {
		words := wordsOf(t, mine.Replace(line))
		switch {
		case words[0] == "go" || words[0] == "export": // done before
		case words[0] == "$EDITOR":
			s.fillIn()
		case line == "nightshift serve":
			s.start()
		default:
			require.Equal(t, "nightshift", words[0], line)
			require.Contains(t, string(guide), strings.TrimSuffix(line, " --password env:VC_PASSWORD"), "what the README says in short, start.md says at length")
			what := strings.Join(words[1:3], " ")
			said[what] = s.answer("yes\n", words[1:]...)
			if look := after[what]; look != nil {
				look()
				delete(after, what)
			}
		}
	}
	require.Empty(t, after, "the README leaves nothing of it out")
	require.Contains(t, s.must("lab", "role"), "Get-VIPrivilege")
}

// What a BMC is told in one power-down: two of them obey, one is deaf.
var (
	gentle = []string{"GracefulShutdown"}
	harsh  = []string{"GracefulShutdown", "ForceOff"}
)

// twice is what it is told down, up and down again.
func twice(down []string) []string { return slices.Concat(down, []string{"On"}, down) }

// tenMinutes are the lines of the README that one types, without what they say about themselves.
func tenMinutes(t *testing.T) (lines []string) {
	t.Helper()
	b, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, text, ok := strings.Cut(string(b), "\n## Ten minutes to a real lab\n")
	require.True(t, ok)
	_, text, ok = strings.Cut(text, "\n```\n")
	require.True(t, ok)
	text, _, _ = strings.Cut(text, "\n```\n")
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "  #")
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

// wordsOf parts a line as a shell does, as far as the README needs it.
func wordsOf(t *testing.T, line string) (words []string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`"([^"]*)"|(\S+)`).FindAllStringSubmatch(line, -1) {
		words = append(words, m[1]+m[2])
	}
	require.NotEmpty(t, words)
	return words
}

// answer types a command and its answers.
func (s *strangeLab) answer(answers string, args ...string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), s.patience)
	defer cancel()
	res := command.Answer(ctx, strings.NewReader(strings.Repeat(answers, 20)), binary, append(args, "--state-dir", s.state(), "--lab", s.labFile)...)
	require.NoError(s.t, res.Failed)
	return res.Out + res.Err
}

// allIsKept: as imported, nothing has a BMC, so nothing may go down; and of what nobody touches nobody says that it is up, or down.
func (s *strangeLab) allIsKept() {
	s.t.Helper()
	s.start()
	for _, runbook := range []string{"power-down", "power-up"} {
		for _, typed := range [][]string{{"plan", runbook}, {"run", runbook, "--yes"}, {"report", "latest"}, {"report", "latest", "-o", "html"}} {
			out := s.must(typed...)
			require.Contains(s.t, out, "Nothing to do: everything is left alone (keep: true)", "%s", typed)
			require.NotRegexp(s.t, ` is (down|up)\b|back up|nightshift run`, out, "%s", typed)
		}
	}
	s.requirePower("On", nil, nil, nil)
	s.stop()
}

// fillIn answers the questions of the imported file, as a person does in an editor.
func (s *strangeLab) fillIn() {
	b, err := os.ReadFile(s.labFile)
	require.NoError(s.t, err)
	text := string(b)
	bmc := `bmc: {url: "%s", insecure: true, user: root, password: env:BMC_PASSWORD, system: /redfish/v1/Systems/%s}`
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
