package signature

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Namespaces keep a signature of one kind, or one for another program, from passing as one of the other kind. They are
// what ssh-keygen -Y sign is given with -n.
const (
	ApprovalNamespace = "nightshift-approval@v1"
	RequestNamespace  = "nightshift-request@v1"
)

// First lines of the texts.
const (
	approvalTitle = "nightshift approval"
	requestTitle  = "nightshift request"
)

// An Approval is what an approver signs.
type Approval struct {
	Lab, Runbook string
	Run          string // workflow id
	FirstRun     string // Temporal run id of the chain's first run: a workflow id alone may come twice
	Plan         string // the whole hash
	Approver     string // as in the lab file
	Expires      time.Time
}

// Text is what is signed: lines that a person can read. Times are UTC, to the second.
func (a Approval) Text() string { return text(approvalTitle, a.lines()) }

func (a Approval) lines() []line {
	return []line{{"lab", a.Lab}, {"runbook", a.Runbook}, {"run", a.Run}, {"first run", a.FirstRun}, {"plan", a.Plan},
		{"approver", a.Approver}, {"expires", moment(a.Expires)}}
}

// A Request is what the one signs who asks for a run whose runbook has approvers.
type Request struct {
	Lab, Runbook string
	Parameters   map[string]string
	Plan         string // hash of the only plan that is asked for; empty: whatever the plan will be
	OnFailure    string // where it is not left to the lab file
	Deadline     time.Duration
	Run          string // workflow id
	Requester    string // as in the lab file
	At           time.Time
}

// Text is what is signed.
func (r Request) Text() string { return text(requestTitle, r.lines()) }

func (r Request) lines() []line {
	deadline := ""
	if r.Deadline != 0 {
		deadline = r.Deadline.String()
	}
	return []line{{"lab", r.Lab}, {"runbook", r.Runbook}, {"parameters", pairs(r.Parameters)}, {"plan", r.Plan}, {"on failure", r.OnFailure},
		{"deadline", deadline}, {"run", r.Run}, {"requester", r.Requester}, {"signed", moment(r.At)}}
}

// A line of a signed text.
type line struct{ key, value string }

func text(title string, lines []line) string {
	var b strings.Builder
	b.WriteString(title + "\n\n")
	for _, l := range lines {
		value := l.value
		if value == "" {
			value = "-"
		}
		b.WriteString(l.key + ": " + value + "\n")
	}
	return b.String()
}

// compare finds out in what a signed text differs from the one that is wanted. Lines in free are the signer's to choose;
// their values are answered.
func compare(signed, title string, want []line, free ...string) (map[string]string, error) {
	if len(signed) > longest {
		return nil, errors.New("the signed text is too long")
	}
	head, body, ok := strings.Cut(signed, "\n\n")
	if !ok || head != title {
		return nil, fmt.Errorf("the signed text is none that begins with %q", title)
	}
	got := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	if len(got) != len(want) {
		return nil, fmt.Errorf("the signed text has %d lines, %d are needed", len(got), len(want))
	}
	values := map[string]string{}
	for i, w := range want {
		value, ok := strings.CutPrefix(got[i], w.key+": ")
		if !ok {
			return nil, fmt.Errorf("the signed text lacks its line %q", w.key)
		}
		if slices.Contains(free, w.key) {
			if value == "-" || strings.ContainsFunc(value, unprintable) {
				return nil, fmt.Errorf("the signed text has no usable %s", w.key)
			}
			values[w.key], want[i].value = value, value
			continue
		}
		if w.value == "" {
			w.value = "-"
		}
		if value != w.value {
			return nil, fmt.Errorf("it was signed for %s %s, here it is %s", w.key, value, w.value)
		}
	}
	if text(title, want) != signed { // what is left: blanks and line ends
		return nil, errors.New("the signed text is not written as nightshift writes it")
	}
	return values, nil
}

// moment is a time as the texts have it.
func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// parseMoment reads no other form than moment writes: what was read and what was signed must be the same.
func parseMoment(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || moment(t) != s {
		return time.Time{}, fmt.Errorf("%q is no time in UTC, such as 2026-11-20T22:00:00Z", s)
	}
	return t, nil
}

// pairs are parameters as KEY="VALUE", in order. Quoted, nothing in them can look like another line.
func pairs(m map[string]string) string {
	var out []string
	//workflowcheck:ignore -- sorted
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, strconv.QuoteToASCII(k)+"="+strconv.QuoteToASCII(m[k]))
	}
	return strings.Join(out, ", ")
}

func unprintable(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }
