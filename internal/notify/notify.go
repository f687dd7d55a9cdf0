// Package notify sends messages to people: mail, chat, push and webhooks, through the library shoutrrr.
//
// The address of a channel holds its login or token. It never leaves this package: not in an error, not in a log. What the
// library leaves open is closed here: a send that takes no end is given up, and TLS is verified in any case.
package notify

import (
	"context"
	"fmt"
	"maps"
	"mime"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/telegram"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

// A Message is what people get.
type Message struct {
	Title string // one line
	Text  string
}

const (
	// sendTimeout is how long a channel may take. The library gives its mail 10 s to connect, and some services no limit at all.
	sendTimeout = time.Minute
	// mostOpen is how many sends through one channel may hang at a time: the library cannot be called back. One ends when its
	// connection does, so as many as these hang only as long as the server keeps them open and says nothing.
	mostOpen = 8
)

// Limits of a message: what a mail server, a telephone and a chat take.
const (
	maxTitle = 120  // characters
	maxLine  = 500  // characters
	maxAll   = 3000 // bytes
	maxShort = 1024 // the same, of services that take less
)

// What services of the library do not do: untitled ones send no title, and short ones take less.
var (
	untitled = []string{"googlechat", "ifttt", "matrix", "mattermost", "pagerduty", "rocketchat", "signal", "wecom", "zulip"}
	short    = []string{"pagerduty", "pushover"}
)

// A Sender sends messages. It is safe for concurrent use; one serves a whole process.
type Sender struct {
	timeout time.Duration

	mu   sync.Mutex
	open map[string]int // sends under way, by channel
}

// New makes a sender.
func New() *Sender {
	tameDefault()
	return &Sender{timeout: sendTimeout, open: map[string]int{}}
}

// Send sends a message through a channel, whose reference is resolved in dir. An error has a kind: fault.Auth (a login or a
// token was refused), fault.Invalid (the address, or the message, is not taken), or fault.Unreachable: try again later. A
// message whose send was given up may still arrive.
func (s *Sender) Send(ctx context.Context, ch inventory.Channel, dir string, m Message) error {
	a, err := resolve(ctx, ch, dir)
	if err != nil {
		return err
	}
	done, err := s.begin(ch.Name)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	result := make(chan error, 1)
	go func() {
		defer done()
		result <- a.send(ctx, m)
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return fault.As(fault.Unreachable, fmt.Errorf("channel %s (%s): no answer within %s", ch.Name, a.where, s.timeout))
	}
}

// begin counts a send, until done.
func (s *Sender) begin(channel string) (done func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[channel] >= mostOpen {
		return nil, fault.As(fault.Unreachable, fmt.Errorf("channel %s: %d earlier messages to it still wait for an answer", channel, mostOpen))
	}
	s.open[channel]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open[channel]--
	}, nil
}

// send opens the service and sends: some log in when they are opened. A panic of the library is an error.
func (a *address) send(ctx context.Context, m Message) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = a.failed(fmt.Errorf("the library failed: %v", p))
		}
	}()
	if a.untitled() {
		m.Text = m.Title + "\n\n" + m.Text
	}
	m.Title, m.Text = a.title(m.Title), a.text(m.Text)
	if u, err := a.workflow(); err != nil {
		return err
	} else if u != nil {
		if err := sendTeams(ctx, u, m); err != nil {
			return a.failed(err)
		}
		return nil
	}
	service, err := a.service()
	if err != nil {
		return err
	}
	if t, ok := service.(*telegram.Service); ok {
		err = sendTelegram(ctx, t.GetConfig(), m)
	} else {
		params := types.Params{}
		params.SetTitle(m.Title)
		err = service.Send(m.Text, &params)
	}
	if err != nil {
		return a.failed(err)
	}
	return nil
}

// title is one line, without what could become a header of its own.
func (a *address) title(s string) string {
	s = cut(strings.Join(strings.Fields(printable(s)), " "), maxTitle)
	switch a.scheme {
	case "smtp":
		return mime.QEncoding.Encode("utf-8", s) // the library writes it as it is
	case "slack":
		return slackMarks.Replace(s)
	}
	return s
}

// slackMarks would be read as mentions and links.
var slackMarks = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// untitled tells whether the title would be lost: a webhook gets one by a template only.
func (a *address) untitled() bool {
	u, err := url.Parse(a.raw.Reveal())
	return slices.Contains(untitled, a.scheme) || err == nil && a.scheme == "generic" && !slices.ContainsFunc(slices.Collect(maps.Keys(u.Query())), func(key string) bool {
		return strings.EqualFold(key, "template")
	})
}

func (a *address) text(s string) string {
	most := maxAll
	if slices.Contains(short, a.scheme) {
		most = maxShort
	}
	s = fit(s, most)
	if a.scheme == "slack" {
		s = slackMarks.Replace(s)
	}
	if strings.TrimSpace(s) == "" {
		s = "(no text)" // some services refuse an empty message
	}
	return s
}

// fit makes a text one of so many bytes. Where it is too long, what happened is cut short before what to type next is.
func fit(s string, most int) string {
	at := strings.LastIndex(s, "\n\n"+toGoOn+"\n")
	if at < 0 || len(s) <= most {
		return shorten(s, most)
	}
	head, tail := s[:at], s[at:]
	return shorten(shorten(head, max(most/3, most-len(tail)-len("\n…")))+tail, most)
}

// shorten cuts long lines, and drops the last ones of a text that is longer than so many bytes.
func shorten(s string, most int) string {
	lines := strings.Split(printable(s), "\n")
	for i, l := range lines {
		lines[i] = cut(strings.TrimRight(l, " \t\r"), maxLine)
	}
	s = strings.Join(lines, "\n")
	if len(s) <= most {
		return s
	}
	return s[:max(0, strings.LastIndexByte(s[:most], '\n'))] + "\n…"
}

// printable keeps names from the lab from turning the writing round, or from being commands to a terminal.
func printable(s string) string {
	s = strings.ReplaceAll(s, "\r", "")
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
