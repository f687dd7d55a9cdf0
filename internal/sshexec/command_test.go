package sshexec

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"nightshift/internal/fault"
)

func TestCommandsShareAConnection(t *testing.T) {
	m := newMachine(t)
	c := m.dial()
	for range 3 {
		res, err := c.Query(t.Context(), []string{"sh", "-c", "echo out; echo err >&2; exit 3"})
		require.NoError(t, err)
		require.Equal(t, Result{Status: 3, Stdout: []byte("out\n"), Stderr: []byte("err\n")}, res)
		require.Equal(t, "exit status 3: err", res.Summary())
	}
	res, err := c.Query(t.Context(), []string{"cat"})
	require.NoError(t, err, "it waits for no input")
	require.Zero(t, res.Status)
	require.EqualValues(t, 1, m.logins.Load())
}

func TestOutputIsBounded(t *testing.T) {
	c := newMachine(t).dial()
	res, err := c.Query(t.Context(), []string{"sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; head -c 1048576 /dev/zero | tr '\\0' y >&2"})
	require.NoError(t, err)
	require.True(t, bytes.HasPrefix(res.Stdout, bytes.Repeat([]byte("x"), MaxOutput)))
	require.Equal(t, "\n[cut: 1951424 bytes more]", string(res.Stdout[MaxOutput:]))
	require.Equal(t, bytes.Repeat([]byte("y"), MaxOutput), res.Stderr)
	require.LessOrEqual(t, len([]rune(res.Summary())), maxSummary+20)
}

func TestASignalIsNoExitStatus(t *testing.T) {
	m := newMachine(t)
	m.exec = func(_ string, ch ssh.Channel, req *ssh.Request, _ *ssh.ServerConn) {
		_ = req.Reply(true, nil)
		_, _ = ch.SendRequest("exit-signal", false, ssh.Marshal(struct {
			Signal  string
			Dumped  bool
			Message string
			Lang    string
		}{"KILL", false, "", ""}))
		_ = ch.Close()
	}
	res, err := m.dial().Query(t.Context(), []string{"x"})
	require.NoError(t, err)
	require.Equal(t, -1, res.Status)
	require.Equal(t, "killed by SIGKILL", res.Summary())
}

// What is certain and what is not: the difference between trying again and never.
func TestALostAnswerIsNotAnUnsentCommand(t *testing.T) {
	const refuse, cut, silence = "refuse", "cut", "silence"
	for name, c := range map[string]struct {
		how     string
		channel bool // none is opened
		kind    error
		sent    bool
	}{
		"no channel":            {channel: true, kind: fault.Unreachable},
		"the server says no":    {how: refuse, kind: fault.Permission, sent: true},
		"cut before the answer": {how: cut, kind: fault.Unreachable, sent: true},
		"no answer in time":     {how: silence, kind: fault.Unreachable, sent: true},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.noChannel = c.channel
			m.exec = func(_ string, _ ssh.Channel, req *ssh.Request, conn *ssh.ServerConn) {
				switch c.how {
				case refuse:
					_ = req.Reply(false, nil)
				case cut:
					_ = conn.Close()
				}
			}
			client := m.dial()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			if c.how == silence {
				ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
			}
			defer cancel()
			_, err := client.Start(ctx, []string{"stop"})
			require.ErrorIs(t, err, c.kind)
			if c.sent {
				require.NotErrorIs(t, err, ErrNotSent)
				require.EqualValues(t, 1, m.commands.Load())
			} else {
				require.ErrorIs(t, err, ErrNotSent)
				require.Zero(t, m.commands.Load())
			}
		})
	}
}

func TestAnEndWithoutAStatusIsALostAnswer(t *testing.T) {
	m := newMachine(t)
	m.exec = func(_ string, ch ssh.Channel, req *ssh.Request, _ *ssh.ServerConn) {
		_ = req.Reply(true, nil)
		_ = ch.Close()
	}
	_, err := m.dial().Query(t.Context(), []string{"stop"})
	require.ErrorIs(t, err, fault.Unreachable)
	require.NotErrorIs(t, err, ErrNotSent)
}

func TestNothingIsSentAfterTheTimeIsOver(t *testing.T) {
	m := newMachine(t)
	c := m.dial()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Start(ctx, []string{"true"})
	require.ErrorIs(t, err, ErrNotSent)
	require.Zero(t, m.commands.Load())
}

// A command goes on when nobody waits any more; a query that hangs is told to end.
func TestWhatRunsOnAndWhatIsEnded(t *testing.T) {
	m := newMachine(t)
	signals := make(chan string, 1)
	m.exec = func(_ string, _ ssh.Channel, req *ssh.Request, _ *ssh.ServerConn) { _ = req.Reply(true, nil) }
	c := m.dial()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	cmd, err := c.Start(ctx, []string{"stop"})
	require.NoError(t, err)
	_, err = cmd.Wait(ctx)
	require.ErrorIs(t, err, fault.Unreachable)
	select {
	case <-cmd.Ended():
		t.Fatal("it was ended")
	default:
	}
	cmd.Abandon()
	<-cmd.Ended()

	r := newSignalled(t, signals)
	ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err = r.Query(ctx, []string{"status"})
	require.ErrorIs(t, err, fault.Unreachable)
	require.Equal(t, "TERM", <-signals)
}

// newSignalled is a client of a machine whose commands never end, and that tells of signals.
func newSignalled(t *testing.T, signals chan<- string) *Client {
	m := newMachine(t)
	m.exec = func(_ string, _ ssh.Channel, req *ssh.Request, _ *ssh.ServerConn) { _ = req.Reply(true, nil) }
	m.other = func(req *ssh.Request) {
		var p struct{ Signal string }
		if req.Type == "signal" && ssh.Unmarshal(req.Payload, &p) == nil {
			signals <- p.Signal
		}
	}
	return m.dial()
}

// Whoever starts a daemon leaves its output open: the exit status counts, not the end of the output.
func TestADaemonThatKeepsTheOutputOpen(t *testing.T) {
	m := newMachine(t)
	m.exec = func(_ string, ch ssh.Channel, req *ssh.Request, _ *ssh.ServerConn) {
		_ = req.Reply(true, nil)
		_, _ = ch.Write([]byte("started"))
		exit(ch, 0)
	}
	res, err := m.dial().Query(t.Context(), []string{"start"})
	require.NoError(t, err)
	require.Equal(t, "started", string(res.Stdout))
}

func TestShortIsOneLineOfPrintableText(t *testing.T) {
	require.Equal(t, "a b c", Short("a\r\n\tb\x1b\x00 c\n"))
	require.Equal(t, "�", Short("\xff"))
	long := Short(strings.Repeat("x", 1000) + "end")
	require.True(t, strings.HasPrefix(long, "…") && strings.HasSuffix(long, "end"))
}

func TestErrorsNameCommandsShortly(t *testing.T) {
	for _, test := range []struct {
		want string
		argv []string
	}{
		{"zfs list -H tank/the mail", []string{"env", "LC_ALL=C", "PATH=/sbin:/bin", "zfs", "list", "-H", "tank/the mail"}},
		{"env", []string{"env", "env"}},
		{"A=1", []string{"env", "A=1"}},
		{"sh -c … sh 1 x", []string{"sh", "-c", "one\ntwo", "sh", "1", "x"}},
		{"echo a�[31mb", []string{"echo", "a\x1b[31mb"}},
		{strings.Repeat("ä", maxShown) + "…", []string{strings.Repeat("ä", 1000)}},
	} {
		require.Equal(t, test.want, shown(test.argv))
	}
	require.Equal(t, "env", shown([]string{"env"}))
}
