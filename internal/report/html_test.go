package report

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

func htmlOf(t *testing.T, r Report) string {
	t.Helper()
	var b strings.Builder
	require.NoError(t, r.HTML(&b))
	return b.String()
}

// A page shows the whole run, and needs nothing beside itself: it may lie in a mail, or on a stick.
func TestAPageStandsAlone(t *testing.T) {
	for _, guests := range []int{20, 2000} {
		page := htmlOf(t, nightReport(guests))
		for _, bad := range []string{"<img", "<link", "<iframe", "@import", "@font-face", "url(", " style=", "onclick", "onload", "src="} {
			require.False(t, strings.Contains(page, bad), bad)
		}
		for _, address := range regexp.MustCompile(`(?:href|src|action)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
			require.True(t, strings.HasPrefix(address[1], "#") || strings.HasPrefix(address[1], "http://127.0.0.1:8233/"), address[1])
		}
	}
}

// The policy allows the style and the script that are in the page, by what they say, and nothing else.
func TestThePolicyAllowsThePageItself(t *testing.T) {
	page := htmlOf(t, nightReport(20))
	policy := regexp.MustCompile(`Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(page)[1]
	policy = strings.NewReplacer("&#39;", "'", "&#43;", "+").Replace(policy)
	require.True(t, strings.HasPrefix(policy, "default-src 'none'; "), policy)
	require.NotContains(t, policy, "unsafe")
	for _, tag := range []string{"style", "script"} {
		texts := regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(page, -1)
		require.Len(t, texts, 1, tag)
		sum := sha256.Sum256([]byte(texts[0][1]))
		require.Contains(t, policy, tag+"-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	}
}

// Names come from the lab, reasons from whoever gives orders, notes from devices: none of them is more than text.
func TestNothingFromTheLabIsMoreThanText(t *testing.T) {
	const evil = `<script>alert(1)</script><b onmouseover="x">"'&` + "\u202e\x00\x1b[31m"
	p, s := night(20)
	p.Title, s.Title, s.By, s.Why, s.Lab, s.Runbook = evil, evil, evil, evil, evil, evil
	p.Parameters = map[string]string{evil: evil}
	for i := range p.Steps {
		p.Steps[i].Title, p.Steps[i].Group, p.Steps[i].Target.Name = evil, evil, evil
		s.Notes[p.Steps[i].ID] = evil
	}
	finding := []plan.Finding{{Subject: evil, Text: evil, Remedy: evil}}
	p.Untouched, s.Warnings, s.Blockers, s.Left = finding, finding, finding, finding
	s.Owed[0].Target.Name, s.Owed[0].Was, s.Owed[0].Run = evil, evil, evil
	s.Orders = append(s.Orders, runapi.Record{Verb: evil, Order: runapi.Order{By: evil, Reason: evil, Steps: []string{evil}, Params: map[string]any{evil: evil}}})
	s.Decisions = append(s.Decisions, runapi.Decision{Step: evil, By: evil, Verdict: evil, Evidence: evil})
	s.Amendments[0].Why, s.Amendments[0].Changes, s.Amendments[0].Beyond = evil, []string{evil}, []string{evil}
	s.Requester, s.Approvals = &runapi.Consent{Name: evil}, []runapi.Consent{{Name: evil, Hash: evil}}
	s.Power.Before.Hosts[evil] = 1
	s.Versions[evil] = evil
	r := Assemble(evil, s, &p, s.Ended)
	r.Link, r.MadeBy = "javascript:alert(1)", evil
	page := htmlOf(t, r)
	require.Equal(t, 1, strings.Count(page, "<script"), "nightshift's own")
	require.NotContains(t, page, "<b onmouseover")
	require.NotContains(t, page, `href="javascript`)
	require.NotContains(t, page, "\u202e")
	require.NotContains(t, page, "\x1b")
	require.Contains(t, page, "&lt;script&gt;alert(1)&lt;/script&gt;")

	var m strings.Builder
	r.Markdown(&m, true)
	text := regexp.MustCompile("`[^`]*`").ReplaceAllString(m.String(), "") // code is shown as it stands
	for _, bad := range []string{"<script", "<b ", "\u202e", "\x1b"} {
		require.False(t, strings.Contains(text, bad), bad)
	}
}

// Everything that the run's report is to tell is on the page.
func TestWhatAPageTells(t *testing.T) {
	r := nightReport(20)
	r.Saved = &Saved{Run: "power-down-home-1", From: started(), To: started().Add(9 * time.Hour), Watts: 718, KWh: 6.46, Hosts: 4, Money: 2.07, Currency: "EUR"}
	page := htmlOf(t, r)
	for _, want := range []string{
		"Asked for by schedule nightly", "was done after 10 min 29 s", "All 33 steps were done.",
		"What determined the end", "Shut down guest stubborn", "◆", "Plan against reality", "Longer than estimated",
		"<b>retry</b> by ann@desk", "Reason: it may be switched off, its owner says", "It was blocked: it is still on after 5m0s",
		"<b>act again</b>, by nightshift", "Evidence: no task of it at the vCenter", "planned anew (guest vm0003 is on host esx002 now)",
		"2 attempts", "switched off the hard way", "vSphere HA of cluster Lab (was on)", "756 W → 38 W", "6.5 kWh", "2.07 EUR", "While it was down, for 9 h",
		"nightshift run power-up", "has no Tools", "install VMware Tools", "kept: nightshift needs it", "9f8e7d6c5b4a3928", r.Hash, "8.0.2 build 22617221", "v0.4.0", run,
		"after <a href=\"#s", "&lt;script&gt;alert(1)&lt;/script&gt;", "UTC (UTC+00:00)",
	} {
		require.True(t, strings.Contains(strings.ReplaceAll(page, "&#43;", "+"), want), want)
	}
}

// A page of 2,000 guests is folded, and small enough for a mail.
func TestALongPageIsFolded(t *testing.T) {
	page := htmlOf(t, nightReport(2000))
	require.Less(t, len(page), 4<<20)
	steps := func(page string) string {
		_, rest, _ := strings.Cut(page, `<div id="steps"`)
		rest, _, _ = strings.Cut(rest, "</div>\n<h2>")
		return rest
	}
	require.False(t, strings.Contains(steps(page), "<details open"))
	require.True(t, strings.Contains(steps(htmlOf(t, nightReport(20))), "<details open"))
	for _, want := range []string{"<summary>201 to 400: guest vm0201 … guest vm0400</summary>", "124 steps, each when there was room for it",
		"no more than 16 at a time at vcenter vc1", "Hosts (62)"} {
		require.True(t, strings.Contains(page, want), want)
	}
}

// However many groups there are that have nothing in common, each step is on the timeline: the last ones in one lane.
func TestATimelineLeavesNothingOut(t *testing.T) {
	const groups = 70
	r := Report{Started: started(), Ended: started().Add(groups * time.Minute)}
	for i := range groups { // the plan's order is not that in which they began
		begun := started().Add(time.Duration(groups-i) * time.Minute)
		r.Steps = append(r.Steps, Step{Group: fmt.Sprintf("step%02d", i), Begun: begun, Ended: begun.Add(time.Minute), Critical: i < 3})
	}
	r.Steps = append(r.Steps, Step{Group: "never begun"})
	lanes := r.lanes(scaleOf(r))
	require.Len(t, lanes, 2*mostLanes)
	require.Equal(t, "step69", lanes[0].Name)
	last := lanes[len(lanes)-1]
	require.Equal(t, "31 more groups, which began later", last.Name)
	require.Equal(t, 31, last.Steps)
	require.Len(t, last.Critical, 3)
	require.InDelta(t, 31*60, last.Seconds, 0.1)
	require.NotEmpty(t, last.Bars)

	r.Steps = r.Steps[:2*mostLanes]
	require.Len(t, r.lanes(scaleOf(r)), 2*mostLanes)
	require.Equal(t, "step00", r.lanes(scaleOf(r))[2*mostLanes-1].Name, "as many as there is room for")
}

// Whatever state a run is in, there is a page of it.
func TestAPageOfEveryState(t *testing.T) {
	signed := aborted()
	signed.Approvers, signed.Requester = &plan.Approvers{Need: 2}, &runapi.Consent{Name: "ann", At: started()}
	signed.Approvals = []runapi.Consent{{Name: "bob", Hash: "0123456789abcdef", At: started()}}
	for name, r := range map[string]Report{
		"aborted":     Assemble(run, aborted(), fiveGuests(), started()),
		"signed":      Assemble(run, signed, fiveGuests(), started()),
		"no plan":     Assemble(run, runapi.Sheet{Lab: "home", Runbook: "settle", Phase: runapi.PhasePlan, Started: started()}, nil, started()),
		"nothing yet": Assemble(run, runapi.Sheet{}, nil, started()),
		"clock back":  Assemble(run, runapi.Sheet{Started: started(), Ended: started().Add(-time.Hour), Outcome: runapi.Failed}, fiveGuests(), started()),
	} {
		t.Run(name, func(t *testing.T) {
			page := htmlOf(t, r)
			require.True(t, strings.HasSuffix(page, "</html>\n"))
			require.NotContains(t, page, "NaN")
			require.NotContains(t, page, "%!")
			require.NotContains(t, page, "<no value>")
			require.NotContains(t, page, "ZgotmplZ")
		})
	}
	page := htmlOf(t, Assemble(run, signed, fiveGuests(), started()))
	require.Contains(t, page, "The runbook needs 2 signed approvals.")
	require.Contains(t, page, "Half done: begun, and not seen to its end")
}

func TestMarkdown(t *testing.T) {
	var b strings.Builder
	r := nightReport(20)
	r.Markdown(&b, false)
	golden(t, "night.md", b.String())
	var folded, all strings.Builder
	long := nightReport(2000)
	long.Markdown(&folded, false)
	long.Markdown(&all, true)
	require.Less(t, strings.Count(folded.String(), "\n"), 250)
	require.Greater(t, strings.Count(all.String(), "\n"), 2000)
}

// A command of a Markdown report is copied into a terminal: what a guest is called must not end its quotes there.
func TestCommandsInMarkdownStayWhatTheyAre(t *testing.T) {
	p, s := night(20)
	s.Outcome, s.Phase = "", runapi.PhaseExecute
	id := "shutdown-guest:x`; touch y; `|z"
	p.Steps[0].ID, p.Steps[0].Action = id, plan.ShutdownGuest
	p.Steps[0].Params = plan.Encode(plan.ShutdownGuestParams{Method: plan.ShutdownByTools})
	s.Steps = string(runapi.Blocked) + s.Steps[1:]
	r := Assemble("run-1", s, &p, s.Started.Add(time.Hour))
	require.NotEmpty(t, r.Next)
	var m strings.Builder
	r.Markdown(&m, true)
	require.Contains(t, m.String(), "`` nightshift retry run-1 'shutdown-guest:x`; touch y; `|z' ``")
}
