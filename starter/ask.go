package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// errNoAnswer: there is nobody to ask.
var errNoAnswer = errors.New("no answer on standard input")

// ask puts a question to the person. Only a clear yes is yes. The prompt goes to stderr, as -o json prints to stdout.
func (a *app) ask(ctx context.Context, question string) (bool, error) {
	in, ok := a.in.(*bufio.Reader)
	if !ok { // one reader for all questions, as it reads ahead
		in = bufio.NewReader(a.in)
		a.in = in
	}
	fmt.Fprintf(a.err, "%s [yes/no] ", question)
	answers := make(chan string, 1)
	failed := make(chan struct{})
	go func() { // a read cannot be interrupted: it ends with the process
		line, err := in.ReadString('\n')
		if err != nil && (line == "" || !errors.Is(err, io.EOF)) {
			close(failed)
			return
		}
		answers <- line
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(a.err)
		return false, ctx.Err()
	case <-failed:
		fmt.Fprintln(a.err)
		return false, errNoAnswer
	case line := <-answers:
		if !a.inTerminal {
			fmt.Fprintln(a.err, strings.TrimSpace(line))
		}
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "yes", "y":
			return true, nil
		}
		return false, nil
	}
}
