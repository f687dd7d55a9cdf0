package sshexec

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

// gate is a jump host, as the lab file has it.
func (m *machine) gate() *inventory.Jump {
	e := m.entry()
	return &inventory.Jump{Address: e.Address, User: e.User, Password: e.Password, HostKey: e.HostKey}
}

func TestThroughAJumpHost(t *testing.T) {
	jump, m := newMachine(t), newMachine(t)
	jump.forwards = true
	s := m.entry()
	s.Jump = jump.gate()
	r, err := Resolve(t.Context(), "node1", s, "")
	require.NoError(t, err)
	c, err := Dial(t.Context(), r)
	require.NoError(t, err)
	res, err := c.Query(t.Context(), []string{"echo", "hello"})
	require.NoError(t, err)
	require.Equal(t, "hello\n", string(res.Stdout))
	require.Zero(t, jump.commands.Load())
	require.EqualValues(t, 1, jump.logins.Load())

	// When the jump host goes, what was on the way is lost, and known to be.
	cmd, err := c.Start(t.Context(), []string{"sleep", "600"})
	require.NoError(t, err)
	jump.cut()
	_, err = cmd.Wait(t.Context())
	require.ErrorIs(t, err, fault.Unreachable)
	require.NotErrorIs(t, err, ErrNotSent)
	<-c.done

	key, err := HostKey(t.Context(), s, "")
	require.NoError(t, err)
	require.Equal(t, s.HostKey, HostKeyLine(key))
}

func TestWhatIsWrongWithAJumpHost(t *testing.T) {
	t.Setenv("BAD", "wrong")
	for name, c := range map[string]struct {
		change func(s *inventory.SSH, jump *machine)
		kind   error
		says   string
	}{
		"another host key":       {change: func(s *inventory.SSH, _ *machine) { s.Jump.HostKey = s.HostKey }, kind: fault.Identity, says: "its jump host 127.0.0.1:"},
		"no host key":            {change: func(s *inventory.SSH, _ *machine) { s.Jump.HostKey = "" }, kind: fault.Identity, says: "its jump host 127.0.0.1:"},
		"a refused login":        {change: func(s *inventory.SSH, _ *machine) { s.Jump.Password = "env:BAD" }, kind: fault.Auth, says: "its jump host 127.0.0.1:"},
		"nobody":                 {change: func(s *inventory.SSH, _ *machine) { s.Jump.User = "" }, kind: fault.Invalid, says: "no user"},
		"no secret":              {change: func(s *inventory.SSH, _ *machine) { s.Jump.Password = "env:NOT_SET_ANYWHERE" }, kind: fault.Invalid, says: "its jump host"},
		"it forwards nothing":    {change: func(_ *inventory.SSH, jump *machine) { jump.forwards = false }, kind: fault.Permission, says: "AllowTcpForwarding"},
		"nobody behind it":       {change: func(s *inventory.SSH, _ *machine) { s.Address = "127.0.0.1:1" }, kind: fault.Unreachable, says: "from its jump host on"},
		"another machine behind": {change: func(s *inventory.SSH, _ *machine) { s.HostKey = s.Jump.HostKey }, kind: fault.Identity, says: "node1: ssh: handshake failed: it shows host key"},
	} {
		t.Run(name, func(t *testing.T) {
			jump, m := newMachine(t), newMachine(t)
			jump.forwards = true
			s := m.entry()
			s.Jump = jump.gate()
			c.change(&s, jump)
			r, err := Resolve(t.Context(), "node1", s, "")
			if err == nil {
				_, err = Dial(t.Context(), r)
			}
			require.ErrorIs(t, err, c.kind)
			require.ErrorContains(t, err, c.says)
			require.Zero(t, m.passwords.Load())
		})
	}
}
