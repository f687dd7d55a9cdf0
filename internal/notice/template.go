package notice

import (
	"errors"
	"fmt"
	"strings"
	"text/template"
	"time"
)

// maxText bounds what a template may write, in bytes.
const maxText = 16 << 10

var errNested = errors.New("define, block and template are not allowed")

var errTooLong = fmt.Errorf("it writes more than %d KiB", maxText>>10)

// Execute puts the data into the words of a template in Go's text/template.
func Execute(text string, d Data) (string, error) {
	var rounds int
	t, err := template.New("template").Option("missingkey=error").Funcs(functions(&rounds)).Parse(text)
	if err != nil {
		return "", err
	}
	// One that calls itself takes hours to fail.
	if len(t.Templates()) > 1 || t.Tree != nil && strings.Contains(t.Root.String(), "{{template ") {
		return "", errNested
	}
	if t.Tree != nil {
		count(t.Root)
	}
	var b bounded
	err = t.Execute(&b, d)
	for _, known := range []error{errTooLong, errTooOften} {
		if errors.Is(err, known) {
			return "", known
		}
	}
	return b.String(), err
}

// Check tells whether a template works: it is tried on notices with much and with little in them.
func Check(text string) error {
	for _, n := range samples() {
		if _, err := Execute(text, n); err != nil {
			return err
		}
	}
	return nil
}

type bounded struct{ strings.Builder }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxText {
		return 0, errTooLong
	}
	return b.Builder.Write(p)
}

// samples are notices with much and with little in them.
func samples() []Data {
	at := time.Date(2026, 11, 20, 23, 5, 0, 0, time.UTC)
	run := "power-down-home-20261120-230000"
	return []Data{
		{Event: "hold", Lab: "home", Subject: "[home] the hold ends at 08:00", At: at, Text: "Text"},
		{Event: "blocked", Lab: "home", Runbook: "power-down", Run: run, By: "ann@desk", Title: "Power down lab home: 4 hosts, 13 guests",
			Subject: "[home] power-down is blocked: 2 steps wait for you", Why: "why", Steps: []Step{{"shutdown-guest:web01", "Shut down guest web01", "it does not answer"}},
			More: 1, Lines: []string{"1 of 3 steps is done"}, Next: []Command{{"nightshift retry " + run + " shutdown-guest:web01", "tries again"}},
			At: at, Deadline: at.Add(time.Hour), Link: "http://127.0.0.1:8233/", Text: "Text"},
	}
}
