package simlab

import (
	"net/http"
	"sync"

	"github.com/vmware/govmomi/vim25/soap"
)

// sessionHeader carries the id of a vAPI session; so does a cookie of the same name.
const sessionHeader = "vmware-api-session-id"

// sessions are those that an endpoint has seen. The simulator keeps sessions for ever; those from before a restart are
// taken off the requests here, so that nobody knows them any more.
type sessions struct {
	mu         sync.Mutex
	seen, dead map[string]bool
}

// end forgets all sessions.
func (s *sessions) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead == nil {
		s.dead = map[string]bool{}
	}
	for id := range s.seen {
		s.dead[id] = true
	}
	s.seen = nil
}

func (s *sessions) alive(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead[id] {
		return false
	}
	if s.seen == nil {
		s.seen = map[string]bool{}
	}
	s.seen[id] = true
	return true
}

// strip takes dead sessions off a request.
func (s *sessions) strip(r *http.Request) {
	cookies := r.Cookies()
	r.Header.Del("Cookie")
	for _, c := range cookies {
		if c.Name != soap.SessionCookieName && c.Name != sessionHeader || s.alive(c.Value) {
			r.AddCookie(c)
		}
	}
	if id := r.Header.Get(sessionHeader); id != "" && !s.alive(id) {
		r.Header.Del(sessionHeader)
	}
}
