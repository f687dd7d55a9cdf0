package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// storageAlone makes the console's lab file one of two storage hosts, a group mail and further groups. The hosts do not answer.
func storageAlone(t *testing.T, groups ...string) {
	t.Helper()
	const ssh = "user: zfsadm, hostKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ"
	text := "lab: home\nself: {outside: true}\nstorageHosts:\n" +
		"  - {name: ss1, ssh: {address: \"127.0.0.1:1\", " + ssh + "}, target: {kind: lio, portal: 10.0.0.1}}\n" +
		"  - {name: ss2, ssh: {address: \"127.0.0.1:1\", " + ssh + "}}\n" +
		"protectionGroups:\n  - {name: mail, source: {host: ss1, datasets: [tank/mail]}, target: {host: ss2, under: backup/ss1}, every: 1h}\n"
	for _, g := range groups {
		text += "  - {name: " + g + ", source: {host: ss1, datasets: [tank/" + g + "]}, target: {host: ss2, under: backup/ss1}, every: 1h}\n"
	}
	require.NoError(t, os.WriteFile("lab.yaml", []byte(text), 0o600))
}

func TestCommandsOfALabOfStorageHostsAlone(t *testing.T) {
	c := newConsole(t, &fakeLab{})
	storageAlone(t)
	require.Equal(t, exitDone, c.run("lab", "validate"), c.stderr)
	require.Contains(t, c.stdout.String(), "is valid: lab home, 2 storage hosts.\n")

	require.Equal(t, exitDone, c.run("lab", "show"), c.stderr)
	_, shown, _ := strings.Cut(c.stdout.String(), "\n\n")
	require.Equal(t, `STORAGE HOST  SITE  ADDRESS      USER    TARGET
ss1           home  127.0.0.1:1  zfsadm  lio 10.0.0.1:3260
ss2           home  127.0.0.1:1  zfsadm  none

GROUP  FROM            TO
mail   ss1: tank/mail  ss2: backup/ss1  every 1h
`, shown)

	require.Equal(t, exitDone, c.run("lab", "graph"), c.stderr)
	require.Contains(t, c.stdout.String(), "There are no guests to start.")
	require.Empty(t, c.stderr.String())
	for _, format := range []string{"dot", "mermaid", "json"} {
		require.Equal(t, exitDone, c.run("lab", "graph", "-o", format), c.stderr)
	}

	require.Equal(t, exitDone, c.run("lab", "role"), c.stderr)
	require.Contains(t, c.stdout.String(), "-principal nightshift@vsphere.local", "there is no other user to give the role to")

	require.Equal(t, exitFailed, c.run("lab", "check", "-o", "json"))
	var got struct{ Checks []checkRow }
	require.NoError(t, json.Unmarshal(c.stdout.Bytes(), &got))
	for _, r := range got.Checks {
		require.NotContains(t, r.Subject, "vCenter")
		require.Equal(t, strings.HasPrefix(r.Subject, "storage host ss"), r.State == checkFail, "%+v", r)
	}
	require.Len(t, got.Checks, 3)
	require.Equal(t, exitDone, c.run("status"), c.stderr)
}

// What comes next after an import stands in two columns, however long the commands are.
func TestNextStepsOfAnImportAreAligned(t *testing.T) {
	c := newConsole(t, &fakeLab{})
	storageAlone(t)
	text, err := os.ReadFile("lab.yaml")
	require.NoError(t, err)
	c.run("version")
	c.stdout.Reset()
	require.NoError(t, c.writeImported("new.yaml", text, false, []nextStep{{"nightshift lab trust", "a"}, {"nightshift lab record zfsadm@ss2.lab:2222", "b"}}))
	require.Equal(t, `Wrote new.yaml: lab home, 2 storage hosts.

Next:
  nightshift lab trust --lab new.yaml                       a
  nightshift lab record zfsadm@ss2.lab:2222 --lab new.yaml  b
`, c.stdout.String())
	c.stdout.Reset()
	require.NoError(t, c.writeImported("lab.yaml", text, true, []nextStep{{"nightshift lab trust", "a"}}))
	require.Contains(t, c.stdout.String(), "Next:\n  nightshift lab trust  a\n", "where commands look by themselves")
}
