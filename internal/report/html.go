package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/words"
)

//go:embed page/page.html.tmpl
var pageText string

//go:embed page/page.css
var pageStyle string

//go:embed page/page.js
var pageScript string

// openUpTo is how many steps a page lists unfolded; perFold how many are in one fold of a long group.
const (
	openUpTo = 120
	perFold  = 200
)

// HTML writes the report as one page that needs nothing beside it: no network, no font, no picture, and no script to be
// read; the little script that it has finds steps in a long list. Its Content-Security-Policy allows these two texts and
// nothing else. What comes from the lab is escaped by html/template.
func (r Report) HTML(w io.Writer) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"span": span, "watts": Watts, "kwh": KWh, "stamp": words.Second, "clock": words.Clock, "short": plan.ShortHash, "rfc": func(t time.Time) string { return t.Format(time.RFC3339) },
		"join": func(l []string) string { return strings.Join(l, ", ") }, "key": keyOf, "pairs": pairs, "sorted": sortedKeys[string], "watted": sortedKeys[float64],
		"percent": percent, "several": words.Count, "action": actionWords, "asked": asked,
	}).Parse(pageText)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, newPage(r)); err != nil {
		return err
	}
	_, err = w.Write(bytes.Map(printable, b.Bytes()))
	return err
}

// printable keeps names from turning the writing round, or hiding.
func printable(c rune) rune {
	if c != '\n' && c != '\t' && (unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c)) {
		return unicode.ReplacementChar
	}
	return c
}

// An htmlPage is what the template shows.
type htmlPage struct {
	Report
	Style    template.CSS
	Script   template.JS
	Policy   string
	Badge    badge
	Summary  []string
	Zone     string
	Ticks    []tick
	Lanes    []lane
	Links    []chainRow
	Groups   []groupView
	Undone   []undone
	Rules    []runapi.Decision
	Acts     []act
	Folded   bool
	PowerRow []powerRow
	Debts    []string
}

type badge struct{ Text, Class, Mark string }

type chainRow struct {
	Link
	Anchor string
	Bar    bar
	Wait   *bar
	Share  string
}

type groupView struct {
	Name, Numbers string
	Open          bool
	Bar           *bar
	Folds         []fold
}

type fold struct {
	Name string // empty: the group has only one
	Rows []row
}

type row struct {
	Step
	Anchor   string
	Note     string
	Mark     string // of its state
	Slow     bool   // beyond noise
	AfterRef string
	After    string
	Bar      *bar
	Wait     *bar
}

type undone struct {
	Title string
	Rows  []row
	More  int
}

type act struct {
	runapi.Record
	Why []string
}

type powerRow struct {
	Host          string
	Before, After string
}

func newPage(r Report) htmlPage {
	v := newViewer(r)
	s := v.s
	p := htmlPage{Report: r, Style: template.CSS(pageStyle), Script: template.JS(pageScript), Policy: policy(), Badge: r.badge(), Summary: r.Words(),
		Zone: zone(r.Started), Ticks: s.ticks(), Lanes: r.lanes(s), Rules: byRule(r), Folded: len(r.Steps) > openUpTo}
	p.Links, p.Groups, p.Undone = v.chain(), v.groups(p.Folded), v.undone()
	for _, o := range r.Orders {
		a := act{Record: o}
		for _, id := range o.Steps {
			if why := decidedBy(o, id, r.Decisions); why != "" {
				a.Why = append(a.Why, Reason(r.step(id), why))
			}
		}
		p.Acts = append(p.Acts, a)
	}
	for _, d := range r.Owed {
		p.Debts = append(p.Debts, debt(d))
	}
	p.PowerRow = powerRows(r.Power)
	return p
}

// policy allows the page's own style and script, by what they say, and nothing else.
func policy() string {
	return "default-src 'none'; style-src '" + hashOf(pageStyle) + "'; script-src '" + hashOf(pageScript) + "'; base-uri 'none'; form-action 'none'"
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func (r Report) badge() badge {
	switch r.Outcome {
	case runapi.Done:
		return badge{"done", "good", "✓"}
	case runapi.Partial, runapi.Skipped:
		return badge{r.Outcome, "fair", "!"}
	case "":
		if r.Counts.Blocked > 0 || r.Phase == runapi.PhaseApprove {
			return badge{"waits for you", "fair", "!"}
		}
		return badge{"under way", "open", "…"}
	}
	return badge{r.Outcome, "bad", "✕"}
}

// debt words what is to be given back.
func debt(d plan.Debt) string {
	was := d.Was
	switch was {
	case "":
		was = "left at its default"
	case "true":
		was = "on"
	case "false":
		was = "off"
	case "fullyAutomated":
		was = "fully automated"
	case "partiallyAutomated":
		was = "partially automated"
	}
	return fmt.Sprintf("%s of %s (was %s), since %s, by run %s", d.Setting.Title(), d.Target, was, words.Second(d.Since), d.Run)
}

func powerRows(p *plan.Power) (rows []powerRow) {
	if p == nil || p.Before == nil {
		return nil
	}
	hosts := sortedKeys(p.Before.Hosts)
	if p.After != nil {
		hosts = append(hosts, sortedKeys(p.After.Hosts)...)
		slices.Sort(hosts)
		hosts = slices.Compact(hosts)
	}
	tell := func(m *plan.PowerReading, host string) string {
		if m != nil {
			if w, ok := m.Hosts[host]; ok {
				return Watts(w)
			}
		}
		return "not metered"
	}
	for _, h := range hosts {
		rows = append(rows, powerRow{h, tell(p.Before, h), tell(p.After, h)})
	}
	return rows
}

func zone(t time.Time) string {
	name, offset := t.Local().Zone()
	return fmt.Sprintf("%s (UTC%+03d:%02d)", name, offset/3600, abs(offset)%3600/60)
}

func abs(n int) int { return max(n, -n) }
