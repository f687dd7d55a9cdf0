package ipmi

import (
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/endpoint"
	"nightshift/internal/inventory"
)

// What may happen to a datagram on its way.
type fate func(p []byte) [][]byte

func lost([]byte) [][]byte      { return nil }
func twice(p []byte) [][]byte   { return [][]byte{p, p} }
func arrives(p []byte) [][]byte { return [][]byte{p} }

// A proxy stands between the client and a controller: it counts what passes, loses it, or makes something else of it.
type proxy struct {
	address string

	mu    sync.Mutex
	there fate // requests
	back  fate // answers
	kinds map[byte]int
	last  []byte
}

// The kinds of requests, as the proxy counts them.
func (p *proxy) count(kind byte) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kinds[kind]
}

func (p *proxy) inSession() int { return p.count(encrypted | authenticated) }

func (p *proxy) set(there, back fate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.there, p.back = there, back
}

// pass counts a request and decides about it.
func (p *proxy) pass(request bool, packet []byte) [][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := p.back
	if request {
		p.kinds[packet[5]]++
		p.last = packet
		f = p.there
	}
	if f == nil {
		f = arrives
	}
	return f(packet)
}

// between puts a proxy before the controller at the address.
func between(t *testing.T, address string) *proxy {
	t.Helper()
	front, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{address: front.LocalAddr().String(), kinds: map[byte]int{}}
	var all sync.WaitGroup
	backs := map[string]net.Conn{}
	all.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := front.ReadFrom(buf)
			if err != nil {
				return
			}
			back := backs[from.String()]
			if back == nil {
				if back, err = net.Dial("udp", address); err != nil {
					return
				}
				backs[from.String()] = back
				all.Go(func() {
					buf := make([]byte, 4096)
					for {
						n, err := back.Read(buf)
						if err != nil {
							return
						}
						for _, packet := range p.pass(false, append([]byte(nil), buf[:n]...)) {
							_, _ = front.WriteTo(packet, from)
						}
					}
				})
			}
			for _, packet := range p.pass(true, append([]byte(nil), buf[:n]...)) {
				_, _ = back.Write(packet)
			}
		}
	})
	t.Cleanup(func() {
		_ = front.Close()
		for _, b := range backs { // whoever adds to them ends with front
			defer b.Close()
		}
		for _, b := range backs {
			_ = b.Close()
		}
		all.Wait()
	})
	return p
}

// quick is a client's patience in tests: short where nothing is to be waited for, long where an answer comes.
func quick() patience {
	return patience{offer: time.Second, login: 10 * time.Second, answer: 10 * time.Second, again: 200 * time.Millisecond, logout: 5 * time.Second, idle: time.Hour}
}

// hasty does not wait long for what does not come.
func hasty() patience {
	return patience{offer: 300 * time.Millisecond, login: 400 * time.Millisecond, answer: 400 * time.Millisecond, again: 50 * time.Millisecond, logout: 400 * time.Millisecond, idle: time.Hour}
}

const (
	user     = "operator"
	password = "calvin-says-no"
)

func at(t *testing.T, address string) endpoint.Resolved {
	t.Helper()
	u, err := url.Parse("ipmi://" + address)
	require.NoError(t, err)
	return endpoint.Resolved{Name: "BMC of esx21", URL: u, User: user, Password: inventory.NewSecret(password)}
}

func open(t *testing.T, address string, p patience) *Client {
	t.Helper()
	c, err := connect(t.Context(), at(t, address), p)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close(t.Context()) })
	return c
}
