package notify

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/rocketchat"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/pushover"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// maxBody bounds what is read of any answer: the library reads whole bodies.
const maxBody = 1 << 20

// errMoved: the message is not where it was sent, and would be lost where the answer leads.
var errMoved = errors.New("it leads elsewhere, where the message would be lost: write the URL to which it leads")

// tame keeps a client of the library from taking a login page for success, as Go follows most redirects of a POST by a GET
// that has no body; from reading for ever; and from waiting for ever.
func tame(c *http.Client) {
	if _, done := c.Transport.(bounded); done {
		return
	}
	c.Transport, c.CheckRedirect = bounded{c.Transport}, sameMethod
	if c.Timeout == 0 {
		c.Timeout = sendTimeout
	}
}

// tameDefault does so with the process's default client, which services of the library use, and nothing else of nightshift does.
var tameDefault = sync.OnceFunc(func() { tame(http.DefaultClient) }) //nolint:gochecknoglobals // it is about a global of net/http

// tameService does so with the client of a service, where it can be had.
func tameService(s types.Service) {
	switch s := s.(type) {
	case interface{ SetHTTPClient(c *http.Client) }:
		c := &http.Client{}
		tame(c)
		s.SetHTTPClient(c)
	case interface{ GetHTTPClient() *http.Client }:
		if c := s.GetHTTPClient(); c != nil {
			tame(c)
		}
	case *rocketchat.Service:
		tame(s.Client)
	case *pushover.Service:
		tame(s.Client)
	}
}

func sameMethod(next *http.Request, via []*http.Request) error {
	if next.Method != via[0].Method || len(via) > 3 {
		return fmt.Errorf("%w (%s)", errMoved, next.URL.Hostname())
	}
	return nil
}

// bounded reads no more of an answer than it should have.
type bounded struct{ to http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	to := b.to
	if to == nil {
		to = http.DefaultTransport
	}
	res, err := to.RoundTrip(r)
	if err == nil {
		res.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(res.Body, maxBody), res.Body}
	}
	return res, err
}
