package simlab

import (
	"errors"
	"net"
	"syscall"
)

const backlog = 128

// refuse makes a listener stop listening, or begin again, while it stays bound to its port.
func refuse(l net.Listener, stop bool) {
	t, ok := l.(*net.TCPListener)
	if !ok {
		return
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return
	}
	// A listener that is closed already refuses anyway.
	_ = raw.Control(func(fd uintptr) {
		if stop {
			_ = syscall.Shutdown(int(fd), syscall.SHUT_RDWR)
		} else {
			_ = syscall.Listen(int(fd), backlog)
		}
	})
}

// refusing says whether an Accept failed because the listener does not listen.
func refusing(err error) bool { return errors.Is(err, syscall.EINVAL) }
