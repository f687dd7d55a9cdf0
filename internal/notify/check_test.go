package notify

import (
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

func TestCheckSendsNothing(t *testing.T) {
	m, w := newMailServer(t), newWebServer(t, false)
	for url, c := range map[string]struct {
		where string
		plain bool
	}{
		m.url("u:" + password + "@"):  {"smtp 127.0.0.1", false},
		m.url("") + "&usestarttls=no": {"smtp 127.0.0.1", true},
		"ntfy://u:" + password + "@" + w.address() + "/my-secret-topic?scheme=http":               {"ntfy 127.0.0.1", true},
		"ntfy://ntfy.example/my-secret-topic":                                                     {"ntfy ntfy.example", false},
		"generic+http://" + w.address() + "/" + password:                                          {"generic 127.0.0.1", true},
		"generic+https://hook.example/" + password:                                                {"generic hook.example", false},
		"matrix://u:" + password + "@" + w.address() + "/?rooms=a&disabletls=yes":                 {"matrix 127.0.0.1", true},
		"slack://hook:T12345678-B12345678-abcdefghijklmnopqrstuvwx@webhook":                       {"slack", false},
		"telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaws@telegram?chats=-1009876543210":  {"telegram", false},
		"pushover://shoutrrr:azGDORePK8gMaC0QOYAMyEEuzJnyUi@uQiRzpo4DXghDmr9QzzfQu27cmVRsG":       {"pushover", false},
		"discord://tokentokentoken1@123456789012345678":                                           {"discord", false},
		"gotify://gotify.example:8443/path/AbcdefghijklmnO":                                       {"gotify gotify.example", false},
		"smtp://mail.example:587/?from=a@b.example&to=c@d.example&requirestarttls=yes&auth=Login": {},
	} {
		where, plain, err := Check(t.Context(), channel(t, url), t.TempDir())
		if c.where == "" {
			require.ErrorIs(t, err, fault.Invalid, url)
			continue
		}
		require.NoError(t, err, url)
		require.Equal(t, c.where, where)
		require.Equal(t, c.plain, plain, url)
	}
	require.Zero(t, m.count(), "no server was asked")
	require.Empty(t, w.got)
}

func TestWhatIsWrongWithAURL(t *testing.T) {
	for name, c := range map[string]struct{ url, says string }{
		"no URL":             {"hello " + password, "is no URL"},
		"a broken one":       {"smtp://u:%zz" + password + "@mail", "is no URL"},
		"no service":         {"https://hooks.slack.com/" + password, "does not begin with the name of a service"},
		"nearly one":         {"slak://hook:" + password + "@webhook", `did you mean "slack"?`},
		"no recipient":       {"smtp://u:" + password + "@mail.example/?from=a@b.example", "its URL is not right: toAddress missing"},
		"unknown key":        {"smtp://u:" + password + "@mail.example/?from=a@b.example&to=c@d.example&colour=red", "colour"},
		"no topic":           {"ntfy://u:" + password + "@ntfy.example", "topic is required"},
		"any certificate":    {"smtp://u:" + password + "@mail.example/?from=a@b.example&to=c@d.example&SkipTLSVerify=Yes", "accept any certificate"},
		"any, of ntfy":       {"ntfy://u:" + password + "@ntfy.example/t?disabletlsverification=1", "accept any certificate"},
		"any, of gotify":     {"gotify://g.example/AbcdefghijklmnO?insecureskipverify=true", "accept any certificate"},
		"HTML":               {"smtp://mail.example/?from=a@b.example&to=c@d.example&usehtml=yes", "plain text"},
		"logger":             {"logger://", "does not begin with the name of a service"},
		"webhook of no kind": {"ntfy+https://ntfy.example/" + password, "takes no URL of a webhook"},
		"slack's token":      {"slack://hook:" + password + "@webhook", "its URL is not right"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, f := range []func(inventory.Channel) error{
				func(ch inventory.Channel) error { _, _, err := Check(t.Context(), ch, t.TempDir()); return err },
				func(ch inventory.Channel) error { return New().Send(t.Context(), ch, t.TempDir(), message) },
			} {
				err := f(channel(t, c.url))
				require.ErrorIs(t, err, fault.Invalid)
				require.ErrorContains(t, err, c.says)
				require.ErrorContains(t, err, "channel mine")
				requireSilent(t, err)
			}
		})
	}
}

func TestASecretThatCannotBeHad(t *testing.T) {
	ch := inventory.Channel{Name: "mine", URL: "env:NO_SUCH_VARIABLE_HERE"}
	err := New().Send(t.Context(), ch, t.TempDir(), message)
	require.ErrorIs(t, err, fault.Invalid)
	require.ErrorContains(t, err, "channel mine: the environment variable NO_SUCH_VARIABLE_HERE is not set")
}

func TestLongAndStrangeMessages(t *testing.T) {
	a := &address{scheme: "ntfy"}
	require.Equal(t, "(no text)", a.text(" \n\n"))
	long := a.text(strings.Repeat("é", 2000) + "\n" + strings.Repeat("line\n", 2000))
	require.LessOrEqual(t, len(long), maxAll+len("\n…"))
	require.True(t, strings.HasSuffix(long, "…"))
	require.Equal(t, maxTitle, len([]rune(a.title(strings.Repeat("é", 500)))))
	require.NotContains(t, a.text("turned \u202eround\x1b[31m"), "\u202e")
	require.NotContains(t, a.text("turned \u202eround\x1b[31m"), "\x1b")
}

// Whatever stands in the URL: no panic, and no error that tells the login or the token.
func FuzzURL(f *testing.F) {
	for _, s := range []string{
		"smtp://u:secret-word@mail.example:587/?from=a@b.example&to=c@d.example", "ntfy://u:secret-word@ntfy.example/topic?scheme=http",
		"slack://hook:T12345678-B12345678-secretword1234567890abcd@webhook", "generic+https://hook.example/secret-word?template=json&@head=secret-word",
		"teams://secret-word@tenant/alt/owner?host=a.webhook.office.com", "matrix://u:secret-word@m.example/?rooms=a", "telegram://1:secret-word@telegram?chats=1",
		"gotify://g.example/secret-word", "discord://secret-word@1", "pushover://shoutrrr:secret-word@user", "smtp://%zz:secret-word@", "secret-word", "://", "signal://secret-word@h/1/2",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if strings.ContainsAny(raw, "\x00") || raw == "" {
			return
		}
		require.NoError(t, os.Setenv("FUZZED_URL", raw)) //nolint:usetesting // Setenv of a fuzz worker's own process
		_, _, err := Check(t.Context(), inventory.Channel{Name: "c", URL: "env:FUZZED_URL"}, "")
		if err == nil || strings.ContainsAny(raw, "\r\n") {
			return
		}
		u, parseErr := url.Parse(raw)
		if parseErr != nil {
			return
		}
		if p, ok := u.User.Password(); ok && len(p) > 8 && !strings.Contains("channel c its url is not right", strings.ToLower(p)) {
			require.NotContains(t, err.Error(), p)
		}
	})
}
