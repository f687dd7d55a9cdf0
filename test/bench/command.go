package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"nightshift/internal/simlab"
)

// command times the command as people feel it: how soon serve is ready, what it takes while nothing happens, and how long
// verbs take.
func command(ctx context.Context, binary string) (string, error) {
	if _, err := os.Stat(binary); err != nil {
		return "", fmt.Errorf("build the command first (make build): %w", err)
	}
	home, err := os.MkdirTemp("", "nightshift-bench-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(home)
	sim, err := simlab.Start(ctx, simlab.Config{Spec: simlab.HomeSpec(), Speed: 60, Seed: 1})
	if err != nil {
		return "", err
	}
	defer sim.Close()
	labFile, err := sim.WriteLabFile(home)
	if err != nil {
		return "", err
	}
	c := &commandLine{binary: binary, global: []string{"--state-dir", filepath.Join(home, "state"), "--lab", labFile}}
	var b strings.Builder
	b.WriteString("## The command\n\nOn the simulated home lab (5 hosts, 18 guests). Verbs are told as the median of seven.\n\n| | |\n| --- | ---: |\n")
	for _, what := range []string{"first start (the database is made)", "second start"} {
		took, err := c.serve(ctx)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "| serve, %s, until it answers | %s |\n", what, seconds(took))
		if what == "second start" {
			select {
			case <-time.After(5 * time.Second): // idle
			case <-ctx.Done():
			}
			fmt.Fprintf(&b, "| its memory while nothing happens | %s |\n", megabytes(lineOf(fmt.Sprintf("/proc/%d/status", c.server.Process.Pid), "VmRSS")))
			if err := c.verbs(ctx, &b); err != nil {
				return "", errors.Join(err, c.stop())
			}
		}
		if err := c.stop(); err != nil {
			return "", err
		}
	}
	return b.String() + "\n", nil
}

func (c *commandLine) verbs(ctx context.Context, b *strings.Builder) error {
	for _, verb := range [][]string{{"version"}, {"status"}, {"runs"}, {"runbook", "list"}, {"lab", "validate"}, {"plan", "power-down"}} {
		took, err := median(7, func() error { return c.run(ctx, verb...) })
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "| `%s` | %s |\n", strings.Join(verb, " "), seconds(took))
	}
	return nil
}

// A commandLine is nightshift as it is typed.
type commandLine struct {
	binary string
	global []string
	server *exec.Cmd
}

func (c *commandLine) run(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, c.binary, append(args, c.global...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("nightshift %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// serve starts serve and answers after how long it said that it serves, which is when its worker polls.
func (c *commandLine) serve(ctx context.Context) (time.Duration, error) {
	c.server = exec.CommandContext(ctx, c.binary, append([]string{"serve", "--port", "0", "--ui-port", "0", "-o", "json"}, c.global...)...)
	c.server.Stderr = os.Stderr
	out, err := c.server.StdoutPipe()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	if err := c.server.Start(); err != nil {
		return 0, err
	}
	first := make([]byte, 1)
	if _, err := io.ReadFull(out, first); err != nil {
		return 0, fmt.Errorf("serve said nothing: %w", errors.Join(err, c.server.Wait()))
	}
	took := time.Since(began)
	go io.Copy(io.Discard, out) //nolint:errcheck // what else it says is not measured
	return took, nil
}

func (c *commandLine) stop() error {
	if err := c.server.Process.Signal(syscall.SIGINT); err != nil {
		return err
	}
	return c.server.Wait()
}
