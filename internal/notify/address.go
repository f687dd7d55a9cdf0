package notify

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/matrix"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

// An address is a channel's URL, which is a secret as a whole.
type address struct {
	channel string
	raw     inventory.Secret
	scheme  string // of the service: smtp
	where   string // what of it may be said: smtp mail.example.com
	plain   bool   // it goes unencrypted
}

// withHost are the services whose URL names a server. In those of the others, the place of the host is taken by a token.
var withHost = []string{"bark", "generic", "gotify", "matrix", "mattermost", "ntfy", "opsgenie", "pagerduty", "rocketchat", "signal", "smtp", "zulip"}

// unverified are the keys that switch the verification of certificates off, and are refused; plain those that do without TLS.
var (
	unverified = []string{"skiptlsverify", "disabletlsverification", "insecureskipverify"}
	plain      = []string{"disabletls"}
)

// Check looks at a channel's secret and the form of its URL, and sends nothing. It answers what may be said of where it leads,
// and whether messages go there unencrypted.
func Check(ctx context.Context, ch inventory.Channel, dir string) (where string, unencrypted bool, err error) {
	a, err := resolve(ctx, ch, dir)
	if err != nil {
		return "", false, err
	}
	u, err := url.Parse(a.raw.Reveal())
	if err == nil && a.scheme == matrix.Scheme { // logs in when it is opened
		if err := formOfMatrix(u); err != nil {
			return a.where, a.plain, a.wrong(err)
		}
		return a.where, a.plain, nil
	}
	flow, err := a.workflow()
	if err == nil && flow == nil {
		_, err = a.service()
	}
	return a.where, a.plain, err
}

// resolve reads the secret and what kind of URL it is.
func resolve(ctx context.Context, ch inventory.Channel, dir string) (*address, error) {
	raw, err := ch.URL.Resolve(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("channel %s: %w", ch.Name, err)
	}
	a := &address{channel: ch.Name, raw: raw}
	u, err := url.Parse(raw.Reveal())
	if err != nil || u.Scheme == "" { // the error quotes the URL
		return nil, fault.As(fault.Invalid, fmt.Errorf("channel %s: what %s gave is no URL: write it as docs/notifications.md shows, with %%-codes for special characters in a password",
			ch.Name, ch.URL.Source()))
	}
	scheme, custom, _ := strings.Cut(strings.ToLower(u.Scheme), "+")
	a.scheme, a.where, a.plain = scheme, scheme, custom == "http"
	if !slices.Contains(Services(), scheme) {
		near := ""
		if n := inventory.Nearest(scheme, Services()); n != "" {
			near = fmt.Sprintf("did you mean %q? ", n)
		}
		return nil, fault.As(fault.Invalid, fmt.Errorf("channel %s: its URL does not begin with the name of a service (%s%s)", ch.Name, near, strings.Join(Services(), ", ")))
	}
	if slices.Contains(withHost, scheme) && u.Hostname() != "" {
		a.where += " " + u.Hostname()
	}
	for key, values := range u.Query() {
		key = strings.ToLower(key)
		for _, v := range values {
			switch on := !slices.Contains([]string{"no", "n", "false", "0"}, strings.ToLower(v)); {
			case on && slices.Contains(unverified, key):
				return nil, fault.As(fault.Invalid, fmt.Errorf("channel %s (%s): %s would accept any certificate, which nightshift does not: "+
					"let the machine trust the server's CA (SSL_CERT_FILE)", ch.Name, a.where, key))
			case on && slices.Contains(plain, key), key == "scheme" && strings.EqualFold(v, "http"),
				scheme == "smtp" && key == "encryption" && strings.EqualFold(v, "none"),
				scheme == "smtp" && !on && slices.Contains([]string{"usestarttls", "starttls"}, key):
				a.plain = true
			case on && key == "usehtml":
				return nil, fault.As(fault.Invalid, fmt.Errorf("channel %s (%s): messages are plain text, remove usehtml", ch.Name, a.where))
			}
		}
	}
	return a, nil
}

// Services are those that a URL can begin with.
func Services() []string {
	list := slices.DeleteFunc((&router.ServiceRouter{}).ListServices(), func(s string) bool { return s == "logger" })
	slices.Sort(list)
	return list
}

// formOfMatrix looks at the form of a URL only. A panic of the library is an error.
func formOfMatrix(u *url.URL) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the library failed: %v", p)
		}
	}()
	return (&matrix.Config{}).SetURL(u)
}

// service is the library's service for the URL. Some log in here. A panic of the library is an error.
func (a *address) service() (s types.Service, err error) {
	defer func() {
		if p := recover(); p != nil {
			s, err = nil, a.wrong(fmt.Errorf("the library failed: %v", p))
		}
	}()
	u, err := url.Parse(a.raw.Reveal())
	if err != nil {
		return nil, a.wrong(errors.New("it is no URL"))
	}
	service, err := (&router.ServiceRouter{}).NewService(a.scheme)
	if err != nil {
		return nil, a.wrong(err)
	}
	if strings.Contains(u.Scheme, "+") {
		custom, ok := service.(types.CustomURLService)
		if !ok {
			return nil, a.wrong(fmt.Errorf("%s takes no URL of a webhook: begin it with %s://", a.scheme, a.scheme))
		}
		if u, err = custom.GetConfigURLFromCustom(u); err != nil {
			return nil, a.wrong(err)
		}
	}
	if err := service.Initialize(u, nil); err != nil {
		if a.scheme == matrix.Scheme && formOfMatrix(u) == nil { // it is the login that failed
			return nil, a.failed(err)
		}
		return nil, a.wrong(err)
	}
	tameService(service)
	return service, nil
}
