package activities

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"nightshift/internal/fault"
)

// A refusal is how a login ended that a system refused.
type refusal struct {
	at  time.Time
	err error
}

// accountOf stands for a login: by where it goes, and all that is sent there. Its secret cannot be had from it.
func (c *clients) accountOf(login ...string) string {
	mac := hmac.New(sha256.New, c.salt)
	_, _ = fmt.Fprintf(mac, "%q", login)
	return string(mac.Sum(nil))
}

// refusedBefore is an error where the same login was refused a short time ago: the next one may lock the account.
func (c *clients) refusedBefore(account, same string) error {
	c.mu.Lock()
	old, known := c.refused[account]
	c.mu.Unlock()
	if wait := lockout - c.now().Sub(old.at); known && wait > 0 {
		return fault.As(fault.Auth, fmt.Errorf("%w; not tried again with the same %s for %s", old.err, same, wait.Round(time.Second)))
	}
	return nil
}

// remember keeps a refused login from being repeated.
func (c *clients) remember(account string, err error) {
	if account == "" || !isAuth(err) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refused[account] = refusal{c.now(), err}
}

// gates let one in at a time for each name. The zero value is ready.
type gates struct {
	mu     sync.Mutex
	tokens map[string]chan struct{}
}

// enter waits for its turn; the error is that of the context.
func (g *gates) enter(ctx context.Context, name string) (leave func(), err error) {
	g.mu.Lock()
	if g.tokens == nil {
		g.tokens = map[string]chan struct{}{}
	}
	token := g.tokens[name]
	if token == nil {
		token = make(chan struct{}, 1)
		g.tokens[name] = token
	}
	g.mu.Unlock()
	select {
	case token <- struct{}{}:
		return func() { <-token }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
