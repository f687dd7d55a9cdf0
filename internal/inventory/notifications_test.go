package inventory_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

const channels = `lab: home
notifications:
  channels:
    - name: mail
      url: env:MAIL
    - name: phone
      url: file:secrets/ntfy
      on: [blocked, done]
      runbooks: [power-up]
      title: "{{.Lab}}"
      text: |
        {{.Subject}}
        {{range .Steps}}- {{.Title}}
        {{end}}
`

func TestChannelsAndWhatTheyWant(t *testing.T) {
	l, err := inventory.Parse("lab.yaml", []byte(replace(t, "lab: home", channels)))
	require.NoError(t, err)
	require.Equal(t, plan.Duration(24*time.Hour), l.Notifications.DebtsAfter)
	mail, ok := l.Channel("mail")
	require.True(t, ok)
	phone, ok := l.Channel("phone")
	require.True(t, ok)
	require.Contains(t, phone.Text, "\n", "a template may have lines")
	_, ok = l.Channel("fax")
	require.False(t, ok)
	for _, e := range runapi.Events() {
		needs := e != runapi.EventDone
		require.Equal(t, needs, mail.Wants(e, "power-down"), e)
		require.Equal(t, needs, mail.Wants(e, ""), e)
		require.Equal(t, e == runapi.EventBlocked || e == runapi.EventDone, phone.Wants(e, "power-up"), e)
		require.False(t, phone.Wants(e, "power-down"), e)
	}
	require.True(t, phone.Wants(runapi.EventBlocked, ""), "what is about no runbook is told in any case")
}

func TestBadNotifications(t *testing.T) {
	const at = "notifications.channels"
	change := func(old, text string) string { return strings.Replace(channels, old, text, 1) }
	for _, b := range []bad{
		{name: "a password", text: change("env:MAIL", "smtp://u:hunter2@mail"), place: "5:12", field: at + "[0].url", says: []string{"not a reference", "env:NAME"}},
		{name: "no URL", text: change("      url: env:MAIL\n", ""), place: "4:7", field: at + "[0]", says: []string{`the key "url" is missing`}},
		{name: "a name twice", text: change("name: phone", "name: mail"), place: "6:13", field: at + "[1].name", says: []string{"channel mail is here twice"}},
		{name: "a strange name", text: change("name: phone", "name: my phone"), place: "6:13", field: at + "[1].name", says: []string{"is no name"}},
		{name: "an event", text: change("blocked,", "blockd,"), place: "8:12", field: at + "[1].on[0]", says: []string{`no event "blockd"`, `did you mean "blocked"?`, "approval"}},
		{name: "an event twice", text: change("blocked,", "done,"), place: "8:18", field: at + "[1].on[1]", says: []string{"done is here twice"}},
		{name: "no events", text: change("[blocked, done]", "[]"), place: "8:7", field: at + "[1].on", says: []string{"the list is empty"}},
		{name: "a runbook", text: change("[power-up]", "[powerup]"), place: "9:18", field: at + "[1].runbooks[0]", says: []string{`no runbook "powerup"`, `did you mean "power-up"?`}},
		{name: "a broken template", text: change("{{.Lab}}", "{{.Lab"), place: "10:14", field: at + "[1].title", says: []string{"template does not work", "unclosed action"}},
		{name: "an unknown field", text: change("{{.Subject}}", "{{.Password}}"), place: "11:13", field: at + "[1].text", says: []string{"template does not work", "Password"}},
		{name: "an endless one", text: change("{{.Subject}}", "{{template `template` .}}"), place: "11:13", field: at + "[1].text", says: []string{"template does not work", "not allowed"}},
		{name: "an empty template", text: change(`"{{.Lab}}"`, `" "`), place: "10:14", field: at + "[1].title", says: []string{"empty"}},
		{name: "two lines", text: change("name: mail", "name: |\n        mail"), place: "4:13", field: at + "[0].name", says: []string{"more than one line"}},
		{name: "no channels", text: "lab: home\nnotifications: {channels: []}", place: "2:17", field: at, says: []string{"no channel"}},
		{name: "a time", text: "lab: home\nnotifications: {debtsAfter: never}", place: "2:29", field: "notifications.debtsAfter", says: []string{"not a duration"}},
	} {
		b.old = "lab: home"
		b.run(t)
	}
}

func TestAChannelMayBeOfARunbookOfOnesOwn(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "lab.yaml")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "runbooks"), 0o700))
	require.NoError(t, os.WriteFile(path, []byte(replace(t, "lab: home", strings.Replace(channels, "[power-up]", "[tidy]", 1))), 0o600))
	_, err := inventory.Load(path)
	require.ErrorContains(t, err, `there is no runbook "tidy"`)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "runbooks", "tidy.yaml"), nil, 0o600))
	l, err := inventory.Load(path)
	require.NoError(t, err)
	phone, _ := l.Channel("phone")
	require.True(t, phone.Wants(runapi.EventBlocked, "tidy"))
}
