package sshexec

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"nightshift/internal/fault"
)

func TestStreamsArriveWhole(t *testing.T) {
	m := newMachine(t)
	c := m.dial()
	const size = 20 << 20
	sum := sha256.New()
	var errs bytes.Buffer
	in := io.LimitReader(rand.New(rand.NewSource(1)), size)
	want := sha256.New()
	cmd, err := c.StartWith(t.Context(), []string{"sh", "-c", "cat; echo done >&2; exit 5"}, Streams{Stdin: io.TeeReader(in, want), Stdout: sum, Stderr: &errs})
	require.NoError(t, err)
	res, err := cmd.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, 5, res.Status)
	require.Empty(t, res.Stdout)
	require.Empty(t, res.Stderr)
	require.Equal(t, "done\n", errs.String())
	require.Equal(t, want.Sum(nil), sum.Sum(nil))
}

// From one machine to another, through us: what `zfs send` and `zfs receive` do where the hosts do not reach each other.
func TestAStreamFromMachineToMachine(t *testing.T) {
	a, b := newMachine(t).dial(), newMachine(t).dial()
	r, w := io.Pipe()
	from, err := a.StartWith(t.Context(), []string{"head", "-c", "5000000", "/dev/zero"}, Streams{Stdout: w})
	require.NoError(t, err)
	to, err := b.StartWith(t.Context(), []string{"wc", "-c"}, Streams{Stdin: r})
	require.NoError(t, err)
	res, err := from.Wait(t.Context())
	require.NoError(t, err)
	require.Zero(t, res.Status)
	require.NoError(t, w.Close())
	res, err = to.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, "5000000", strings.TrimSpace(string(res.Stdout)))
}

// A stream that broke off must not look like one that ended.
func TestAnInputThatBreaksOff(t *testing.T) {
	c := newMachine(t).dial()
	r, w := io.Pipe()
	cmd, err := c.StartWith(t.Context(), []string{"cat"}, Streams{Stdin: r})
	require.NoError(t, err)
	_, err = w.Write([]byte("half"))
	require.NoError(t, err)
	broke := errors.New("the cable")
	require.NoError(t, w.CloseWithError(broke))
	_, err = cmd.Wait(t.Context())
	require.ErrorIs(t, err, broke)
	require.ErrorContains(t, err, "broke off")
	require.True(t, c.Alive(), "it ends the command, not the connection")
}

func TestAnOutputThatNobodyTakes(t *testing.T) {
	c := newMachine(t).dial()
	full := errors.New("full")
	cmd, err := c.StartWith(t.Context(), []string{"cat", "/dev/zero"}, Streams{Stdout: writeFunc(func([]byte) (int, error) { return 0, full })})
	require.NoError(t, err)
	_, err = cmd.Wait(t.Context())
	require.ErrorIs(t, err, full)
	require.True(t, c.Alive())
}

type writeFunc func([]byte) (int, error)

func (f writeFunc) Write(p []byte) (int, error) { return f(p) }

// Who writes slowly gets everything: the exit status overtakes what is still under way.
func TestASlowWriterGetsEverything(t *testing.T) {
	m := newMachine(t)
	m.exec = func(_ string, ch ssh.Channel, req *ssh.Request, _ *ssh.ServerConn) {
		_ = req.Reply(true, nil)
		go func() {
			exit(ch, 0)
			_, _ = ch.Write(bytes.Repeat([]byte("x"), 200_000))
			_ = ch.Close()
		}()
	}
	got := 0
	first := true
	cmd, err := m.dial().StartWith(t.Context(), []string{"x"}, Streams{Stdout: writeFunc(func(p []byte) (int, error) {
		if got += len(p); first {
			first = false
			<-time.After(lastWords + lastWords/4)
		}
		return len(p), nil
	})})
	require.NoError(t, err)
	_, err = cmd.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, 200_000, got)
}

// A line that stands still after the exit status looks as a daemon does that keeps the output open: whoever knows better is told.
func TestOutputThatDoesNotComeToItsEnd(t *testing.T) {
	m := newMachine(t)
	arrived := make(chan struct{})
	m.exec = func(line string, ch ssh.Channel, req *ssh.Request, _ *ssh.ServerConn) {
		_ = req.Reply(true, nil)
		_, _ = io.WriteString(ch, "a\n")
		exit(ch, 0)
		if line == "stalls" {
			go func() {
				<-arrived
				_, _ = io.WriteString(ch, "b\n")
				_ = ch.Close()
			}()
			return
		}
		_ = ch.Close()
	}
	c := m.dial()
	res, err := c.Query(t.Context(), []string{"stalls"})
	require.NoError(t, err)
	require.Equal(t, "a\n", string(res.Stdout))
	require.True(t, res.Unfinished)
	close(arrived)
	res, err = c.Query(t.Context(), []string{"ends"})
	require.NoError(t, err)
	require.False(t, res.Unfinished)
}

func TestACommandThatWantsNoMoreInput(t *testing.T) {
	c := newMachine(t).dial()
	r, w := io.Pipe()
	cmd, err := c.StartWith(t.Context(), []string{"head", "-c", "3"}, Streams{Stdin: r})
	require.NoError(t, err)
	_, err = w.Write([]byte("abc"))
	require.NoError(t, err)
	res, err := cmd.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, "abc", string(res.Stdout))
	require.NoError(t, w.Close())
}

func TestAConnectionThatIsCutInMidStream(t *testing.T) {
	m := newMachine(t)
	c := m.dial()
	begun := make(chan struct{})
	once := false
	cmd, err := c.StartWith(t.Context(), []string{"cat", "/dev/zero"}, Streams{Stdout: writeFunc(func(p []byte) (int, error) {
		if !once {
			once = true
			close(begun)
		}
		return len(p), nil
	})})
	require.NoError(t, err)
	<-begun
	m.cut()
	_, err = cmd.Wait(t.Context())
	require.ErrorIs(t, err, fault.Unreachable)
	require.NotErrorIs(t, err, ErrNotSent)
}
