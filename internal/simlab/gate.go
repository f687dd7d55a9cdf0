package simlab

import (
	"net"
	"sync"
)

// A gate is a listener that can be shut: open connections are closed, and new ones at once.
type gate struct {
	net.Listener
	mu    sync.Mutex
	shut  bool
	conns map[*gated]struct{}
}

type gated struct {
	net.Conn
	gate *gate
}

func newGate(l net.Listener) *gate { return &gate{Listener: l, conns: map[*gated]struct{}{}} }

// Accept returns the next connection that gets through.
func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		g.mu.Lock()
		if g.shut {
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

// Close closes the connection.
func (c *gated) Close() error {
	c.gate.mu.Lock()
	delete(c.gate.conns, c)
	c.gate.mu.Unlock()
	return c.Conn.Close()
}

func (g *gate) set(shut bool) {
	g.mu.Lock()
	g.shut = shut
	var open []*gated
	for c := range g.conns {
		open = append(open, c)
	}
	g.mu.Unlock()
	if shut {
		for _, c := range open {
			_ = c.Close() // already gone is as good
		}
	}
}
