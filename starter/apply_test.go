package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/runapi"
)

// declare writes the schedules into the lab file of the console.
func declare(t *testing.T, schedules string) {
	t.Helper()
	writeLab(t, "lab.yaml", "home")
	b, err := os.ReadFile("lab.yaml")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile("lab.yaml", append(b, []byte("\nschedules:\n"+schedules)...), 0o600))
}

const nightlyAndWeekly = `
  - name: nightly
    runbook: power-down
    calendar: every day at 23:00
    zone: Europe/Berlin
  - name: weekly
    runbook: power-up
    cron: "0 6 * * 1"
    zone: UTC
    parameters: {tag: StartUp}
    onFailure: skip
`

func TestApply(t *testing.T) {
	lab := &fakeLab{scheds: []runapi.Schedule{{Name: "mine", Lab: "home", Runbook: "power-up", Cron: "0 6 * * *", Zone: "UTC"}}}
	c := newConsole(t, lab)
	declare(t, nightlyAndWeekly)
	require.Equal(t, exitUsage, c.run("apply", "--yes", "--check"))
	require.Equal(t, exitPartial, c.run("apply", "--check"), c.stderr)
	require.Len(t, lab.scheds, 1)
	require.Equal(t, exitRefused, c.run("apply"), "nobody answers")
	require.Len(t, lab.scheds, 1)
	c.in = strings.NewReader("no\n")
	require.Equal(t, exitRefused, c.run("apply"))
	require.Len(t, lab.scheds, 1)
	c.in = strings.NewReader("yes\n")
	require.Equal(t, exitDone, c.run("apply"), c.stderr)
	require.Equal(t, `+ schedule nightly: power-down, every day at 23:00 Europe/Berlin
+ schedule weekly: power-up tag=StartUp, "0 6 * * 1" UTC, on failure skip
Left alone, as made by hand: mine.
2 to add, 0 to change, 0 to remove.
Done: 2 added, 0 changed, 0 removed.
`, c.stdout.String())
	require.Len(t, lab.scheds, 3)
	require.True(t, lab.scheds[1].Declared)

	require.Equal(t, exitDone, c.run("apply", "--check"), c.stdout)
	require.Contains(t, c.stdout.String(), "are as the lab file declares them")
	require.Equal(t, exitDone, c.run("schedule", "pause", "nightly", "--reason", "holidays"))
	require.Equal(t, exitDone, c.run("apply", "--check"), "who has paused it may, as the file says nothing")

	declare(t, strings.Replace(nightlyAndWeekly, "every day at 23:00", "weekdays at 22:30\n    paused: false\n    jitter: 5m", 1))
	require.Equal(t, exitDone, c.run("apply", "--yes", "-o", "json"), c.stderr)
	var d difference
	require.NoError(t, json.Unmarshal(c.stdout.Bytes(), &d))
	require.Equal(t, difference{Lab: "home", Applied: true, ByHand: []string{"mine"}, Changes: []scheduleChange{{Schedule: "nightly", Change: "change", Fields: []fieldChange{
		{"calendar", "every day at 23:00", "weekdays at 22:30"}, {"jitter", "", "5m0s"}, {"paused", "true", "false"}}}}}, d)
	require.False(t, lab.scheds[1].Paused)
	require.Equal(t, "resumed by ann@desk, as the lab file says", lab.scheds[1].Note)

	declare(t, strings.Replace(nightlyAndWeekly, "runbook: power-down", "runbook: settle", 1))
	require.Equal(t, exitDone, c.run("schedule", "pause", "nightly", "--reason", "holidays"))
	require.Equal(t, exitDone, c.run("apply", "--yes"), c.stderr)
	at := slices.IndexFunc(lab.scheds, func(s runapi.Schedule) bool { return s.Name == "nightly" })
	require.Equal(t, "settle", lab.scheds[at].Runbook)
	require.True(t, lab.scheds[at].Paused, "with another runbook, too")
	require.Contains(t, lab.scheds[at].Note, "holidays")
	declare(t, strings.Replace(nightlyAndWeekly, "every day at 23:00", "weekdays at 22:30\n    paused: false\n    jitter: 5m", 1))
	require.Equal(t, exitDone, c.run("apply", "--yes"), c.stderr)

	declare(t, strings.Replace(nightlyAndWeekly, "runbook: power-down", "runbook: settle", 1)+"    until: \"2027-01-01\"\n")
	require.Equal(t, exitDone, c.run("apply", "--yes"), c.stderr)
	require.Contains(t, c.stdout.String(), "- schedule nightly: power-down, weekdays")
	require.Contains(t, c.stdout.String(), "+ schedule nightly: settle, every day")
	require.Contains(t, c.stdout.String(), "until: (none) -> 2027-01-01")
	require.Equal(t, exitDone, c.run("apply", "--check"), c.stdout)

	writeLab(t, "lab.yaml", "home")
	require.Equal(t, exitDone, c.run("apply", "--yes"), c.stderr)
	require.Len(t, lab.scheds, 1)
	require.Equal(t, "mine", lab.scheds[0].Name)
}

func TestApplyLeavesWhatIsMadeByHand(t *testing.T) {
	lab := &fakeLab{scheds: []runapi.Schedule{{Name: "nightly", Lab: "home", Runbook: "power-down", Calendar: "every day at 23:00", Zone: "Europe/Berlin"}}}
	c := newConsole(t, lab)
	declare(t, nightlyAndWeekly)
	require.Equal(t, exitRefused, c.run("apply", "--yes"))
	require.Contains(t, c.stderr.String(), "schedule nightly was made by hand")
	require.Equal(t, exitRefused, c.run("schedule", "add", "weekly", "power-up", "--cron", "0 6 * * *", "--zone", "UTC"))
	require.Contains(t, c.stderr.String(), "declares schedule weekly: change it there")
	require.Equal(t, exitDone, c.run("schedule", "remove", "nightly"))
	require.Contains(t, c.stderr.String(), "`nightshift apply` makes it again")
	require.Empty(t, lab.scheds)
	declare(t, nightlyAndWeekly+"    until: \"2020-01-01\"\n")
	require.Equal(t, exitDone, c.run("apply", "--yes"), c.stderr)
	require.Len(t, lab.scheds, 1, "what has ended is not begun")
	require.Equal(t, exitDone, c.run("apply", "--check"))
}

// The lab file is held against the catalog, too, with the place of what is wrong.
func TestLabFileAgainstTheCatalog(t *testing.T) {
	c := newConsole(t, &fakeLab{})
	for text, want := range map[string]string{
		"  - {name: a, runbook: power-dwon, cron: 0 6 * * *, zone: UTC}":                                                             `schedules[0].runbook: there is no runbook "power-dwon" (did you mean "power-down"?`,
		"  - {name: a, runbook: power-down, cron: 0 6 * * *, zone: UTC, parameters: {tag: T}}":                                       `schedules[0].parameters.tag: there is no such parameter`,
		"  - {name: a, runbook: power-down, cron: 0 6 * * *, zone: UTC, parameters: {host: \"\"}}":                                   "",
		"  - {name: a, runbook: power-down, calendar: first Sunday at 23:00, zone: UTC}":                                             `schedules[0].calendar: "first Sunday at 23:00": "of the month" is missing (allowed are`,
		"  - {name: a, runbook: power-down, cron: 0 6 * *, zone: UTC}":                                                               `schedules[0].cron: "0 6 * *": five fields`,
		"  - {name: a, runbook: power-down, cron: 0 6 * * *, zone: Mars}":                                                            `schedules[0].zone: the time zone "Mars" is not known`,
		"  - {name: a, runbook: power-down, cron: 0 6 * * *}":                                                                        `schedules[0]: the key "zone" is missing`,
		"  - {name: a, runbook: power-down, zone: UTC}":                                                                              `schedules[0]: it is not said when`,
		"  - {name: a, runbook: power-down, cron: 0 6 * * *, calendar: every day at 6:00, zone: UTC}":                                `keep one of them`,
		"  - {name: a, runbook: power-down, cron: 0 6 * * *, zone: UTC}\n  - {name: a, runbook: settle, cron: 0 6 * * *, zone: UTC}": `the schedule a is here twice`,
		"  - {name: A, runbook: power-down, cron: 0 6 * * *, zone: UTC}":                                                             `is no name for a schedule`,
		"  - {name: a, runbook: power-down, cron: 0 6 * * *, zone: UTC, until: tomorrow}":                                            `"tomorrow" is no day`,
		"  - {name: a, runbook: power-down, cron: 0 6 * * *, zone: UTC, jitter: 24h}":                                                `24h0m0s is too long`,
	} {
		declare(t, text+"\n")
		code := c.run("lab", "validate")
		if want == "" {
			require.Equal(t, exitDone, code, c.stderr)
			continue
		}
		require.Equal(t, exitFailed, code, text)
		require.Contains(t, c.stderr.String(), want)
		require.Regexp(t, `lab\.yaml:\d+:\d+: `, c.stderr.String())
	}
}

// So are the names that schedules give to runbooks: not first at night.
func TestSchedulesNameWhatTheLabFileHas(t *testing.T) {
	c := newConsole(t, &fakeLab{})
	for _, x := range []struct{ runbook, given, want string }{
		{"replicate", "group=mail", ""},
		{"replicate", "group=mails", `.group: there is no protection group "mails"; did you mean "mail"?`},
		{"prune", "group=web", `.group: there is no protection group "web"; there are mail`},
		{"vmfs-backup", "on=ss1", ""},
		{"vmfs-backup", "on=ss9", `.on: the lab file has no storage host "ss9"; it has: ss1`},
		{"vmfs-backup", "site=away", `.site: no storage host of the lab file is at a site "away"`},
	} {
		storageAlone(t)
		b, err := os.ReadFile("lab.yaml")
		require.NoError(t, err)
		parameter, value, _ := strings.Cut(x.given, "=")
		entry := fmt.Sprintf("schedules:\n  - {name: a, runbook: %s, cron: 0 6 * * *, zone: UTC, parameters: {%s: %s}}\n", x.runbook, parameter, value)
		require.NoError(t, os.WriteFile("declared.yaml", append(b, entry...), 0o600))
		declared := c.run("lab", "validate", "--lab", "declared.yaml")
		if x.want != "" {
			require.Regexp(t, `declared\.yaml:\d+:\d+: schedules\[0\]\.parameters`+regexp.QuoteMeta(x.want), c.stderr.String())
		}
		added := c.run("schedule", "add", "b-"+value, x.runbook, "--cron", "0 6 * * *", "--zone", "UTC", "-p", x.given)
		if x.want == "" {
			require.Equal(t, exitDone, declared)
			require.Equal(t, exitDone, added, c.stderr)
			continue
		}
		require.Equal(t, exitFailed, declared)
		require.Equal(t, exitUsage, added)
		_, text, _ := strings.Cut(x.want, ": ")
		require.Contains(t, c.stderr.String(), text)
	}
}

// A lab file that lies around is not that of the engine that was named: what it does not declare is none of its business.
func TestApplyIsRefusedOnAnotherLab(t *testing.T) {
	for name, args := range map[string][]string{"simulated": nil, "named": {"--state-dir"}} {
		t.Run(name, func(t *testing.T) {
			lab := &fakeLab{scheds: []runapi.Schedule{{Name: "nightly", Lab: "served", Runbook: "power-down", Calendar: "every day at 23:00", Zone: "Europe/Berlin", Declared: true}}}
			c := newConsole(t, lab)
			declare(t, nightlyAndWeekly)
			state, env := t.TempDir(), fakeEnv{"XDG_CONFIG_HOME": t.TempDir()}
			if name == "simulated" {
				published(t, simulatedDir(state), "127.0.0.1:4002", "served")
				env["NIGHTSHIFT_STATE_DIR"] = state
			} else {
				args = append(args, published(t, state, "127.0.0.1:4002", "served"))
			}
			c.env = env
			require.Equal(t, exitRefused, c.run(append(args, "apply", "--yes")...), c.stdout)
			require.Contains(t, c.stderr.String(), "describes lab home, and the nightshift that runs here serves lab served: nothing is changed")
			require.Equal(t, "served", lab.scheds[0].Lab)
			require.Len(t, lab.scheds, 1)
			require.Equal(t, exitDone, c.run(append(args, "schedule", "add", "weekly", "power-up", "--cron", "0 6 * * *", "--zone", "UTC")...), c.stderr)
			require.Len(t, lab.scheds, 2, "what the other file declares is another lab's")
		})
	}
}

// Values that look alike in a line are told apart.
func TestApplySeesEveryParameter(t *testing.T) {
	a := runapi.Schedule{Parameters: map[string]string{"cluster": "a tag=b"}}
	b := runapi.Schedule{Parameters: map[string]string{"cluster": "a", "tag": "b"}}
	require.Equal(t, []fieldChange{{"parameters", "cluster='a tag=b'", "cluster=a tag=b"}}, fieldsThatDiffer(a, b))
}
