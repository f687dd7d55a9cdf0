package zfs

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A bench is a directory with programs that take the place of zfs and ssh, and a Runner that runs commands here.
type bench struct {
	t     *testing.T
	dir   string
	shell string // that runs scripts; empty: sh

	mu   sync.Mutex
	runs [][]string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	return &bench{t: t, dir: t.TempDir()}
}

func (b *bench) client(name string) *Client {
	c := New(name, b)
	c.path = b.dir + ":/usr/bin:/bin"
	return c
}

// program writes one, as a script of sh. $bench is the directory.
func (b *bench) program(name, body string) {
	b.t.Helper()
	text := "#!/bin/sh\nbench='" + b.dir + "'\n" + body + "\n"
	require.NoError(b.t, os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o700))
}

func (b *bench) file(name string) string {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.dir, name))
	require.NoError(b.t, err)
	return string(text)
}

// ran are the commands that were run, without what every command has in front.
func (b *bench) ran() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var lines []string
	for _, argv := range b.runs {
		lines = append(lines, strings.Join(argv[3:], " "))
	}
	return lines
}

func (b *bench) Run(ctx context.Context, argv []string, s Streams) (Exit, error) {
	b.mu.Lock()
	b.runs = append(b.runs, argv)
	b.mu.Unlock()
	if b.shell != "" && argv[3] == "sh" {
		argv = append(append([]string{}, argv[:3]...), append([]string{b.shell}, argv[4:]...)...)
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = s.Stdout, s.Stderr
	cmd.WaitDelay = 5 * time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		return Exit{}, err
	}
	if err := cmd.Start(); err != nil {
		return Exit{}, err
	}
	go func() { // a command that ends does not wait for what it did not read
		if s.Stdin != nil {
			_, _ = io.Copy(in, s.Stdin)
		}
		_ = in.Close()
	}()
	err = cmd.Wait()
	if ctx.Err() != nil {
		return Exit{}, ctx.Err()
	}
	exit := new(exec.ExitError)
	if errors.As(err, &exit) {
		if ws, is := exit.Sys().(syscall.WaitStatus); is && ws.Signaled() {
			return Exit{-1, ws.Signal().String()}, nil
		}
		return Exit{Status: exit.ExitCode()}, nil
	}
	return Exit{}, err
}

// scripted answers each command by a function, for tests in which nothing is run.
type scripted func(argv []string) (stdout, stderr string, exit Exit)

func (f scripted) Run(_ context.Context, argv []string, s Streams) (Exit, error) {
	out, errs, exit := f(argv[3:])
	if s.Stdout != nil {
		_, _ = io.WriteString(s.Stdout, out)
	}
	if s.Stderr != nil {
		_, _ = io.WriteString(s.Stderr, errs)
	}
	return exit, nil
}
