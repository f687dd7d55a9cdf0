package simlab

import (
	"bytes"
	"io"
	"net/http"
)

// A call is what a request asks for, as records and faults name it.
type call struct{ verb, target string }

// A request is one HTTP request: some of them carry several calls.
type request struct {
	calls   []call
	changes bool // it changes something: recorded
}

const maxBody = 16 << 20

// boundary is what lies between the callers and a system: faults happen here, below HTTP where it matters, and what
// arrives is recorded here, before it acts. result names the outcome of an answer.
func (l *Lab) boundary(
	system string, identify func(*http.Request, []byte) request, refuse func(http.ResponseWriter, Fault),
	result func(status int, body []byte) string, next http.Handler,
) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		req := identify(r, body)
		f, hit := l.faults.match(system, req.calls)
		if hit {
			l.before(r, f)
		}
		done := func(string, bool) {}
		if req.changes {
			done = l.rec.add(system, req.calls)
		}
		switch {
		case hit && f.Kind == Error:
			done("injected "+refused(f), false)
			refuse(w, f)
		case req.changes, hit && f.Kind == LoseAnswer:
			c := &captured{header: w.Header(), status: http.StatusOK}
			next.ServeHTTP(c, r)
			lost := hit && f.Kind == LoseAnswer
			done(result(c.status, c.body.Bytes()), lost)
			if lost {
				panic(http.ErrAbortHandler)
			}
			w.WriteHeader(c.status)
			_, _ = w.Write(c.body.Bytes()) // the caller may be gone
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// before is what happens to a call on its way.
func (l *Lab) before(r *http.Request, f Fault) {
	switch f.Kind {
	case Drop:
		panic(http.ErrAbortHandler)
	case Hang:
		select {
		case <-r.Context().Done():
		case <-l.ctx.Done():
		}
		panic(http.ErrAbortHandler)
	case Delay:
		if !sleep(l.ctx, f.Delay) {
			panic(http.ErrAbortHandler)
		}
	case LoseAnswer, Error, Break:
	}
}

func refused(f Fault) string {
	if f.SOAP != "" {
		return f.SOAP
	}
	return http.StatusText(orDefault(f.Status, http.StatusServiceUnavailable))
}

// captured is an answer that is held back.
type captured struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header returns the header of the answer.
func (c *captured) Header() http.Header { return c.header }

// WriteHeader sets the status.
func (c *captured) WriteHeader(status int) { c.status = status }

func (c *captured) Write(b []byte) (int, error) { return c.body.Write(b) }
