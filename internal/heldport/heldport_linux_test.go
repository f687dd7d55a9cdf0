package heldport

import (
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAPortThatWasLeft refuses connections, is given to no other program, and is there for who knows its number.
func TestAPortThatWasLeft(t *testing.T) {
	l, err := Listen(t.Context(), "127.0.0.1", 0)
	require.NoError(t, err)
	defer l.Close()
	require.NoError(t, Leave(l))
	_, err = l.Accept()
	require.True(t, Left(err), "%v", err)
	_, err = (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
	require.ErrorIs(t, err, syscall.ECONNREFUSED)

	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0) // as for a connection, or any free port
	require.NoError(t, err)
	defer syscall.Close(fd)
	require.ErrorIs(t, syscall.Bind(fd, &syscall.SockaddrInet4{Port: Number(l), Addr: [4]byte{127, 0, 0, 1}}), syscall.EADDRINUSE)

	other, err := Listen(t.Context(), "127.0.0.1", Number(l))
	require.NoError(t, err)
	require.Error(t, Return(l), "somebody else has it")
	require.NoError(t, other.Close())
	require.NoError(t, Return(l))
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", l.Addr().String())
	require.NoError(t, err)
	require.NoError(t, c.Close())
}
