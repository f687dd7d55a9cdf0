package vsphere

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"reflect"
	"sync"
	"time"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/inventory"
)

// locale makes the server's messages English.
const locale = "en_US"

// A session is the soap.RoundTripper below everything. Where the server says NotAuthenticated, which proves that it
// did nothing, it logs in anew and sends that call once more. It repeats nothing else.
type session struct {
	soap     *soap.Client
	jar      *jar
	manager  types.ManagedObjectReference
	user     string
	password inventory.Secret
	// ready says why no login is sent just now; nil: it may be.
	ready func(context.Context) error

	// logins holds one token: who has it may log in.
	logins chan struct{}

	mu      sync.Mutex
	count   int    // logins so far
	key     string // of the session
	refused error  // the login was refused: it is never sent again
}

func newSession(sc *soap.Client, j *jar, manager types.ManagedObjectReference, user string, password inventory.Secret) *session {
	s := &session{soap: sc, jar: j, manager: manager, user: user, password: password, logins: make(chan struct{}, 1),
		ready: func(context.Context) error { return nil }}
	s.logins <- struct{}{}
	return s
}

// number counts the logins: it differs when the session was renewed.
func (s *session) number() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}

// id is the key of the present session.
func (s *session) id() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.key
}

// refusal is the error of the login that was refused, if one was.
func (s *session) refusal() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// refuse remembers that the account was refused.
func (s *session) refuse(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = err
}

// RoundTrip implements soap.RoundTripper.
func (s *session) RoundTrip(ctx context.Context, req, res soap.HasFault) error {
	before := s.number()
	err := s.send(ctx, req, res)
	if err == nil || !notAuthenticated(err) {
		return err
	}
	if err := s.renew(ctx, before); err != nil {
		return err
	}
	reflect.ValueOf(res).Elem().SetZero() // the fault is still in it
	return s.send(ctx, req, res)
}

func (s *session) send(ctx context.Context, req, res soap.HasFault) error {
	limit := callTimeout
	switch req.(type) {
	case *methods.RetrievePropertiesExBody, *methods.ContinueRetrievePropertiesExBody:
		limit = bulkTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return s.soap.RoundTrip(ctx, req, res)
}

// direct is the way past RoundTrip, for what must not log in by itself.
type direct struct{ *session }

// RoundTrip implements soap.RoundTripper.
func (d direct) RoundTrip(ctx context.Context, req, res soap.HasFault) error {
	return d.send(ctx, req, res)
}

// renew logs in, unless another caller did so since the login with that number, or the account was refused before.
func (s *session) renew(ctx context.Context, number int) error {
	select {
	case <-s.logins:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { s.logins <- struct{}{} }()
	if s.number() != number {
		return nil
	}
	if err := s.refusal(); err != nil {
		return err
	}
	if err := s.ready(ctx); err != nil {
		return err
	}
	// A login inside a living session is refused as InvalidLogin.
	s.jar.clear()
	res, err := methods.Login(ctx, direct{s}, &types.Login{This: s.manager, UserName: s.user, Password: s.password.Reveal(), Locale: locale})
	if err != nil {
		if refusedLogin(err) {
			s.refuse(err)
		}
		return err
	}
	s.mu.Lock()
	s.count++
	s.key = res.Returnval.Key
	s.mu.Unlock()
	return nil
}

// keep calls the server now and then, so that it does not forget the session. A session that is lost nevertheless is
// renewed by the next call that needs it.
func (s *session) keep(ctx context.Context, content types.ServiceContent, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			// Read through the property collector: CurrentTime does not count as use everywhere.
			_, _ = methods.RetrievePropertiesEx(ctx, direct{s}, &types.RetrievePropertiesEx{
				This:    content.PropertyCollector,
				SpecSet: []types.PropertyFilterSpec{wants{"Folder": {"name"}}.of(types.ObjectSpec{Obj: content.RootFolder})},
			})
		}
	}
}

// logout ends the session. One that is gone already is no error.
func (s *session) logout(ctx context.Context) error {
	_, err := methods.Logout(ctx, direct{s}, &types.Logout{This: s.manager})
	if err != nil && notAuthenticated(err) {
		return nil
	}
	return err
}

// A jar is a cookie jar that can be emptied.
type jar struct {
	mu sync.Mutex
	http.CookieJar
}

func newJar() *jar {
	j := &jar{}
	j.clear()
	return j
}

func (j *jar) clear() {
	fresh, _ := cookiejar.New(nil) // never fails without options
	j.mu.Lock()
	defer j.mu.Unlock()
	j.CookieJar = fresh
}

func (j *jar) get() http.CookieJar {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.CookieJar
}

// SetCookies implements http.CookieJar.
func (j *jar) SetCookies(u *url.URL, cookies []*http.Cookie) { j.get().SetCookies(u, cookies) }

// Cookies implements http.CookieJar.
func (j *jar) Cookies(u *url.URL) []*http.Cookie { return j.get().Cookies(u) }
