package engine

import (
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/log/tag"
)

// A line that comes more often than burst times in a window is left out until the window ends: a full disk makes the
// server say the same thing thousands of times a second.
const (
	burst  = 5
	window = 10 * time.Second
)

// serverLog passes the Temporal server's log lines to slog.
type serverLog struct {
	out *slog.Logger
	// quiet leaves everything out: services complain about one another while they go up and down.
	quiet atomic.Bool
	// full is called for every line that tells of a full disk.
	full func()

	mu    sync.Mutex
	fatal string
	lines map[string]*tally
}

type tally struct {
	since time.Time
	count int
}

func newServerLog(out *slog.Logger, full func()) *serverLog {
	return &serverLog{out: out, full: full, lines: make(map[string]*tally)}
}

var _ log.Logger = (*serverLog)(nil)

func (l *serverLog) Debug(string, ...tag.Tag)           {}
func (l *serverLog) Info(string, ...tag.Tag)            {}
func (l *serverLog) Warn(msg string, tags ...tag.Tag)   { l.log(slog.LevelWarn, msg, tags) }
func (l *serverLog) Error(msg string, tags ...tag.Tag)  { l.log(slog.LevelError, msg, tags) }
func (l *serverLog) DPanic(msg string, tags ...tag.Tag) { l.log(slog.LevelError, msg, tags) }
func (l *serverLog) Panic(msg string, tags ...tag.Tag)  { l.log(slog.LevelError, msg, tags) }

// Fatal ends the goroutine, as its callers rely on it never to return, but not the process: the worker in it must be able to
// hand over. The server uses it for what fails at its start; Start reports it.
func (l *serverLog) Fatal(msg string, tags ...tag.Tag) {
	text := msg
	for _, t := range tags {
		text += fmt.Sprintf("; %s: %v", t.Key(), t.Value())
	}
	l.mu.Lock()
	if l.fatal == "" {
		l.fatal = text
	}
	l.mu.Unlock()
	l.log(slog.LevelError, msg, tags)
	runtime.Goexit()
}

// died is the text of the first fatal error, or empty.
func (l *serverLog) died() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}

func (l *serverLog) log(level slog.Level, msg string, tags []tag.Tag) {
	var attrs []any
	for _, t := range tags {
		v := t.Value()
		if s, ok := v.(string); ok && strings.Contains(s, "database or disk is full") {
			l.full() // says it once, in plainer words
			return
		}
		attrs = append(attrs, slog.Any(t.Key(), v))
	}
	if l.quiet.Load() {
		return
	}
	left, ok := l.admit(msg, time.Now())
	if !ok {
		return
	}
	if left > 0 {
		attrs = append(attrs, slog.Int("leftOut", left))
	}
	if level >= slog.LevelError {
		l.out.Error(msg, attrs...)
	} else {
		l.out.Warn(msg, attrs...)
	}
}

// admit says whether a line may pass, and how many like it were left out since the last one that did.
func (l *serverLog) admit(msg string, now time.Time) (leftOut int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.lines[msg]
	if t == nil {
		t = &tally{since: now}
		l.lines[msg] = t
	}
	if now.Sub(t.since) >= window {
		leftOut = max(t.count-burst, 0)
		*t = tally{since: now}
	}
	t.count++
	return leftOut, t.count <= burst
}
