package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/plan"
	"nightshift/internal/words"
	"nightshift/internal/zfs"
)

const (
	// unattended is how long a stream goes on that no step looks at: a run that hands over to its next one is back by then.
	unattended = time.Minute
	// mostBreaks is how often a stream breaks off, one after the other, without getting on, until it is given up.
	mostBreaks = 12
	longBreak  = time.Minute
	// longLeft is so long, in seconds, that it is not told how long it takes: ten years.
	longLeft = 10 * 365 * 24 * 3600
	// leastStall is how long nothing may move at least: receivers that are ended have a minute for it.
	leastStall = 90 * time.Second
	// rateOver is the time over which the speed is told.
	rateOver = 30 * time.Second
)

// streams are those that this process carries, by replica: never two into one. The zero value is ready.
type streams struct {
	mu         sync.Mutex
	by         map[string]*carriage
	closed     atomic.Bool
	unattended time.Duration // of tests; 0: unattended
	pause      time.Duration // after the first break; of tests; 0: a second
	stall      time.Duration // how long nothing may move until a try is given up
}

// A carriage is one step's stream, with all tries that it takes. It outlives the attempt of its activity that began it.
type carriage struct {
	all   *streams
	owner string // commandKey
	alone time.Duration
	pause time.Duration
	stall time.Duration
	// try is of the attempt that came first, and any may begin it: it finds out by itself what it needs.
	try   func(context.Context, *carriage) error
	after *carriage // into the same replica, of an earlier step: ended before

	mu      sync.Mutex
	stop    context.CancelFunc // of the try under way; nil: none is
	ended   chan struct{}      // of it, or of the last
	err     error              // of the last
	last    error              // with which a try broke off
	away    string             // why the last try that is waited for did not send
	began   bool
	breaks  int   // since the stream got on, or since one of which is not known yet whether it did
	before  int   // breaks before that one
	unsure  bool  // there is one: only the next try that gets to look at the target can tell
	sends   bool  // the try under way, or the last, got as far as sending
	seen    bool  // the last look saw a try under way
	waits   int   // tries, one after the other, that found a host away before they sent
	most    int64 // that had arrived of the stream at a try's begin
	next    time.Time
	looked  time.Time
	lively  time.Time // when something last moved
	stalled bool      // the try under way was given up for that
	samples []sample
	total   int64
	bytes   int64 // sent by all tries
	notes   []string
}

// A sample is how much was sent at a moment.
type sample struct {
	at    time.Time
	bytes int64
}

// of is the carriage of a step, which goes on where it is that step's already.
func (s *streams) of(where, owner string, try func(context.Context, *carriage) error) *carriage {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.by[where]
	if old != nil && old.owner == owner {
		old.attend()
		return old
	}
	if s.by == nil {
		s.by = map[string]*carriage{}
	}
	t := &carriage{all: s, owner: owner, try: try, after: old, looked: time.Now(), alone: cmp.Or(s.unattended, unattended), pause: cmp.Or(s.pause, time.Second), stall: s.stall}
	s.by[where] = t
	return t
}

// close ends all, and lets none begin any more.
func (s *streams) close() {
	s.closed.Store(true)
	s.mu.Lock()
	all := slices.Collect(maps.Values(s.by))
	s.mu.Unlock()
	for _, t := range all {
		t.end()
	}
}

// into is where a stream goes to.
func into(host, replica string) string { return host + ":" + replica }

// end stops what goes there.
func (s *streams) end(where string) {
	s.mu.Lock()
	t := s.by[where]
	s.mu.Unlock()
	if t != nil {
		t.end()
	}
}

func (t *carriage) attend() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.looked = time.Now()
}

// end stops the try under way, and waits for it.
func (t *carriage) end() {
	t.mu.Lock()
	stop, ended, after := t.stop, t.ended, t.after
	t.mu.Unlock()
	if after != nil {
		after.end()
	}
	if stop != nil {
		stop()
		<-ended
	}
}

// begin starts a try where none is under way. What it answers is closed when that has ended; nil: none is begun any more.
func (t *carriage) begin() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stop != nil || t.all.closed.Load() {
		return t.ended
	}
	ctx, stop := context.WithCancel(context.Background()) //nolint:forbidigo // it outlives the attempt that begins it, and ends when nobody attends it
	t.stop, t.ended, t.err, t.began, t.samples, t.total = stop, make(chan struct{}), nil, true, nil, 0
	t.lively, t.stalled, t.sends, t.next = time.Now(), false, false, time.Time{}
	after, ended := t.after, t.ended
	t.after = nil
	go t.watch(ctx, stop)
	go func() {
		if after != nil {
			after.end()
		}
		err := t.try(ctx, t)
		t.mu.Lock()
		if err != nil && t.stalled {
			err = refuse(fault.Unreachable, "nothing moved for %s", words.Limit(t.stall))
		}
		t.stop, t.err = nil, err
		t.mu.Unlock()
		stop()
		close(ended)
	}()
	return ended
}

// watch stops a try that nobody attends any more, as its run was aborted, and one in which nothing moves.
func (t *carriage) watch(ctx context.Context, stop context.CancelFunc) {
	tick := time.NewTicker(min(t.alone, t.stall) / 6)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		t.mu.Lock()
		t.stalled = time.Since(t.lively) > t.stall
		over := t.stalled || time.Since(t.looked) > t.alone
		t.mu.Unlock()
		if over {
			stop()
			return
		}
	}
}

// carry begins a try where none is under way, with a pause after one that broke off. What it answers is closed when there is
// something new to look at: the try under way has ended, or the pause has. The error is why there is no use in another.
func (t *carriage) carry(fence func() error) (news <-chan struct{}, _ error) {
	t.mu.Lock()
	t.looked = time.Now()
	switch {
	case t.all.closed.Load():
		t.mu.Unlock()
		return nil, errLeave // this process ends: the next one goes on
	case t.stop != nil:
		defer t.mu.Unlock()
		return t.ended, nil
	case t.seen: // it has ended since the step looked, which is to ask the target first
		defer t.mu.Unlock()
		over := make(chan struct{})
		close(over)
		return over, nil
	}
	again, err := t.judge()
	left := time.Until(t.next)
	t.mu.Unlock()
	switch {
	case err != nil:
		return nil, err
	case !again:
		over := make(chan struct{})
		time.AfterFunc(left, func() { close(over) })
		return over, nil
	}
	if err := fence(); err != nil {
		return nil, err
	}
	return t.begin(), nil
}

// judge decides after a try has ended, or before the first one. The caller holds mu.
func (t *carriage) judge() (again bool, _ error) {
	away := errors.Is(t.err, fault.Unreachable) && !t.sends && !t.stalled
	switch {
	case !t.began:
		return true, nil
	case !t.next.IsZero(): // what broke off is judged already
		return !time.Now().Before(t.next), nil
	case t.err == nil: // and yet the target does not have it
		t.err = refuse(fault.Unreachable, "the stream ended well, but the target does not have it")
	case !breaksOff(t.err):
		return false, t.err
	}
	if away { // that says nothing of the stream: only sendLimit ends it
		t.next = time.Now().Add(min(t.pause<<t.waits, longBreak))
		t.waits, t.away = min(t.waits+1, mostBreaks), t.err.Error()
		t.remember(fmt.Sprintf("waited for a host: %s", t.err))
		return false, nil
	}
	t.last, t.waits = t.err, 0
	if t.sends { // it may have got on
		t.unsure, t.before, t.breaks = true, t.breaks, 0
	} else if t.breaks++; t.breaks >= mostBreaks {
		return false, t.vain()
	}
	pause := min(t.pause<<max(t.before+t.breaks-1, 0), longBreak)
	t.next = time.Now().Add(pause)
	t.remember(fmt.Sprintf("was broken off: %s", t.err))
	return false, nil
}

// waiting is what there is to tell while a host is away; nil: none is.
func (t *carriage) waiting() *plan.Progress {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waits == 0 || t.next.IsZero() {
		return nil
	}
	return &plan.Progress{Bytes: t.most, Waits: t.away}
}

// vain is why it is given up. The caller holds mu.
func (t *carriage) vain() error {
	return refuse(fault.State, "it was broken off %d times without getting on, at last: %w", t.breaks, plain(t.last))
}

// breaksOff tells of what may be otherwise at the next try.
func breaksOff(err error) bool {
	return errors.Is(err, fault.Unreachable) || errors.Is(err, zfs.ErrBusy) || errors.Is(err, zfs.ErrToken) || errors.Is(err, context.Canceled)
}

// arrived tells, before a try sends, how much the target has: one that has got on may be broken off again. The error is that it was often
// enough.
func (t *carriage) arrived(bytes int64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if bytes > t.most {
		t.most, t.breaks, t.before, t.unsure = bytes, 0, 0, false
	}
	return t.send()
}

// anew tells, before a try sends, that it is a stream of which the target has nothing: how much arrived of one before is no measure for it.
// It clears no breaks, as nothing has got on by that.
func (t *carriage) anew() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.most = 0
	return t.send()
}

// send lets a try send, unless that was in vain too often. If it is not known by now that the last stream got on, it did not. The
// caller holds mu.
func (t *carriage) send() error {
	if t.unsure {
		t.breaks, t.before, t.unsure = t.before+1+t.breaks, 0, false
	}
	if t.breaks >= mostBreaks {
		return t.vain()
	}
	t.sends, t.waits = true, 0
	return nil
}

// moved takes in how far the stream is.
func (t *carriage) moved(bytes, total int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if n := len(t.samples); n == 0 || t.samples[n-1].bytes != bytes {
		t.lively = now
	}
	if n := len(t.samples); n > 0 && t.samples[n-1].bytes > bytes { // the next stream
		t.samples = nil
	}
	t.total = total
	t.samples = append(t.samples, sample{now, bytes})
	for len(t.samples) > 2 && now.Sub(t.samples[0].at) > rateOver {
		t.samples = t.samples[1:]
	}
}

// sent counts what a stream was.
func (t *carriage) sent(bytes int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.bytes += bytes
}

// progress is how far the try under way is; false: there is none.
func (t *carriage) progress() (plan.Progress, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.looked, t.seen = time.Now(), t.stop != nil
	p := plan.Progress{Bytes: t.most, Total: t.total}
	if t.waits > 0 {
		p.Waits = t.away
	}
	if n := len(t.samples); n > 0 {
		first, last := t.samples[0], t.samples[n-1]
		p.Bytes = last.bytes
		if took := last.at.Sub(first.at); took > 0 {
			p.Rate = int64(float64(last.bytes-first.bytes) / took.Seconds())
		}
		if left := float64(p.Total-p.Bytes) / float64(p.Rate); p.Rate > 0 && left > 0 && left < longLeft {
			p.Left = plan.Duration(time.Duration(left) * time.Second)
		}
	}
	return p, t.stop != nil
}

// note keeps something for the report, once.
func (t *carriage) note(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.remember(text)
}

// mostNotes is how many of them are told.
const mostNotes = 5

func (t *carriage) remember(text string) {
	if len(t.notes) < mostNotes && !slices.Contains(t.notes, text) {
		t.notes = append(t.notes, text)
	}
}

// remarks is what there is to say of it in the report.
func (t *carriage) remarks() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var said []string
	if t.bytes > 0 {
		said = append(said, plan.Progress{Bytes: t.bytes}.String()+" sent")
	}
	return strings.Join(append(said, t.notes...), "; ")
}
