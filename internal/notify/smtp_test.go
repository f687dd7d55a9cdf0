package notify

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A mailServer speaks SMTP (RFC 5321) as far as a client that sends one mail goes.
type mailServer struct {
	net.Listener
	t *testing.T
	// answers replaces the answer to a command: "MAIL": "451 later". "": none comes.
	answers map[string]string
	tls     *tls.Config // offered by STARTTLS; nil: not
	login   bool        // offered

	mu       sync.Mutex
	mails    []mail
	dialled  int
	released chan struct{} // closed: those that hang are let go
}

type mail struct {
	from string
	to   []string
	data string
	auth string
	tls  bool
}

func newMailServer(t *testing.T) *mailServer {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	m := &mailServer{Listener: l, t: t, answers: map[string]string{}, released: make(chan struct{})}
	var all sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); m.release(); all.Wait() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { m.serve(c) })
		}
	})
	return m
}

func (m *mailServer) release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-m.released:
	default:
		close(m.released)
	}
}

func (m *mailServer) serve(c net.Conn) {
	defer c.Close()
	m.mu.Lock()
	m.dialled++
	m.mu.Unlock()
	in, secured := bufio.NewReader(c), false
	say := func(verb, usual string) bool {
		text, other := m.answers[verb]
		if !other {
			text = usual
		}
		if text == "" {
			<-m.released
			return false
		}
		_, err := fmt.Fprintf(c, "%s\r\n", text)
		return err == nil
	}
	if !say("banner", "220 mail.example ESMTP") {
		return
	}
	var now mail
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb, rest, _ := strings.Cut(line, " ")
		var ok bool
		switch strings.ToUpper(verb) {
		case "EHLO":
			text := "250-mail.example"
			if m.tls != nil && !secured {
				text += "\r\n250-STARTTLS"
			}
			if m.login {
				text += "\r\n250-AUTH PLAIN"
			}
			ok = say("EHLO", text+"\r\n250 8BITMIME")
		case "STARTTLS":
			if ok = say("STARTTLS", "220 go on"); ok {
				s := tls.Server(c, m.tls)
				if s.Handshake() != nil {
					return
				}
				c, in, secured = s, bufio.NewReader(s), true
			}
		case "AUTH":
			now.auth = rest
			ok = say("AUTH", "235 welcome")
		case "MAIL":
			now.from, now.tls = rest, secured
			ok = say("MAIL", "250 fine")
		case "RCPT":
			now.to = append(now.to, rest)
			ok = say("RCPT", "250 fine")
		case "DATA":
			if ok = say("DATA", "354 go on"); !ok || m.answers["DATA"] != "" {
				break
			}
			var b strings.Builder
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				b.WriteString(strings.TrimPrefix(line, "."))
			}
			now.data = b.String()
			m.mu.Lock()
			m.mails = append(m.mails, now)
			m.mu.Unlock()
			ok = say("end", "250 queued")
		case "QUIT":
			say("QUIT", "221 bye")
			return
		default:
			ok = say(verb, "250 fine")
		}
		if !ok {
			return
		}
	}
}

func (m *mailServer) got() []mail {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mails
}

// url is a channel's to this server, with a login or without.
func (m *mailServer) url(login string) string {
	return "smtp://" + login + m.Addr().String() + "/?fromaddress=nightshift@lab.example&toaddresses=ann@lab.example"
}

// unknownCertificate is one that nobody vouches for.
func unknownCertificate(t *testing.T) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	require.NoError(t, err)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
}
