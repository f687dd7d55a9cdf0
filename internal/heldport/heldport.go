// Package heldport listens on ports that stay bound to their owner while nobody listens on them, where the system can do that.
package heldport

import (
	"context"
	"errors"
	"net"
	"strconv"
	"syscall"
)

// Listen listens on a TCP port of an IP address; 0 is any free one. It is always asked for by number: Linux takes a port
// that it chose itself away from a listener that stops to listen.
//
// The socket is no multipath one, which takes no filter.
func Listen(ctx context.Context, ip string, port int) (net.Listener, error) {
	if port != 0 {
		return listen(ctx, ip, port)
	}
	for {
		free, err := listen(ctx, ip, 0)
		if err != nil {
			return nil, err
		}
		number := Number(free)
		if err := free.Close(); err != nil {
			return nil, err
		}
		l, err := listen(ctx, ip, number)
		if !errors.Is(err, syscall.EADDRINUSE) || ctx.Err() != nil { // another program may be given it in between
			return l, err
		}
	}
}

func listen(ctx context.Context, ip string, port int) (net.Listener, error) {
	lc := new(net.ListenConfig)
	lc.SetMultipathTCP(false)
	return lc.Listen(ctx, "tcp", net.JoinHostPort(ip, strconv.Itoa(port)))
}

// Number is the port that a listener has.
func Number(l net.Listener) int {
	if a, ok := l.Addr().(*net.TCPAddr); ok {
		return a.Port
	}
	return 0
}
