package vsphere

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"nightshift/internal/fault"
)

// signOnHealth is where the sign-on service of a vCenter tells load balancers how it is: GREEN. It asks for no login.
const signOnHealth = "/websso/HealthStatus"

const readyTimeout = 20 * time.Second

// signOnReady tells whether the vCenter can judge a login. While it starts, its directory comes up after the API does, and
// a right password may be refused as wrong; accounts get locked for that. Only a clear no counts: not every version and
// not every simulator has such a page.
func (c *Client) signOnReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	u := url.URL{Scheme: c.session.soap.URL().Scheme, Host: c.session.soap.URL().Host, Path: signOnHealth}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	var status int
	var text string
	err = c.session.soap.Do(ctx, req, func(res *http.Response) error {
		b, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
		status, text = res.StatusCode, strings.TrimSpace(string(b))
		return err
	})
	switch {
	case err != nil:
		return err
	case status == http.StatusBadGateway, status == http.StatusServiceUnavailable, status == http.StatusGatewayTimeout:
		return fault.As(fault.Unreachable, fmt.Errorf("no login is sent yet: its sign-on service is not ready (HTTP %d)", status))
	case status == http.StatusOK && strings.HasPrefix(text, "RED"):
		return fault.As(fault.Unreachable, fmt.Errorf("no login is sent yet: its sign-on service says %q", "RED"))
	}
	return nil
}
