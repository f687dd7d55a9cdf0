package simlab

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// silence has a listener drop every packet, as a machine does that is off; or hear again.
func silence(l net.Listener, quiet bool) error {
	t, ok := l.(*net.TCPListener)
	if !ok {
		return fmt.Errorf("%T cannot be silent", l)
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return err
	}
	var no error
	err = raw.Control(func(fd uintptr) {
		if quiet {
			drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K}
			no = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop})
			return
		}
		if no = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0); no == unix.ENOENT {
			no = nil // none was attached
		}
	})
	if err != nil {
		return err
	}
	return no
}
