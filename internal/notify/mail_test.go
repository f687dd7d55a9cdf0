package notify

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

// password is one that must never be told, and message what is sent.
const password = "correct-horse-8931"

var message = Message{Title: "[home] power-down is blocked: a step waits for you", Text: "Shut down guest web01\n.a line with a dot\n    nightshift retry r s"}

// channel is one whose URL is a secret in the environment.
func channel(t *testing.T, url string) inventory.Channel {
	t.Setenv("CHANNEL_URL", url)
	return inventory.Channel{Name: "mine", URL: "env:CHANNEL_URL"}
}

func send(t *testing.T, url string) error {
	t.Helper()
	s := New()
	s.timeout = 20 * time.Second
	return s.Send(t.Context(), channel(t, url), t.TempDir(), message)
}

func TestMail(t *testing.T) {
	m := newMailServer(t)
	m.login = true
	require.NoError(t, send(t, m.url("nightshift:"+password+"@")))
	got := m.got()
	require.Len(t, got, 1)
	require.Contains(t, got[0].from, "<nightshift@lab.example>")
	require.Contains(t, got[0].to[0], "<ann@lab.example>")
	require.NotEmpty(t, got[0].auth)
	head, body, ok := strings.Cut(got[0].data, "\r\n\r\n")
	require.True(t, ok)
	require.Contains(t, head+"\r\n", "Subject: "+message.Title+"\r\n")
	require.Equal(t, strings.ReplaceAll(message.Text, "\n", "\r\n"), strings.TrimRight(body, "\r\n"))
}

// A name of the lab in the subject must not become a header, nor be lost.
func TestASubjectIsOneHeader(t *testing.T) {
	m := newMailServer(t)
	was := message
	defer func() { message = was }()
	message.Title = "guest a\r\nBcc: eve@example.com\x07 é"
	require.NoError(t, send(t, m.url("")))
	head, _, _ := strings.Cut(m.got()[0].data, "\r\n\r\n")
	require.NotContains(t, head, "\nBcc:")
	require.Contains(t, head, "Subject: =?utf-8?q?guest_a_Bcc:_eve@example.com=EF=BF=BD_=C3=A9?=")
}

func TestMailThatIsNotSent(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(*mailServer)
		kind error
		says string
	}{
		"refused login": {func(m *mailServer) { m.login = true; m.answers["AUTH"] = "535 5.7.8 no: " + password }, fault.Auth, "535"},
		"repeats the command": {func(m *mailServer) {
			m.login, m.answers["AUTH"] = true, "502 5.5.2 not recognized: AUTH PLAIN "+base64.StdEncoding.EncodeToString([]byte("\x00nightshift\x00"+password))
		}, fault.Invalid, "AUTH PLAIN [hidden]"},
		"no such mailbox":  {func(m *mailServer) { m.answers["RCPT"] = "550 no such user" }, fault.Invalid, "no such user"},
		"greylisted":       {func(m *mailServer) { m.answers["RCPT"] = "451 try again later" }, fault.Unreachable, "try again later"},
		"full":             {func(m *mailServer) { m.answers["end"] = "452 no space" }, fault.Unreachable, "no space"},
		"hangs up":         {func(m *mailServer) { m.answers["banner"] = "421 too busy" }, fault.Unreachable, "too busy"},
		"unknown TLS":      {func(m *mailServer) { m.tls = unknownCertificate(t) }, fault.Unreachable, "certificate"},
		"no one is there":  {func(m *mailServer) { require.NoError(m.t, m.Close()) }, fault.Unreachable, "refused"},
		"speaks gibberish": {func(m *mailServer) { m.answers["banner"] = "hello" }, fault.Unreachable, ""},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMailServer(t)
			m.login = true
			c.set(m)
			err := send(t, m.url("nightshift:"+password+"@"))
			require.ErrorIs(t, err, c.kind)
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, "channel mine (smtp 127.0.0.1)")
			require.NotContains(t, err.Error(), password)
			require.Less(t, len(err.Error()), 600)
			if name != "full" { // it had the mail already
				require.Empty(t, m.got())
			}
		})
	}
}

// Wherever a server stops to answer, the send ends; what hangs is bounded, and a server that is back is used again.
func TestAMailServerThatHangs(t *testing.T) {
	for _, verb := range []string{"banner", "EHLO", "AUTH", "MAIL", "DATA", "end"} {
		t.Run(verb, func(t *testing.T) {
			m := newMailServer(t)
			m.login = true
			m.answers[verb] = ""
			s := New()
			s.timeout = 100 * time.Millisecond
			ch := channel(t, m.url("nightshift:"+password+"@"))
			for range mostOpen {
				err := s.Send(t.Context(), ch, t.TempDir(), message)
				require.ErrorIs(t, err, fault.Unreachable)
				require.ErrorContains(t, err, "no answer within 100ms")
			}
			err := s.Send(t.Context(), ch, t.TempDir(), message)
			require.ErrorIs(t, err, fault.Unreachable)
			require.ErrorContains(t, err, "earlier messages to it still wait")
			require.LessOrEqual(t, m.count(), mostOpen)

			other := newMailServer(t)
			s.timeout = 20 * time.Second
			require.NoError(t, s.Send(t.Context(), inventory.Channel{Name: "other", URL: channel(t, other.url("")).URL}, t.TempDir(), message), "another channel goes on")

			m.release()
			require.Eventually(t, func() bool {
				done, err := s.begin(ch.Name)
				if err == nil {
					done()
				}
				return err == nil
			}, time.Minute, 10*time.Millisecond, "those that hung have ended")
		})
	}
}

func (m *mailServer) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.dialled
}
