// Package nuttest is a NUT server for tests: it knows UPSes that are what the test says, counts the orders that it gets,
// and can lose its answers.
package nuttest

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A UPS is one that the server tells about.
type UPS struct {
	Vars     map[string]string
	Writable []string
	Commands []string
	// Counts: its driver shows the countdown of shutdown.return, in ups.timer.shutdown.
	Counts bool
	// Err is what the server says in place of an answer: "DATA-STALE"; empty: it answers.
	Err string
}

// A Server is upsd. User and Password are those who may give orders.
type Server struct {
	User, Password string
	TLS            *tls.Config // for STARTTLS; nil: it has none

	listener net.Listener
	wait     sync.WaitGroup
	mu       sync.Mutex
	upses    map[string]*UPS
	orders   []string
	lose     string
	hang     string
	heard    func(order string)
	conns    map[net.Conn]bool
	closed   bool
}

// Start starts a server on loopback, which ends with the test.
func Start(t testing.TB, upses map[string]*UPS) *Server {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := &Server{User: "nightshift", Password: "geheim", listener: l, upses: upses, conns: map[net.Conn]bool{}}
	s.wait.Go(s.accept)
	t.Cleanup(s.Close)
	return s
}

// Address is host:port.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Close ends the server and all its connections.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	_ = s.listener.Close()
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.wait.Wait()
}

// Change changes a UPS, or makes one.
func (s *Server) Change(name string, change func(*UPS)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.upses[name]
	if u == nil {
		u = &UPS{Vars: map[string]string{}}
		s.upses[name] = u
	}
	change(u)
}

// Set sets a variable of a UPS.
func (s *Server) Set(name, variable, value string) {
	s.Change(name, func(u *UPS) { u.Vars[variable] = value })
}

// Lose has the next order of the verb ("INSTCMD") carried out, and its answer lost.
func (s *Server) Lose(verb string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lose = verb
}

// Hang has the next order of the verb not arrive, and nobody answer it.
func (s *Server) Hang(verb string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hang = verb
}

// OnOrder has f called with each order that comes, before it is carried out.
func (s *Server) OnOrder(f func(order string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = f
}

// hear tells who listens of an order.
func (s *Server) hear(words []string) {
	s.mu.Lock()
	heard := s.heard
	s.mu.Unlock()
	if heard != nil && (words[0] == "INSTCMD" || words[0] == "SET") {
		heard(strings.Join(words, " "))
	}
}

// hangs tells whether it is that order.
func (s *Server) hangs(verb string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	is := s.hang == verb
	if is {
		s.hang = ""
	}
	return is
}

// Orders are those that were carried out, as they came: "INSTCMD rack shutdown.return".
func (s *Server) Orders() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.orders)
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns[conn] = true
		if s.closed {
			_ = conn.Close()
		}
		s.mu.Unlock()
		s.wait.Go(func() { s.serve(conn) })
	}
}

// A guest is one who has connected.
type guest struct{ user, password string }

func (s *Server) serve(raw net.Conn) {
	conn := raw
	defer func() {
		_ = conn.Close()
		s.mu.Lock()
		delete(s.conns, raw)
		s.mu.Unlock()
	}()
	in, g := bufio.NewScanner(conn), &guest{}
	for in.Scan() {
		words := strings.Fields(strings.ReplaceAll(in.Text(), `"`, ""))
		if len(words) == 0 {
			continue
		}
		if words[0] == "STARTTLS" && s.TLS != nil {
			_, _ = fmt.Fprint(conn, "OK STARTTLS\n")
			conn = tls.Server(conn, s.TLS)
			in = bufio.NewScanner(conn)
			continue
		}
		if s.hangs(words[0]) {
			continue
		}
		s.hear(words)
		answer, lost := s.answer(g, words)
		if lost {
			return
		}
		_, _ = fmt.Fprint(conn, answer)
		if words[0] == "LOGOUT" {
			return
		}
	}
}

func (s *Server) answer(g *guest, w []string) (text string, lost bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case w[0] == "VER":
		return "Network UPS Tools upsd 2.8.1 - http://www.networkupstools.org/\n", false
	case w[0] == "NETVER":
		return "1.3\n", false
	case w[0] == "LOGOUT":
		return "OK Goodbye\n", false
	case w[0] == "USERNAME" && len(w) == 2:
		g.user = w[1]
		return "OK\n", false
	case w[0] == "PASSWORD" && len(w) == 2:
		g.password = w[1]
		return "OK\n", false
	case w[0] == "STARTTLS":
		return "ERR FEATURE-NOT-CONFIGURED\n", false
	case w[0] == "LIST" && len(w) > 1:
		return s.list(w[1:]), false
	case w[0] == "GET" && len(w) == 3 && w[1] == "TRACKING":
		return "SUCCESS\n", false
	case w[0] == "GET" && len(w) == 4:
		return s.variable(w[2], w[3]), false
	case w[0] == "SET" && len(w) == 3:
		return "OK\n", false
	case w[0] == "SET" && len(w) == 5, w[0] == "INSTCMD" && len(w) > 2:
		return s.order(g, w)
	}
	return "ERR UNKNOWN-COMMAND\n", false
}

func (s *Server) list(what []string) string {
	var b strings.Builder
	head := strings.Join(what, " ")
	fmt.Fprintf(&b, "BEGIN LIST %s\n", head)
	if what[0] == "UPS" {
		for _, name := range slices.Sorted(maps.Keys(s.upses)) {
			fmt.Fprintf(&b, "UPS %s \"a test\"\n", name)
		}
		fmt.Fprintf(&b, "END LIST UPS\n")
		return b.String()
	}
	u, no := s.find(what[1])
	if no != "" {
		return no
	}
	switch what[0] {
	case "VAR":
		for _, k := range slices.Sorted(maps.Keys(u.Vars)) {
			fmt.Fprintf(&b, "%s %s %q\n", head, k, u.Vars[k])
		}
	case "RW":
		for _, k := range u.Writable {
			fmt.Fprintf(&b, "%s %s %q\n", head, k, u.Vars[k])
		}
	case "CMD":
		for _, k := range u.Commands {
			fmt.Fprintf(&b, "%s %s\n", head, k)
		}
	}
	fmt.Fprintf(&b, "END LIST %s\n", head)
	return b.String()
}

func (s *Server) find(name string) (*UPS, string) {
	u := s.upses[name]
	switch {
	case u == nil:
		return nil, "ERR UNKNOWN-UPS\n"
	case u.Err != "":
		return nil, "ERR " + u.Err + "\n"
	}
	return u, ""
}

func (s *Server) variable(ups, name string) string {
	u, no := s.find(ups)
	if no != "" {
		return no
	}
	value, ok := u.Vars[name]
	if !ok {
		return "ERR VAR-NOT-SUPPORTED\n"
	}
	return fmt.Sprintf("VAR %s %s %q\n", ups, name, value)
}

func (s *Server) order(g *guest, w []string) (string, bool) {
	name := w[1]
	if w[0] == "SET" {
		name = w[2]
	}
	u, no := s.find(name)
	switch {
	case no != "":
		return no, false
	case w[0] == "INSTCMD" && !slices.Contains(u.Commands, w[2]):
		return "ERR CMD-NOT-SUPPORTED\n", false
	case g.user != s.User || g.password != s.Password:
		return "ERR ACCESS-DENIED\n", false
	case w[0] == "SET" && !slices.Contains(u.Writable, w[3]):
		return "ERR VAR-NOT-SUPPORTED\n", false
	}
	s.orders = append(s.orders, strings.Join(w, " "))
	switch {
	case w[0] == "SET":
		u.Vars[w[3]] = w[4]
	case u.Counts && w[2] == "shutdown.return":
		u.Vars["ups.timer.shutdown"] = u.Vars["ups.delay.shutdown"]
	}
	if s.lose == w[0] {
		s.lose = ""
		return "", true
	}
	return "OK TRACKING 1bd31808-cb49-4aec-9d75-d056e6f018d2\n", false
}
