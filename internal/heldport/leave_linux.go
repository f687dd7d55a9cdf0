package heldport

import (
	"errors"
	"net"
	"syscall"
)

const backlog = 128

// Held says whether Leave keeps a port.
const Held = true

// Leave stops to listen. The port stays bound, until the listener is closed: connections are refused, no other program is
// given it, and whoever asks for it by number (with SO_REUSEADDR, as Go does) may listen on it.
func Leave(l net.Listener) error {
	return control(l, func(fd int) error { return syscall.Shutdown(fd, syscall.SHUT_RDWR) })
}

// Return listens again.
func Return(l net.Listener) error {
	return control(l, func(fd int) error { return syscall.Listen(fd, backlog) })
}

// Left says whether an Accept failed because its listener was left.
func Left(err error) bool { return errors.Is(err, syscall.EINVAL) }

func control(l net.Listener, do func(fd int) error) error {
	t, ok := l.(syscall.Conn)
	if !ok {
		return errors.ErrUnsupported
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return err
	}
	if gone := raw.Control(func(fd uintptr) { err = do(int(fd)) }); gone != nil {
		return gone
	}
	return err
}
