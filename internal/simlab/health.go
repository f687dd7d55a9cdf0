package simlab

import (
	"fmt"
	"net/http"
	"strings"
)

// startHealth serves a page per guest that answers 200 while the guest's service is up, and 503 otherwise, or while
// it has no name server or directory: what a health check of the lab file looks at.
func (l *Lab) startHealth(port int) error {
	addr, err := l.listen("health", port, nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		found, up := false, false
		l.read(func() {
			if g := l.guestNamed(name); g != nil {
				found, up = true, g.ready && !l.cannotResolve(g)
			}
		})
		switch {
		case !found:
			http.NotFound(w, r)
		case !up:
			http.Error(w, name+" is not up", http.StatusServiceUnavailable)
		default:
			_, _ = fmt.Fprintf(w, "%s is up\n", name) // the caller may be gone
		}
	}))
	l.health = "http://" + addr
	return err
}
