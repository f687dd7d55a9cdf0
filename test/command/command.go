// Package command builds nightshift once for the end-to-end tests of a package, and runs it as a person, or systemd, would: in
// a process of its own. What a test does with it, and on which lab, is the test's.
package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Main is all that TestMain does: it builds the command, says where it is, runs the tests and answers their exit status. It is
// called in a directory two below the module's.
func Main(m *testing.M, binary *string) int {
	dir, err := os.MkdirTemp("", "nightshift-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	*binary = filepath.Join(dir, "nightshift")
	build := exec.Command("go", "build", "-o", *binary, "../../starter") //nolint:noctx // as long as it takes
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	if build.Run() != nil { // it has said why
		return 1
	}
	return m.Run()
}

// A Result is what a command printed and how it ended.
type Result struct {
	Out, Err string
	Code     int   // exit status; -1: none, as it was killed or did not start
	Failed   error // what it was, and all that it printed; nil where Code is 0
}

// Run runs a verb to its end; nobody sits at its standard input.
func Run(ctx context.Context, binary string, args ...string) Result {
	return Answer(ctx, nil, binary, args...)
}

// Answer runs a verb to its end; its questions are answered from in. Nil is nobody.
func Answer(ctx context.Context, in io.Reader, binary string, args ...string) Result {
	cmd := exec.CommandContext(ctx, binary, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, &out, &errs
	err := cmd.Run()
	r := Result{Out: out.String(), Err: errs.String()}
	if err != nil {
		r.Code = -1
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			r.Code = exit.ExitCode()
		}
		r.Failed = fmt.Errorf("nightshift %s: %w\n%s%s", strings.Join(args, " "), err, r.Out, r.Err)
	}
	return r
}

// A Server is a `nightshift serve`, or worker, that goes on until it is ended.
type Server struct{ cmd *exec.Cmd }

// Serve starts one, which writes to the log.
func Serve(log *Log, binary string, args ...string) (*Server, error) {
	cmd := exec.Command(binary, args...) //nolint:noctx // it outlives contexts: the test ends it
	cmd.Stdout, cmd.Stderr = log, log
	return &Server{cmd}, cmd.Start()
}

// Pid is its process.
func (s *Server) Pid() int { return s.cmd.Process.Pid }

// Signal sends it one.
func (s *Server) Signal(sig os.Signal) error { return s.cmd.Process.Signal(sig) }

// Kill is kill -9, and waits until it is gone. Nil is none.
func (s *Server) Kill() {
	if s != nil && s.cmd.Process != nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
}

// Stop is Ctrl-C. The error tells that it did not end in order.
func (s *Server) Stop() error {
	return errors.Join(s.Signal(os.Interrupt), s.cmd.Wait())
}

// A Log is what servers print, also while they run. The zero value is empty.
type Log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
