// Command bench measures what nightshift costs, and writes docs/performance.md: `make bench`. The steps are fake and take
// the time that they take in a lab that lives, divided by a pace; everything else is what runs in earnest, with an engine
// that waits for the disk at every commit.
//
//	go run ./test/bench [-full] [-out FILE] [-nightshift BINARY]
//
// What device clients and simulated vCenters take is measured for planning only: the tests under test/e2e run on those. What
// storage takes is measured on the storage lab, by `make bench-storage`; its section of the document stays as it is.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"runtime/pprof"
	"strings"

	"nightshift/test/bench/section"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	full := flag.Bool("full", os.Getenv("BENCH_FULL") != "", "at real pace, for hours")
	out := flag.String("out", "docs/performance.md", "where to write the report")
	binary := flag.String("nightshift", "bin/nightshift", "the command whose verbs are timed")
	profile := flag.String("profile", "", "write a CPU profile to this `file`")
	only := flag.String("only", "", "only the parts whose names contain this; then nothing is written")
	flag.Parse()
	if *profile != "" {
		w, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer w.Close()
		if err := pprof.StartCPUProfile(w); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	var doc strings.Builder
	begin, loaded := processors(), load()
	for _, part := range []struct {
		name string
		do   func(context.Context) (string, error)
	}{
		{"makespan", func(ctx context.Context) (string, error) { return makespan(ctx, *full) }},
		{"growth", growth},
		{"rate", rate},
		{"command", func(ctx context.Context) (string, error) { return command(ctx, *binary) }},
		{"planning", func(ctx context.Context) (string, error) { return planning(ctx, *binary, 64, 2000) }},
		{"pruning", pruning},
	} {
		if !strings.Contains(part.name, *only) {
			continue
		}
		fmt.Fprintf(os.Stderr, "-- %s\n", part.name)
		text, err := part.do(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		fmt.Print(text)
		doc.WriteString(text)
	}
	stolen := stolenSince(begin)
	fmt.Fprintf(os.Stderr, "-- stolen by other machines: %s\n", stolen)
	if *only != "" {
		return nil
	}
	old, err := os.ReadFile(*out)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	text := heading(*full, loaded, stolen) + doc.String() + section.Get(string(old), section.Storage)
	return os.WriteFile(*out, []byte(text), 0o644) //nolint:gosec // a document for everybody
}
