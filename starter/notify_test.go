package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// withChannels gives the lab file of the console channels.
func withChannels(t *testing.T, c *console) {
	t.Helper()
	b, err := os.ReadFile("lab.yaml")
	require.NoError(t, err)
	b = append(b, []byte("\nnotifications:\n  channels:\n    - {name: hook, url: \"env:HOOK_URL\"}\n    - {name: phone, url: \"env:PHONE_URL\", on: [blocked, done], runbooks: [power-up]}\n")...)
	require.NoError(t, os.WriteFile("lab.yaml", b, 0o600))
}

func TestNotifyList(t *testing.T) {
	c := newConsole(t, &fakeLab{})
	require.Equal(t, exitDone, c.run("notify", "list"), c.stderr)
	require.Contains(t, c.stdout.String(), "tells nobody")
	require.Equal(t, exitUsage, c.run("notify", "test"))
	require.Contains(t, c.stderr.String(), "the lab file has no notifications")

	withChannels(t, c)
	c.stdout.Reset()
	require.Equal(t, exitDone, c.run("notify", "list"), c.stderr)
	require.Regexp(t, `(?m)^phone\s+env:PHONE_URL\s+blocked done\s+power-up$`, c.stdout.String())
	require.Regexp(t, `(?m)^hook\s+env:HOOK_URL\s+approval blocked stale .* hold ups message\s+all$`, c.stdout.String())
	c.stdout.Reset()
	require.Equal(t, exitDone, c.run("notify", "list", "-o", "json"), c.stderr)
	var list []channelInfo
	require.NoError(t, json.Unmarshal(c.stdout.Bytes(), &list))
	require.Equal(t, channelInfo{"phone", "env:PHONE_URL", []string{"blocked", "done"}, []string{"power-up"}}, list[1])
}

func TestNotifyTest(t *testing.T) {
	const token = "tk-very-secret-4711"
	var got atomic.Value
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got.Store(string(b))
		if r.URL.Path == "/no" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer srv.Close()
	c := newConsole(t, &fakeLab{})
	withChannels(t, c)
	t.Setenv("HOOK_URL", "generic+"+srv.URL+"/"+token)
	t.Setenv("PHONE_URL", "generic+"+srv.URL+"/no?$token="+token)

	require.Equal(t, exitDone, c.run("notify", "test", "hook"), c.stderr)
	require.Regexp(t, `(?m)^ok\s+hook\s+sent$`, c.stdout.String())
	require.Contains(t, got.Load(), "A test of channel hook")

	c.stdout.Reset()
	require.Equal(t, exitFailed, c.run("notify", "test"))
	require.Regexp(t, `(?m)^ok\s+hook\s+sent$`, c.stdout.String())
	require.Regexp(t, `(?m)^FAILED\s+phone\s+\(generic 127.0.0.1\): .*401 Unauthorized`, c.stdout.String())
	require.Contains(t, c.stderr.String(), "no message through 1 channel")
	require.NotContains(t, c.stdout.String()+c.stderr.String(), token)

	c.stdout.Reset()
	require.Equal(t, exitFailed, c.run("notify", "test", "-o", "json"))
	var list []sending
	require.NoError(t, json.Unmarshal(c.stdout.Bytes(), &list))
	require.True(t, list[0].Sent)
	require.False(t, list[1].Sent)

	require.Equal(t, exitUsage, c.run("notify", "test", "fax"))
	require.Contains(t, c.stderr.String(), `there is no channel "fax"; the lab file has hook, phone`)
}

func TestLabCheckLooksAtChannels(t *testing.T) {
	c := newConsole(t, &fakeLab{})
	withChannels(t, c)
	t.Setenv("HOOK_URL", "generic+http://127.0.0.1:1/tk-very-secret-4711")
	t.Setenv("PHONE_URL", "")
	lab, err := c.loadLab()
	require.NoError(t, err)
	rows := checkChannel(t.Context(), lab.Notifications.Channels[0], lab.Dir)
	require.Equal(t, []checkRow{{"channel hook", "URL", checkWarn, "generic 127.0.0.1, unencrypted", "use TLS where the server has it"}}, rows)
	rows = checkChannel(t.Context(), lab.Notifications.Channels[1], lab.Dir)
	require.Equal(t, []checkRow{{"channel phone", "URL", checkFail, "the environment variable PHONE_URL is not set, or empty", "set PHONE_URL where `nightshift serve` runs (and here)"}}, rows)
	t.Setenv("PHONE_URL", "ntfy://ntfy.example/topic")
	rows = checkChannel(t.Context(), lab.Notifications.Channels[1], lab.Dir)
	require.Equal(t, checkOK, rows[0].State)
	c.warnOfSecrets(t.Context(), lab)
	require.NotContains(t, c.stderr.String(), "URL of channel")
	t.Setenv("PHONE_URL", "")
	c.warnOfSecrets(t.Context(), lab)
	require.Contains(t, c.stderr.String(), "Warning: the URL of channel phone: the environment variable PHONE_URL is not set")
}
