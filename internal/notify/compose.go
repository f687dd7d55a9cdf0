package notify

import (
	"cmp"
	"fmt"
	"strings"

	"nightshift/internal/inventory"
	"nightshift/internal/notice"
	"nightshift/internal/plan"
	"nightshift/internal/report"
	"nightshift/internal/runapi"
)

// For is the message for a channel: by its templates, or in the built-in words. Where a template fails it says so.
func For(ch inventory.Channel, d notice.Data) Message {
	m := Message{Title: d.Subject, Text: d.Text}
	put := func(what string, t string, into *string) {
		if t == "" {
			return
		}
		text, err := notice.Execute(t, d)
		if err != nil {
			m.Text = fmt.Sprintf("%s\n\n(The template %s of channel %s failed: %v)", m.Text, what, ch.Name, err)
			return
		}
		*into = text
	}
	put("text", ch.Text, &m.Text)
	put("title", ch.Title, &m.Title)
	return m
}

// Compose puts a notice into words. The link is where the run can be looked at; empty: nowhere.
func Compose(n runapi.Notice, link string) notice.Data {
	d := notice.Data{Event: string(n.Event), Lab: n.Lab, Runbook: n.Runbook, Run: n.Run, More: n.More, Lines: n.Lines, At: n.At.Local(), Link: link}
	for _, c := range n.Commands {
		d.Next = append(d.Next, notice.Command(c))
	}
	subject := n.Subject
	if s := n.Sheet; s != nil {
		d.By, d.Title, d.Why = s.By, s.Title, s.Why
		if !s.Deadline.IsZero() && s.Outcome == "" {
			d.Deadline = s.Deadline.Local()
		}
		for _, st := range n.Steps {
			d.Steps = append(d.Steps, notice.Step{ID: st.ID, Title: st.Title, Why: report.Reason(st, s.Notes[st.ID])})
		}
		d.Lines = append(d.Lines, standing(n)...)
		d.Next = append(d.Next, next(n)...)
		subject = cmp.Or(subject, happened(n))
	}
	d.Subject = "[" + n.Lab + "] " + subject
	d.Text = builtIn(d)
	return d
}

// next are the commands that the report of the run would list.
func next(n runapi.Notice) []notice.Command {
	s := *n.Sheet
	s.Steps = strings.Repeat(string(runapi.Blocked), len(n.Steps))
	r := report.Assemble(n.Run, s, &plan.Plan{Parameters: n.Parameters, Steps: n.Steps}, n.At)
	var list []notice.Command
	if n.More > 0 {
		list = append(list, notice.Command{Type: "nightshift status " + n.Run + " --state blocked", Why: "shows all that is blocked"})
	}
	for _, c := range r.Next {
		list = append(list, notice.Command(c))
	}
	if s.Outcome != "" {
		list = append(list, notice.Command{Type: "nightshift report " + n.Run, Why: "tells what was done and what is left"})
	}
	return list
}
