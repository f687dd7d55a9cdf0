package contract

import (
	"bufio"
	_ "embed"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

//go:embed testdata/words.txt
var wordsGolden string

// Words: what the tools print and how they end, to the letter. testdata/words.txt has the commands, and under each what real
// machines said: lines with "! " are of standard error, and "= 1" is the status. With NIGHTSHIFT_WORDS=FILE it is written anew: on
// real machines only.
//
//	$ COMMAND        as root
//	% COMMAND        as the service account
//	$ SEND | RECEIVE a pipeline on one host; first the sender's words
//	~ VOLUME         somebody writes a MiB to it
//
// Words of a command are separated by blanks.
func Words(t *testing.T, p Pair) {
	h := p.Source
	var got strings.Builder
	scanner := bufio.NewScanner(strings.NewReader(wordsGolden))
	for scanner.Scan() {
		line := scanner.Text()
		if strings.HasPrefix(line, "#") || line == "" {
			got.WriteString(line + "\n")
			continue
		}
		if len(line) < 2 || strings.IndexByte("$%~", line[0]) < 0 {
			continue // an answer
		}
		got.WriteString(line + "\n")
		argv := strings.Fields(strings.ReplaceAll(line[2:], "POOL", h.Pool()))
		if line[0] == '~' {
			h.Write(argv[0], 0, 1)
			continue
		}
		send, receive, piped := strings.Cut(strings.Join(argv, "\x00"), "\x00|\x00")
		var said []Said
		if piped {
			from, to := h.Pipe(strings.Split(send, "\x00"), strings.Split(receive, "\x00"))
			if to.Status != 0 && from.Status == brokenPipe {
				from.Status = 0 // a sender that was faster than the no is through before it
			}
			said = []Said{from, to}
		} else {
			said = []Said{h.Try(line[0] == '$', argv...)}
		}
		for _, s := range said {
			got.WriteString(s.text(h.Pool()))
		}
	}
	if file := os.Getenv("NIGHTSHIFT_WORDS"); file != "" {
		require.NoError(t, os.WriteFile(file, []byte(got.String()), 0o600))
		return
	}
	require.Equal(t, strings.Split(wordsGolden, "\n"), strings.Split(got.String(), "\n"))
}

// brokenPipe is the status of a sender whose receiver has ended before it: 128 and SIGPIPE (POSIX.1, shells).
const brokenPipe = 128 + 13

// changing are tokens, which differ from one time to the next, and rules, which fill a line.
var changing = regexp.MustCompile(`1-[0-9a-f]+-[0-9a-f]+-[0-9a-f]{20,}|-{10,}`)

func (s Said) text(pool string) string {
	var b strings.Builder
	plain := func(text string) string {
		return changing.ReplaceAllString(strings.ReplaceAll(text, pool, "POOL"), "…")
	}
	for line := range strings.Lines(plain(s.Out)) {
		b.WriteString("  " + strings.TrimSuffix(line, "\n") + "\n")
	}
	for line := range strings.Lines(plain(s.Err)) {
		if strings.HasPrefix(line, "usage:") {
			b.WriteString("! usage:\n") // all options of the version
			break
		}
		b.WriteString("! " + strings.TrimSuffix(line, "\n") + "\n")
	}
	fmt.Fprintf(&b, "= %d\n", s.Status)
	return b.String()
}
