package simlab

import (
	"strings"
	"sync"
	"time"
)

// A Record is one call that changes something, as it was received: also when its answer was lost.
type Record struct {
	At     time.Time
	System string // "vcenter", "esxi:HOST", "bmc:HOST", "wol:HOST" or "ssh:NAME"
	// Verb is the SOAP method, where it matters with what it changes ("ReconfigureComputeResource_Task:ha=false"),
	// "Reset:ForceOff" at a BMC, the command line over SSH ("zfs destroy:tank/mail@x" at a storage host), or method and path of another HTTP request.
	Verb   string
	Target string // the name of host, guest or cluster
	// Result is "" while it is under way, "ok", the fault's type ("ToolsUnavailable"), the HTTP status, or
	// "injected …". A task that was accepted is "ok", however it ends.
	Result string
	// AnswerLost says that the caller got no answer.
	AnswerLost bool
}

// Logins counts logins.
type Logins struct{ OK, Failed int }

type recorder struct {
	mu     sync.Mutex
	calls  []Record
	logins map[string]Logins
	on     func(Record)
}

// add records calls and returns how to set their result.
func (r *recorder) add(system string, calls []call) (done func(result string, lost bool)) {
	r.mu.Lock()
	from := len(r.calls)
	for _, c := range calls {
		r.calls = append(r.calls, Record{At: time.Now(), System: system, Verb: c.verb, Target: c.target})
	}
	added := append([]Record(nil), r.calls[from:]...)
	r.mu.Unlock()
	if r.on != nil {
		for _, rec := range added {
			r.on(rec)
		}
	}
	return func(result string, lost bool) {
		r.mu.Lock()
		defer r.mu.Unlock()
		for i := range added {
			r.calls[from+i].Result, r.calls[from+i].AnswerLost = result, lost
		}
	}
}

func (r *recorder) login(system string, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.logins[system]
	if ok {
		l.OK++
	} else {
		l.Failed++
	}
	r.logins[system] = l
}

// Calls returns every call that changes something, in the order in which they were received.
func (l *Lab) Calls() []Record {
	l.rec.mu.Lock()
	defer l.rec.mu.Unlock()
	return append([]Record(nil), l.rec.calls...)
}

// Count says how often a call was received. A verb without its details counts with any of them ("Reset"); an empty
// verb or target is any.
func (l *Lab) Count(verb, target string) int {
	n := 0
	for _, r := range l.Calls() {
		if verbMatches(verb, r.Verb) && (target == "" || target == r.Target) {
			n++
		}
	}
	return n
}

// Logins says how many logins each system ("vcenter", "esxi:HOST", "bmc:HOST") accepted and refused. A request with basic
// authentication counts only when it is refused.
func (l *Lab) Logins() map[string]Logins {
	l.rec.mu.Lock()
	defer l.rec.mu.Unlock()
	out := map[string]Logins{}
	for k, v := range l.rec.logins {
		out[k] = v
	}
	return out
}

func verbMatches(want, verb string) bool {
	return want == "" || want == verb || strings.HasPrefix(verb, want+":")
}
