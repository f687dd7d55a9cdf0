package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"nightshift/internal/runapi"
	"nightshift/internal/words"
)

// logOptions say what serve and worker log.
type logOptions struct {
	verbose bool
	json    bool
}

func (o *logOptions) addFlags(f *pflag.FlagSet) {
	f.BoolVarP(&o.verbose, "verbose", "v", false, "log what the worker does, not only what goes wrong")
	f.BoolVar(&o.json, "log-json", false, "log as JSON, one object a line, for a log collector")
}

// logger writes to stderr what people at serve's terminal want to know; with verbose, what the parts log themselves.
func (a *app) logger(o logOptions) *slog.Logger {
	switch {
	case o.json:
		return slog.New(slog.NewJSONHandler(a.err, nil))
	case o.verbose:
		return slog.New(slog.NewTextHandler(a.err, nil))
	}
	return slog.New(&consoleLog{out: a.err, now: a.now, next: slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelWarn})})
}

// consoleLog tells in a line each which steps are blocked and which runs have ended, and passes warnings on. Lines that
// tell of what is expected are left out.
type consoleLog struct {
	out  io.Writer
	now  func() time.Time
	next slog.Handler
	run  string // workflow id
}

// expected are the messages of the SDK and the server about what is no trouble: a step that fails, which the run's own line
// tells better; and a page of the Temporal UI that asks for all of a history, or is left.
func expected() []string {
	return []string{"Activity error.", "GetHistory page size is larger than threshold", "RecordActivityHeartbeat with error", "Slow gRPC call"}
}

func (c *consoleLog) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo
}

func (c *consoleLog) Handle(ctx context.Context, r slog.Record) error {
	switch r.Message {
	case runapi.LogBlocked, runapi.LogEnded:
		return c.line(r)
	}
	if slices.Contains(expected(), r.Message) || !c.next.Enabled(ctx, r.Level) {
		return nil
	}
	return c.next.Handle(ctx, r)
}

// theStep is how errors of steps begin: "ShutdownGuest of guest web01: ".
var theStep = regexp.MustCompile(`^[A-Z][A-Za-z]+ of [a-z]+ [^:]+: `)

// line is one for people: "01:03:56 run X: Y is blocked: why".
func (c *consoleLog) line(r slog.Record) error {
	v := map[string]string{"WorkflowID": c.run}
	r.Attrs(func(a slog.Attr) bool {
		v[a.Key] = a.Value.String()
		return true
	})
	what, why := v["outcome"], strings.TrimPrefix(v["why"], v["outcome"]+" ")
	if r.Message == runapi.LogBlocked {
		what, why = v["title"]+" is blocked", theStep.ReplaceAllString(v["why"], "")
	}
	_, err := fmt.Fprintf(c.out, "%s run %s: %s\n", c.now().Local().Format(time.TimeOnly), v["WorkflowID"], strings.Join(strings.Fields(what+words.After(why)), " "))
	return err
}

func (c *consoleLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	d := *c
	d.next = c.next.WithAttrs(attrs)
	for _, a := range attrs {
		if a.Key == "WorkflowID" {
			d.run = a.Value.String()
		}
	}
	return &d
}

func (c *consoleLog) WithGroup(name string) slog.Handler {
	d := *c
	d.next = c.next.WithGroup(name)
	return &d
}
