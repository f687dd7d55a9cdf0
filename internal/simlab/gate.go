package simlab

import (
	"errors"
	"net"
	"sync"

	"nightshift/internal/heldport"
)

// A gate is a listener that can be shut in two ways. Cut off, as by a network: open connections are closed, and new ones
// at once. Down, as a service that does not run: open connections are closed, and new ones are refused where the
// operating system can do that without giving the port away; elsewhere they are closed at once.
type gate struct {
	net.Listener
	mu        sync.Mutex
	cut, down bool
	gone      bool          // closed for good
	up        chan struct{} // closed when it is not down any more
	conns     map[*gated]struct{}
}

type gated struct {
	net.Conn
	gate *gate
}

func newGate(l net.Listener) *gate {
	return &gate{Listener: l, conns: map[*gated]struct{}{}, up: make(chan struct{})}
}

// Accept returns the next connection that gets through.
func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			if !g.awaitUp(err) {
				return nil, err
			}
			continue
		}
		g.mu.Lock()
		if g.cut || g.down {
			g.mu.Unlock()
			_ = c.Close() // the peer sees it closed, which is all that is wanted
			continue
		}
		gc := &gated{c, g}
		g.conns[gc] = struct{}{}
		g.mu.Unlock()
		return gc, nil
	}
}

// awaitUp waits for a gate that is down to come up again; false: the error is another one.
func (g *gate) awaitUp(err error) bool {
	if errors.Is(err, net.ErrClosed) {
		return false
	}
	g.mu.Lock()
	down, up, gone := g.down, g.up, g.gone
	g.mu.Unlock()
	if gone {
		return false
	}
	if down {
		<-up
	}
	return heldport.Left(err)
}

// Close closes the listener.
func (g *gate) Close() error {
	g.mu.Lock()
	if !g.gone {
		g.gone = true
		if g.down {
			close(g.up)
		}
	}
	g.mu.Unlock()
	return g.Listener.Close()
}

// Close closes the connection.
func (c *gated) Close() error {
	c.gate.mu.Lock()
	delete(c.gate.conns, c)
	c.gate.mu.Unlock()
	return c.Conn.Close()
}

// setCut cuts the network off, or restores it.
func (g *gate) setCut(cut bool) {
	g.mu.Lock()
	g.cut = cut
	open := g.open()
	g.mu.Unlock()
	if cut {
		closeAll(open)
	}
}

// setDown ends the service, or begins it.
func (g *gate) setDown(down bool) {
	g.mu.Lock()
	if g.down == down || g.gone {
		g.mu.Unlock()
		return
	}
	g.down = down
	if down {
		_ = heldport.Leave(g.Listener) // a listener that is closed already refuses anyway
	} else {
		_ = heldport.Return(g.Listener)
		close(g.up)
		g.up = make(chan struct{})
	}
	open := g.open()
	g.mu.Unlock()
	if down {
		closeAll(open)
	}
}

func (g *gate) open() []*gated {
	var out []*gated
	for c := range g.conns {
		out = append(out, c)
	}
	return out
}

func closeAll(conns []*gated) {
	for _, c := range conns {
		_ = c.Close() // already gone is as good
	}
}
