package sshexec

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
)

// FuzzSummary: whatever a command prints, one line is told of it, of bounded length, that a terminal only shows.
func FuzzSummary(f *testing.F) {
	f.Add([]byte("no quorum\n"), []byte("\x1b[2J\r\n"), 1, "")
	f.Add([]byte(""), []byte(strings.Repeat("é\x80", 400)), -1, "KILL")
	f.Add([]byte("x"), []byte(nil), -1, "\x1b[2J\r\n"+strings.Repeat("K", 1000))
	f.Add([]byte("\u202e\u2028\u0085"), []byte(" \n"), 0, "")
	f.Fuzz(func(t *testing.T, stderr, stdout []byte, status int, signal string) {
		r := Result{Status: status, Stderr: stderr, Stdout: stdout}
		said := r.Summary()
		require.True(t, utf8.ValidString(said))
		require.False(t, strings.ContainsFunc(said, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }), "%q", said)
		require.LessOrEqual(t, utf8.RuneCountInString(said), 2*maxSummary+40)
	})
}

// FuzzHostKey: a host key is written as it was read.
func FuzzHostKey(f *testing.F) {
	f.Add("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ comment")
	f.Add("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAQA=")
	f.Add("no-pty ssh-ed25519 AAAA")
	f.Fuzz(func(t *testing.T, line string) {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil {
			return
		}
		again, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(HostKeyLine(key)))
		require.NoError(t, err)
		require.Empty(t, rest)
		require.Equal(t, key.Marshal(), again.Marshal())
		require.NoError(t, pinned(key)("", nil, again))
		require.NotEmpty(t, hostKeyAlgorithms(key))
	})
}

// A signal's name is the server's own word, and shown like its output.
func TestASignalsNameIsShownAsOneLine(t *testing.T) {
	require.Equal(t, "killed by SIGKILL [2J", Result{Status: -1, Signal: "KILL\x1b[2J\r\n"}.Summary())
	require.Less(t, len(Result{Status: -1, Signal: strings.Repeat("K", 10_000)}.Summary()), 400)
}
