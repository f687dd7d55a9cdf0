package sshexec

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sync/errgroup"

	"nightshift/internal/fault"
)

// shared is the machine through one connection.
func (m *machine) shared() *Shared {
	m.t.Helper()
	entry := m.entry()
	s := NewShared(func(ctx context.Context) (*Client, error) {
		r, err := Resolve(ctx, "node1", entry, "")
		if err != nil {
			return nil, err
		}
		return Dial(ctx, r)
	})
	m.t.Cleanup(s.Close)
	return s
}

// OpenSSH runs ten at a time in a connection, unless told otherwise; others fewer.
func TestManyCommandsOverOneConnection(t *testing.T) {
	for name, most := range map[string]int32{"as OpenSSH": 10, "one that allows three": 3, "one that allows one": 1, "any number": 0} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.most = most
			s := m.shared()
			var g errgroup.Group
			for range 20 {
				g.Go(func() error {
					res, err := s.Query(t.Context(), []string{"sh", "-c", "sleep 0.05; echo x"})
					if err == nil && string(res.Stdout) != "x\n" {
						err = errors.New("another output: " + res.Summary())
					}
					return err
				})
			}
			require.NoError(t, g.Wait())
			require.EqualValues(t, 1, m.logins.Load())
			require.EqualValues(t, 20, m.commands.Load())
			require.LessOrEqual(t, m.peak.Load(), int32(10))
			if most > 1 {
				require.Greater(t, m.peak.Load(), int32(1), "they run side by side")
			}
		})
	}
}

func TestWhetherAConnectionIsCrowded(t *testing.T) {
	m := newMachine(t)
	s := m.shared()
	require.False(t, s.Crowded(), "nobody has used it")
	for range mostSessions / 2 {
		require.False(t, s.Crowded())
		_, err := s.Start(t.Context(), []string{"sleep", "600"})
		require.NoError(t, err)
	}
	require.True(t, s.Crowded())
}

// Whoever waits for a place and has no more time has sent nothing.
func TestAFullConnection(t *testing.T) {
	m := newMachine(t)
	c := m.dial()
	var all []*Command
	for range mostSessions {
		cmd, err := c.Start(t.Context(), []string{"sleep", "600"})
		require.NoError(t, err)
		all = append(all, cmd)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Start(ctx, []string{"true"})
	require.ErrorIs(t, err, ErrNotSent)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.EqualValues(t, mostSessions, m.commands.Load())
	all[0].Abandon()
	_, err = c.Query(t.Context(), []string{"true"})
	require.NoError(t, err)
}

func TestALostConnectionIsMadeAnew(t *testing.T) {
	m := newMachine(t)
	s := m.shared()
	_, err := s.Query(t.Context(), []string{"true"})
	require.NoError(t, err)
	running, err := s.Start(t.Context(), []string{"sleep", "600"})
	require.NoError(t, err)
	m.cut()
	_, err = running.Wait(t.Context())
	require.ErrorIs(t, err, fault.Unreachable)
	require.NotErrorIs(t, err, ErrNotSent, "what was sent is not sent again")
	_, err = s.Query(t.Context(), []string{"true"})
	require.NoError(t, err)
	require.EqualValues(t, 2, m.logins.Load())
	require.EqualValues(t, 3, m.commands.Load())
}

// unheard is a connection that is lost: writing to it fails before reading from it has.
type unheard struct {
	ssh.Conn
	closed chan struct{}
	close  func()
}

func newUnheard() *ssh.Client {
	closed := make(chan struct{})
	return &ssh.Client{Conn: &unheard{closed: closed, close: sync.OnceFunc(func() { close(closed) })}}
}

func (*unheard) OpenChannel(string, []byte) (ssh.Channel, <-chan *ssh.Request, error) {
	return nil, nil, syscall.ECONNRESET
}

func (u *unheard) Wait() error {
	<-u.closed
	return net.ErrClosed
}

func (u *unheard) Close() error {
	u.close()
	return nil
}

func TestALostConnectionIsMadeAnewThoughNobodyHasHeard(t *testing.T) {
	m := newMachine(t)
	s := m.shared()
	_, err := s.Query(t.Context(), []string{"true"})
	require.NoError(t, err)
	s.client.Close()
	s.client = newClient("node1", newUnheard(), nil)
	_, err = s.Query(t.Context(), []string{"true"})
	require.NoError(t, err)
	require.EqualValues(t, 2, m.logins.Load())
	require.EqualValues(t, 2, m.commands.Load())
}

// A command whose answer was lost is never sent again, not even over a new connection.
func TestALostAnswerIsNotAskedForAgain(t *testing.T) {
	m := newMachine(t)
	m.exec = func(_ string, _ ssh.Channel, _ *ssh.Request, conn *ssh.ServerConn) { _ = conn.Close() }
	_, err := m.shared().Query(t.Context(), []string{"destroy"})
	require.ErrorIs(t, err, fault.Unreachable)
	require.NotErrorIs(t, err, ErrNotSent)
	require.EqualValues(t, 1, m.commands.Load())
}

// Twenty who want to log in with a wrong password are one attempt.
func TestALoginIsTriedOnceForAll(t *testing.T) {
	var tries atomic.Int32
	all := make(chan struct{})
	s := NewShared(func(context.Context) (*Client, error) {
		tries.Add(1)
		<-all
		return nil, fault.As(fault.Auth, errors.New("no"))
	})
	var g errgroup.Group
	var waiting sync.WaitGroup
	for range 20 {
		waiting.Add(1)
		g.Go(func() error {
			waiting.Done()
			_, err := s.Query(t.Context(), []string{"true"})
			if !errors.Is(err, fault.Auth) || !errors.Is(err, ErrNotSent) {
				return errors.New("another error")
			}
			return nil
		})
	}
	waiting.Wait()
	require.Eventually(t, func() bool { return tries.Load() == 1 }, time.Minute, time.Millisecond)
	<-time.After(50 * time.Millisecond) // those that would try, too, have the time to
	close(all)
	require.NoError(t, g.Wait())
	require.EqualValues(t, 1, tries.Load())
}

// Who gives up does not spoil it for those that wait with him.
func TestALoginThatWasGivenUp(t *testing.T) {
	m := newMachine(t)
	entry := m.entry()
	first := make(chan struct{})
	var tries atomic.Int32
	s := NewShared(func(ctx context.Context) (*Client, error) {
		if tries.Add(1) == 1 {
			close(first)
			<-ctx.Done()
			return nil, ctx.Err()
		}
		r, err := Resolve(ctx, "node1", entry, "")
		if err != nil {
			return nil, err
		}
		return Dial(ctx, r)
	})
	t.Cleanup(s.Close)
	ctx, cancel := context.WithCancel(t.Context())
	var g errgroup.Group
	g.Go(func() error {
		_, err := s.Query(ctx, []string{"true"})
		if !errors.Is(err, context.Canceled) {
			return errors.New("another error")
		}
		return nil
	})
	<-first
	g.Go(func() error {
		_, err := s.Query(t.Context(), []string{"true"})
		return err
	})
	cancel()
	require.NoError(t, g.Wait())
}

func TestAConnectionThatNobodyUsesIsClosed(t *testing.T) {
	m := newMachine(t)
	s := m.shared()
	s.idle = 10 * time.Millisecond
	cmd, err := s.Start(t.Context(), []string{"cat"})
	require.NoError(t, err)
	_, err = cmd.Wait(t.Context())
	require.NoError(t, err)
	c := cmd.client
	require.Eventually(t, func() bool { return !c.Alive() }, time.Minute, time.Millisecond)
	_, err = s.Query(t.Context(), []string{"true"})
	require.NoError(t, err)
	require.EqualValues(t, 2, m.logins.Load())
}

func TestElevate(t *testing.T) {
	argv := []string{"targetcli", "ls"}
	for policy, want := range map[string][]string{"sudo": {"sudo", "-n", "targetcli", "ls"}, "pfexec": {"pfexec", "targetcli", "ls"}, "none": argv, "": argv} {
		require.Equal(t, want, Elevate(policy, argv), policy)
	}
	require.Equal(t, []string{"targetcli", "ls"}, argv)
}
