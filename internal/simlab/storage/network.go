package storage

import (
	"errors"
	"net"
	"sync"
	"time"
)

// A Network is what lies between storage hosts. While it is cut, what they send each other does not arrive, and nobody is
// told: connections stay. The way from nightshift to each of them is another.
type Network struct {
	mu     sync.Mutex
	cut    bool
	whole  chan struct{} // closed when it is not cut
	silent []net.Conn    // closed at one end while it was cut: the other has not noticed
}

// NewNetwork makes one that works.
func NewNetwork() *Network {
	n := &Network{whole: make(chan struct{})}
	close(n.whole)
	return n
}

// Cut pulls the cable, and Restore puts it back. Connections that one end has given up meanwhile are never heard of again.
func (n *Network) Cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.cut {
		n.cut, n.whole = true, make(chan struct{})
	}
}

// Restore puts the cable back.
func (n *Network) Restore() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cut {
		n.cut = false
		close(n.whole)
	}
}

// Close forgets the connections that only one end has.
func (n *Network) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.silent {
		_ = c.Close() // gone already is as good
	}
	n.silent = nil
}

func (n *Network) up() (<-chan struct{}, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.whole, !n.cut
}

// A linked is a connection over the network, at the end that made it.
type linked struct {
	net.Conn
	n    *Network
	once sync.Once
	gone chan struct{}
}

func (n *Network) link(c net.Conn) net.Conn { return &linked{Conn: c, n: n, gone: make(chan struct{})} }

// wait waits for the network to be whole.
func (l *linked) wait() error {
	whole, _ := l.n.up()
	select {
	case <-whole:
		return nil
	case <-l.gone:
		return net.ErrClosed
	}
}

// Read reads what arrives.
func (l *linked) Read(b []byte) (int, error) {
	n, err := l.Conn.Read(b)
	if failed := l.wait(); failed != nil {
		return 0, failed
	}
	return n, err
}

func (l *linked) Write(b []byte) (int, error) {
	if err := l.wait(); err != nil {
		return 0, err
	}
	return l.Conn.Write(b)
}

// Close closes it. While the network is cut, the other end does not notice.
func (l *linked) Close() error {
	l.once.Do(func() { close(l.gone) })
	l.n.mu.Lock()
	if l.n.cut {
		l.n.silent = append(l.n.silent, l.Conn)
		l.n.mu.Unlock()
		return nil
	}
	l.n.mu.Unlock()
	return l.Conn.Close()
}

var errNoRoute = errors.New("No route to host") //nolint:staticcheck // in ssh's words

// dial connects to another host.
func (h *Host) dial(address string, gone <-chan struct{}) (net.Conn, error) {
	if h.net == nil {
		return nil, errNoRoute
	}
	if _, up := h.net.up(); !up {
		h.sleep(3*time.Second, gone) // until ARP gives up
		return nil, errNoRoute
	}
	d := net.Dialer{Timeout: 15 * time.Second}
	c, err := d.DialContext(h.ctx, "tcp", address)
	if err != nil {
		return nil, errors.New("Connection refused") //nolint:staticcheck // in ssh's words
	}
	return h.net.link(c), nil
}
