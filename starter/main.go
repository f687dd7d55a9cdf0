// Command nightshift powers VMware labs down and up again, durably. This package is its command line: one file per
// verb. It shows, asks and starts; what a run does is decided in runbooks/ and carried out by workflows/ and activities/.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata" // schedules have time zones, and a container may know none

	"github.com/mattn/go-isatty"
	"golang.org/x/term"

	"nightshift/internal/words"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // the first Ctrl-C asks, the second one kills
	os.Exit(execute(ctx, systemApp(), os.Args[1:]))
}

// systemApp wires the command to this process.
func systemApp() *app {
	out, in := os.Stdout.Fd(), os.Stdin.Fd()
	var password func(string) ([]byte, error)
	if isatty.IsTerminal(in) {
		password = func(prompt string) ([]byte, error) {
			fmt.Fprint(os.Stderr, prompt)
			defer fmt.Fprintln(os.Stderr)
			return term.ReadPassword(int(in))
		}
	}
	smart := os.Getenv("TERM") != "dumb"
	outTerminal, errTerminal := isatty.IsTerminal(out) && smart, isatty.IsTerminal(os.Stderr.Fd()) && smart
	return &app{
		in: os.Stdin, out: safely(os.Stdout, outTerminal), screen: os.Stdout, err: safely(os.Stderr, errTerminal),
		env: systemEnvironment{}, now: time.Now, after: time.After, who: whoAmI(), self: startedAs(os.Args[0]),
		inTerminal:  isatty.IsTerminal(in),
		outTerminal: outTerminal,
		errTerminal: errTerminal,
		size: func() (int, int) {
			w, h, err := term.GetSize(int(out))
			if err != nil || w <= 0 || h <= 0 {
				return 80, 24
			}
			return w, h
		},
		dial: dialTemporal, password: password,
	}
}

// execute runs one command line and returns its exit code. Nothing but one line about what went wrong reaches the user.
func execute(ctx context.Context, a *app, args []string) (code int) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(a.err, "nightshift: this is a bug in nightshift: %v\n", p)
			fmt.Fprintln(a.err, "Runs that are under way are not affected. Please report it, with `nightshift version` and what you typed;")
			fmt.Fprintln(a.err, "NIGHTSHIFT_DEBUG=1 prints where it happened.")
			if a.getenv("NIGHTSHIFT_DEBUG") != "" {
				fmt.Fprintf(a.err, "%s\n", debug.Stack())
			}
			code = exitFailed
		}
	}()
	root := newRootCommand(a)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var e *exitError
	if err != nil && (!errors.As(err, &e) || e.err != nil) {
		fmt.Fprintln(a.err, "nightshift: "+oneLine(err))
	}
	return exitCode(err)
}

// oneLine is the error in one line, except where it is a list, or a list of one list: a file's errors, one place each.
func oneLine(err error) string {
	s := strings.TrimSpace(err.Error())
	var list interface{ Unwrap() []error }
	for errors.As(err, &list) {
		switch inside := list.Unwrap(); len(inside) {
		case 0:
			err = nil
		case 1:
			err = inside[0]
		default:
			return s
		}
	}
	return strings.Join(strings.Fields(s), " ")
}

func whoAmI() string {
	name := os.Getenv("USER")
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	if name == "" {
		name = "unknown"
	}
	return name + "@" + host
}

// startedAs is how to start this command once more: by `go run`, by its path, or by its name where the shell finds it.
func startedAs(program string) string {
	switch {
	case strings.Contains(program, string(filepath.Separator)+"go-build"):
		return "go run ./starter"
	case strings.ContainsAny(program, " '\"\\"):
		return words.Shell(program)
	}
	return program
}

type systemEnvironment struct{}

func (systemEnvironment) Environ() []string                    { return os.Environ() }
func (systemEnvironment) LookupEnv(name string) (string, bool) { return os.LookupEnv(name) }
