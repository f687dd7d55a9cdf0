package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// hostile is a name that retitles the window, clears it, writes over the line before and turns the writing round.
const hostile = "web\x1b]0;owned\x07\x1b[2J\x1b[1A\r\u009b31m\u202edone\x7f"

func TestNamesDoNotCommandTheTerminal(t *testing.T) {
	for name, colours := range map[string]bool{"pipe": false, "terminal": true} {
		t.Run(name, func(t *testing.T) {
			lab := hostileLab()
			c := newConsole(t, lab)
			c.outTerminal = colours
			c.out, c.err = safely(c.stdout, colours), safely(c.stderr, false)
			for _, args := range [][]string{{"run", "power-down", "--yes"}, {"plan", "power-down"}, {"status"}, {"report", "x"}, {"watch", "x"}, {"runs"},
				{"report", "x", "-o", "json"}, {"run", hostile}} {
				c.run(args...)
				text := c.stdout.String() + c.stderr.String()
				for _, code := range []string{"0", bold, dim, red, green, yellow, cyan} {
					if colours {
						text = strings.ReplaceAll(text, "\x1b["+code+"m", "")
					}
				}
				if colours && args[0] != "plan" { // the live display moves the cursor, by sequences of its own
					for _, own := range []string{"\x1b[K", "\x1b[J"} {
						text = strings.ReplaceAll(text, own, "")
					}
				}
				require.NotContains(t, text, "\x1b[2J", args)
				require.NotContains(t, text, "\x1b]", args)
				require.NotContains(t, text, "\a", args)
				require.NotContains(t, text, "\u009b", args)
				require.NotContains(t, text, "\u202e", args)
				require.NotContains(t, text, "\x7f", args)
				if !colours {
					require.NotContains(t, text, "\x1b", args)
				}
				if args[len(args)-1] == "json" {
					require.True(t, json.Valid(c.stdout.Bytes()), c.stdout)
				}
			}
		})
	}
}

func hostileLab() *fakeLab {
	p := littlePlan()
	p.Title = "Power down " + hostile
	for i := range p.Steps {
		p.Steps[i].Title, p.Steps[i].Group, p.Steps[i].Target.Name = hostile, hostile, hostile
	}
	p.Warnings = []plan.Finding{{Subject: hostile, Text: hostile, Remedy: hostile}}
	s := sheet("dbr")
	s.Title, s.By, s.Waiting = hostile, hostile, hostile
	s.Notes = map[string]string{}
	for _, step := range p.Steps {
		s.Notes[step.ID] = hostile
	}
	return &fakeLab{plan: p, script: []runapi.Sheet{s, s, s, s, s, s, s, ended(s, runapi.Aborted, hostile)}}
}
