package zfs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"nightshift/internal/fault"
	"nightshift/internal/sshexec"
)

// A Route is how the source reaches the target by itself: over SSH, as the account that both have. The target's host key must
// be known to that account; none is accepted unseen.
type Route struct {
	Address string // host name or IP address
	Port    int
	User    string
	Key     string // file of the private key on the source; empty: what ssh takes by itself
}

// Transfer is one stream on its way.
type Transfer struct {
	Send    Send
	Receive Receive
	// Limit is in bytes per second; 0: none.
	Limit int64
	// Report is told of the progress, about once a second, from one goroutine at a time. It may be nil.
	Report func(Progress)
}

// ErrNoPacer: the source has neither mbuffer nor pv to keep to a limit with. The stream can go through the worker instead.
var ErrNoPacer = fault.As(fault.NotDone, fault.As(fault.Unsupported, errors.New("there is neither mbuffer nor pv to keep to the limit with")))

// directScript sends from here to another machine, and prints the exit statuses of all parts as its last line. What the
// sender says goes to standard error, what ssh and the receiver say to standard output. No pipeline tells more than the status of
// its last part, so each writes its own to descriptor 5.
//
//	$1 limit in bytes/s, 0: none   $2 port   $3 user   $4 address   $5 key file, may be empty
//	$6 what the shell at the other end is to run   $7… the sender
const directScript = `limit=$1 port=$2 user=$3 address=$4 key=$5 remote=$6
shift 6
pace=
if [ "$limit" != 0 ]; then
	if command -v mbuffer >/dev/null 2>&1; then pace=mbuffer
	elif command -v pv >/dev/null 2>&1; then pace=pv
	else echo "nightshift-status pace none"; exit 0
	fi
fi
paced() {
	case $pace in
	mbuffer) mbuffer -q -m 2M -R "$limit" ;;
	pv) pv -q -L "$limit" ;;
	esac
}
there() {
	ssh -T -o BatchMode=yes -o StrictHostKeyChecking=yes -o ClearAllForwardings=yes -o ConnectTimeout=15 \
		-o ServerAliveInterval=5 -o ServerAliveCountMax=3 ${key:+-o} ${key:+IdentitiesOnly=yes} ${key:+-i} ${key:+"$key"} \
		-p "$port" -l "$user" -- "$address" "$remote"
}
exec 3>&1 4>&2
statuses=$({
	if [ -n "$pace" ]; then
		{ "$@" 2>&4 3>&- 4>&- 5>&-; echo "send $?" >&5; } |
		{ paced 2>&4 3>&- 4>&- 5>&-; echo "pace $?" >&5; } |
		{ there >&3 2>&3 3>&- 4>&- 5>&-; echo "receive $?" >&5; }
	else
		{ "$@" 2>&4 3>&- 4>&- 5>&-; echo "send $?" >&5; } |
		{ there >&3 2>&3 3>&- 4>&- 5>&-; echo "receive $?" >&5; }
	fi
} 5>&1)
echo
echo "nightshift-status" $statuses
exit 0`

// Direct sends a stream straight from the source c to the target. Nil: both ends say that all went well, which the caller
// makes sure of by comparing the GUIDs. What arrived before an error is kept by the target and can be resumed. When ctx ends,
// the sender loses its standard error, and with its next report it dies.
func (c *Client) Direct(ctx context.Context, target *Client, route Route, t Transfer) (Progress, error) {
	send, err := t.Send.argv("-vP")
	if err != nil {
		return Progress{}, err
	}
	args, err := route.args(target, t)
	if err != nil {
		return Progress{}, err
	}
	errs := &reporter{report: t.Report}
	out := &tail{}
	exit, err := c.run.Run(ctx, c.script(directScript, slices.Concat(args, c.command(send...))...), Streams{Stdout: out, Stderr: errs})
	if err != nil {
		return errs.progress(), fmt.Errorf("%s: %w", c.name, err)
	}
	ends, words, err := out.statuses()
	if err != nil {
		return errs.progress(), fault.As(fault.Unreachable, fmt.Errorf("%s: the transfer %s, and does not say how its parts ended: %s", c.name, exit, clean(words+"\n"+errs.said())))
	}
	if _, limited := ends["pace"]; limited && len(ends) == 1 {
		return Progress{}, fmt.Errorf("%s: %w", c.name, ErrNoPacer)
	}
	sender := c.part(send, ends["send"], errs.said())
	if p := ends["pace"]; sender == nil && !p.OK() {
		sender = c.part([]string{"mbuffer"}, p, errs.said())
	}
	receive, _ := t.Receive.argv() // route.args has made sure of it
	return errs.progress(), judge(sender, target.received(receive, ends["receive"], words, route))
}

// args are the first six of the script.
func (r Route) args(target *Client, t Transfer) ([]string, error) {
	receive, err := t.Receive.argv()
	if err != nil {
		return nil, err
	}
	remote, err := sshexec.Quote(target.command(receive...))
	if err != nil {
		return nil, err
	}
	for _, word := range []string{r.Address, r.User} {
		if word == "" || word[0] == '-' || strings.ContainsFunc(word, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
			return nil, fault.As(fault.Invalid, fmt.Errorf("%q is neither an address nor a user for ssh", word))
		}
	}
	if r.Port < 1 || r.Port > 65535 || t.Limit < 0 {
		return nil, fault.As(fault.Invalid, fmt.Errorf("port %d, limit %d: not possible", r.Port, t.Limit))
	}
	return []string{strconv.FormatInt(t.Limit, 10), strconv.Itoa(r.Port), r.User, r.Address, r.Key, remote}, nil
}

// part is the error of one part of a pipeline; nil: it ended well.
func (c *Client) part(argv []string, exit Exit, words string) error {
	if exit.OK() {
		return nil
	}
	return c.refused(argv, exit, words)
}

// received is the error of the receiver, or of the ssh that led to it: that has a status of its own, 255.
func (c *Client) received(argv []string, exit Exit, words string, route Route) error {
	if exit.Status != 255 {
		return c.part(argv, exit, words)
	}
	err := fmt.Errorf("%s: ssh %s@%s, from the source: %s", c.name, route.User, route.Address, clean(aboutKey(words)))
	switch {
	case strings.Contains(words, "Host key verification failed"):
		return fault.As(ErrPeerKey, fault.As(fault.Identity, err))
	case strings.Contains(words, "Permission denied"), strings.Contains(words, "Too many authentication failures"):
		return fault.As(ErrPeerLogin, fault.As(fault.Auth, err))
	}
	return fault.As(fault.Unreachable, err)
}

// aboutKey leaves of what ssh says of a host key that has changed what is about this one: its warning fills a screen.
func aboutKey(words string) string {
	if !strings.Contains(words, "REMOTE HOST IDENTIFICATION HAS CHANGED") {
		return words
	}
	var kept strings.Builder
	for line := range strings.Lines(words) {
		switch {
		case strings.HasPrefix(line, "SHA256:"):
			kept.WriteString("it shows " + line)
		case strings.HasPrefix(line, "Host key "):
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// judge makes one error of both ends. A sender often says 0 where the receiver failed, and a receiver that its stream
// ended early where the sender failed: the one that failed by itself comes first, the other is told beside it.
func judge(sender, receiver error) error {
	switch {
	case sender == nil:
		return receiver
	case receiver == nil:
		return sender
	}
	tool := new(ToolError)
	told := errors.As(sender, &tool)
	switch {
	case told && tool.unread():
		return receiver // nobody read any more: why, the sender does not know
	case !errors.Is(receiver, ErrIncomplete) && !errors.Is(receiver, ErrDamaged), told && tool.Exit.Signal != "":
		return fmt.Errorf("%w; the sender: %s", receiver, sender.Error())
	}
	return fmt.Errorf("%w; the receiver: %s", sender, receiver.Error())
}

// unread tells of a sender, or of what paced it, that says no more than that nobody read any more. The pipes of ksh93 are sockets.
func (e *ToolError) unread() bool {
	for line := range strings.SplitSeq(e.Words, " / ") {
		if line != "" && !strings.Contains(line, "roken pipe") && !strings.Contains(line, "onnection reset by peer") {
			return false
		}
	}
	return e.Words != "" || e.Exit.Signal == "PIPE" || e.Exit.Signal == "signal 13"
}

// tail keeps the end of what a script prints: its last line are the statuses.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - maxWords; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

// statuses takes the last line apart: "nightshift-status send 0 receive 1". The words are what stands before it.
func (t *tail) statuses() (map[string]Exit, string, error) {
	text := strings.TrimRight(string(t.kept), "\n")
	at := strings.LastIndexByte(text, '\n') + 1
	fields := strings.Fields(text[at:])
	if len(fields) < 3 || fields[0] != "nightshift-status" || len(fields)%2 != 1 {
		return nil, text, errors.New("no statuses")
	}
	ends := make(map[string]Exit)
	for i := 1; i < len(fields); i += 2 {
		if fields[i] == "pace" && fields[i+1] == "none" {
			ends["pace"] = Exit{Status: 127}
			continue
		}
		n, err := strconv.Atoi(fields[i+1])
		if err != nil {
			return nil, text, err
		}
		ends[fields[i]] = shellStatus(n)
	}
	if _, two := ends["receive"]; len(ends) > 1 && !two {
		return nil, text, errors.New("no status of the receiver")
	}
	return ends, text[:at], nil
}

// shellStatus reads $?: 128 + signal, in ksh93 256 + signal.
func shellStatus(n int) Exit {
	for _, base := range []int{256, 128} {
		if n > base && n < base+65 {
			return Exit{Status: -1, Signal: "signal " + strconv.Itoa(n-base)}
		}
	}
	return Exit{Status: n}
}
