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

	"nightshift/internal/runapi"
)

// logger writes to stderr what people at serve's terminal want to know; with verbose, what the parts log themselves.
func (a *app) logger(verbose bool) *slog.Logger {
	if verbose {
		return slog.New(slog.NewTextHandler(a.err, &slog.HandlerOptions{Level: slog.LevelInfo}))
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
		what, why = v["step"]+" is blocked", theStep.ReplaceAllString(v["why"], "")
	}
	_, err := fmt.Fprintf(c.out, "%s run %s: %s\n", c.now().Local().Format(time.TimeOnly), v["WorkflowID"], strings.Join(strings.Fields(what+noteSuffix(why)), " "))
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
