package inventory_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
)

const watchedLab = `
lab: home
self: {outside: true}
vcenters: [{name: vc, url: "https://vc", user: u, password: "env:P"}]
hosts: [{name: esx1}]
runbooks: {power-down: {silence: always}, power-up: {silence: never}}
monitoring:
`

func TestMonitoring(t *testing.T) {
	lab, err := inventory.Parse("lab.yaml", []byte(watchedLab+`
  - name: zabbix
    secrets: {TOKEN: "env:ZABBIX"}
    silence:
      url: https://zabbix.example/api?t=${TOKEN}
      headers: {Authorization: "Bearer ${TOKEN}"}
      body: |
        {"for": "12h",
         "who": "${TOKEN}"}
    resume: {url: "https://zabbix.example/api", method: DELETE}
  - name: icinga
    silence: {run: [/usr/local/bin/quiet, "for", 12h]}
    resume: {run: [quiet, end], at: {address: mon, user: u, hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"}}
`))
	require.NoError(t, err)
	m, ok := lab.MonitoringHook("zabbix")
	require.True(t, ok)
	require.Contains(t, m.Silence.Body, "\n")
	require.True(t, lab.AsksByName())
	for runbook, want := range map[string][2]bool{"power-down": {true, true}, "power-up": {false, false}, "settle": {false, true}} {
		require.Equal(t, want, [2]bool{lab.Silences(runbook, false), lab.Silences(runbook, true)}, runbook)
	}
}

func TestMonitoringThatIsWrong(t *testing.T) {
	const key = `hostKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"`
	for silence, want := range map[string]string{
		`{}`:                                                         "it is not said what to do",
		`{url: "https://x", run: [y]}`:                               "there is a url and a command",
		`{url: "http://x"}`:                                          "clear text",
		`{url: "https://x", insecure: true}`:                         "insecure: true is for http:// only",
		`{url: "ftp://x"}`:                                           "does not begin with https://",
		`{url: "https://u:secret-word@x"}`:                           "the URL holds a login",
		`{url: "https://${T}/x"}`:                                    "the host of the URL is a secret",
		`{url: "https://x:99999/"}`:                                  "this is no URL",
		`{url: "https://x/${U}"}`:                                    `there is no secret "U"`,
		`{url: "https://x", body: "${U}"}`:                           `there is no secret "U"`,
		`{url: "https://x", headers: {"a b": c}}`:                    `"a b" is no name of a header`,
		`{url: "https://x", method: FETCH}`:                          `"FETCH" is not allowed`,
		`{url: "https://x", tls: {fingerprint: "12"}}`:               "no SHA-256 fingerprint",
		`{url: "https://x", at: {address: h, user: u, ` + key + `}}`: "a machine is for a command",
		`{run: []}`:                                                  "there is no command",
		`{run: ["quiet for 12h"]}`:                                   "one word with blanks",
		`{run: [quiet], body: x}`:                                    "this is for a url",
		`{run: [quiet], at: {address: h, ` + key + `}}`:              "it is not said who logs in there",
		`{run: [quiet], at: {address: h, user: u}}`:                  "its host key is not recorded",
	} {
		_, err := inventory.Parse("lab.yaml", []byte(watchedLab+"  - {name: a, secrets: {T: \"env:T\"}, silence: "+silence+", resume: {run: [x]}}\n"))
		require.ErrorContains(t, err, want, silence)
		require.NotContains(t, err.Error(), "secret-word")
		require.Equal(t, 1, strings.Count(err.Error(), "lab.yaml:")-strings.Count(want, "lab.yaml:"), "%s", err)
	}
	_, err := inventory.Parse("lab.yaml", []byte(watchedLab+"  - {name: a, secrets: {\"1\": \"env:T\", U: word}, silence: {run: [x]}, resume: {run: [x]}}\n  - {name: a, silence: {run: [x]}, resume: {run: [x]}}\n"))
	require.ErrorContains(t, err, `"1" is no name of a secret`)
	require.ErrorContains(t, err, "this is not a reference to a secret")
	require.ErrorContains(t, err, "the monitoring a is here twice")
}
