package steps_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/yamlfile"
	"nightshift/runbooks/steps"
)

const good = `name: demo
description: Look, and do
parameters:
  - name: guest
    type: guest
    required: true
  - name: names
    type: string
    list: true
  - name: many
    type: int
    default: 3
  - name: hard
    type: bool
    default: false
steps:
  - id: look
    uses: ssh/run
    with: {at: box, run: [echo, "${guest}", 5], changes: false}
  - id: down
    when: hard && many > 2
    uses: guest/shutdown
    with: {guest: "${guest}"}
    timeout: 5m
  - id: each
    foreach: {parameter: names, batch: 1}
    steps:
      - id: say
        uses: ssh/run
        with: {at: box, run: [echo, "${item.name}"]}
`

func TestGoodRunbook(t *testing.T) {
	d, err := steps.Parse("library/demo.yaml", []byte(good))
	require.NoError(t, err)
	require.Equal(t, "demo", d.Name)
	require.NoError(t, steps.NewLibrary(d).Check(d))
}

// Each replaces one text of the good runbook, and is one error, at its place.
func TestWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct{ old, text, place, says string }{
		"name of another file":      {"name: demo", "name: other", "demo.yaml:1:7", "call the file other.yaml"},
		"no name":                   {"name: demo", "name: Demo Book", "demo.yaml:1:7", "is no name for a runbook"},
		"unknown key":               {"description: Look, and do", "description: x\nsteeps: []", "demo.yaml:3:1", `did you mean "steps"?`},
		"unknown type":              {"type: int", "type: number", "demo.yaml:11:11", `"number" is not allowed here`},
		"default of another type":   {"default: 3", "default: three", "demo.yaml:12:14", "is not a whole number"},
		"required and default":      {"    required: true", "    required: true\n    default: web01", "demo.yaml:7:14", "has no default"},
		"a word of conditions":      {"name: hard", "name: item", "demo.yaml:13:11", "is a word of conditions"},
		"unknown action":            {"uses: guest/shutdown", "uses: guest/shutdwn", "demo.yaml:22:11", `did you mean "guest/shutdown"?`},
		"unknown value":             {"with: {guest: \"${guest}\"}", "with: {guests: web01}", "demo.yaml:23:", `unknown key "guests"`},
		"missing value":             {"with: {guest: \"${guest}\"}", "with: {}", "demo.yaml:23:", `"guest" is missing`},
		"unknown parameter":         {`[echo, "${guest}", 5]`, `[echo, "${gest}", 5]`, "demo.yaml:19:33", `did you mean "guest"?`},
		"item outside of foreach":   {`[echo, "${guest}", 5]`, `[echo, "${item.name}", 5]`, "demo.yaml:19:33", "foreach only"},
		"no part of an item":        {"${item.name}", "${item.nme}", "demo.yaml:30:", "an item has no"},
		"a list as text":            {`[echo, "${guest}", 5]`, `[echo, "${names}", 5]`, "demo.yaml:19:33", "it is a list"},
		"a template that is open":   {`[echo, "${guest}", 5]`, `[echo, "${guest", 5]`, "demo.yaml:19:33", "is not closed"},
		"a point in a number":       {`"${guest}", 5]`, `"${guest}", 1.10]`, "demo.yaml:19:", "put it in quotes"},
		"a command in one word":     {`run: [echo, "${guest}", 5]`, `run: [echo hello]`, "demo.yaml:19:", "no shell splits it"},
		"a script without a shell":  {`run: [echo, "${guest}", 5]`, `script: echo hello`, "demo.yaml:19:", "needs a shell"},
		"both":                      {`run: [echo, "${guest}", 5]`, `run: [echo], shell: true, script: echo`, "demo.yaml:19:", "either run or script"},
		"condition that is no yes":  {"hard && many > 2", "many + 2", "demo.yaml:21:11", "expected bool"},
		"condition with a typo":     {"hard && many > 2", "hrad && many > 2", "demo.yaml:21:11", "unknown name hrad"},
		"condition that would call": {"hard && many > 2", "now().Hour() > 2", "demo.yaml:21:11", "unknown name now"},
		"needs what comes later":    {"    when: hard", "    needs: [each]\n    when: hard", "demo.yaml:21:", "stands before this one"},
		"twice":                     {"id: down", "id: look", "demo.yaml:20:9", "is here twice"},
		"reserved":                  {"id: down", "id: mark-lab", "demo.yaml:20:9", "choose another id"},
		"no list":                   {"parameter: names", "parameter: many", "demo.yaml:26:", "with list: true"},
		"each of nothing":           {"parameter: names, batch: 1", "batch: 1", "demo.yaml:26:", "for each of what"},
		"no time-out":               {"timeout: 5m", "timeout: 5", "demo.yaml:24:14", "duration"},
		"takes no time-out":         {"uses: guest/shutdown", "uses: guest/powerOn", "demo.yaml:24:14", "takes no time-out"},
		"time-out of a block":       {"    steps:\n", "    timeout: 5m\n    steps:\n", "demo.yaml:27:", "has no timeout"},
		"neither uses nor steps":    {"    uses: guest/shutdown\n", "", "demo.yaml:20:", "either uses or steps"},
		"anchors":                   {"id: down", "id: &a down", "demo.yaml:20:9", "anchors"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, 1, strings.Count(good, c.old), "%q must be in the good runbook once", c.old)
			_, err := steps.Parse("demo.yaml", []byte(strings.Replace(good, c.old, c.text, 1)))
			require.ErrorIs(t, err, fault.Invalid)
			var all yamlfile.Errors
			require.True(t, errors.As(err, &all))
			require.Contains(t, err.Error(), c.place)
			require.Contains(t, err.Error(), c.says)
		})
	}
}

func TestParametersOfARun(t *testing.T) {
	d, err := steps.Parse("demo.yaml", []byte(good))
	require.NoError(t, err)
	for value, says := range map[string]string{"": "it is required", "many=x": "whole number", "hard=maybe": "true, false", "other=1": "no such parameter"} {
		name, v, _ := strings.Cut(value, "=")
		given := map[string]string{}
		if value != "" {
			given = map[string]string{"guest": "web01", name: v}
		}
		_, err := d.Check(given)
		require.ErrorContains(t, err, says)
	}
	got, err := d.Check(map[string]string{"guest": " web01 ", "names": "a, b"})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"guest": "web01", "names": "a, b"}, got)
}

func TestRunbooksThatUseEachOther(t *testing.T) {
	parse := func(name, uses string) *steps.Definition {
		d, err := steps.Parse(name+".yaml", []byte("name: "+name+"\ndescription: x\nparameters:\n  - {name: a, type: int}\nsteps:\n  - id: one\n    uses: "+uses+"\n"))
		require.NoError(t, err)
		return d
	}
	a, b, c := parse("aa", "runbook/bb"), parse("bb", "runbook/aa"), parse("cc", "runbook/dd")
	l := steps.NewLibrary(a, b, c)
	require.ErrorContains(t, l.Check(a), "aa uses bb uses aa")
	require.ErrorContains(t, l.Check(c), `there is no step runbook "dd"`)
	wrong := parse("ee", "runbook/cc\n    with: {b: 1}")
	require.ErrorContains(t, steps.NewLibrary(c, wrong).Check(wrong), `has no parameter "b"`)
	wrong = parse("ff", "runbook/cc\n    with: {a: x}")
	require.ErrorContains(t, steps.NewLibrary(c, wrong).Check(wrong), "whole number")
	require.NotEqual(t, l.Hash(c), l.Hash(a))
	require.NotEqual(t, l.Hash(a), steps.NewLibrary(a, parse("bb", "runbook/cc")).Hash(a), "what it uses counts")
}

func TestTheTemplateIsARunbook(t *testing.T) {
	text, err := steps.Template("look-at-web")
	require.NoError(t, err)
	_, err = steps.Parse("look-at-web.yaml", []byte(text))
	require.NoError(t, err)
	// What is behind comments works, too.
	text = strings.ReplaceAll(text, "\n  # ", "\n  ")
	text = strings.ReplaceAll(text, "\n  #\n", "\n")
	d, err := steps.Parse("look-at-web.yaml", []byte(withoutRemarks(text)))
	require.NoError(t, err, withoutRemarks(text))
	require.Greater(t, len(d.Steps), 6)
	_, err = steps.Template("Look At Web")
	require.Error(t, err)
}

// withoutRemarks leaves out the lines that are sentences.
func withoutRemarks(text string) string {
	var lines []string
	for _, l := range strings.Split(text, "\n") {
		word := strings.TrimSpace(l)
		if strings.HasPrefix(l, "  A ") || strings.HasPrefix(l, "  The ") || strings.HasPrefix(l, "  All ") {
			continue
		}
		lines = append(lines, strings.TrimRight(strings.TrimSuffix(l, word), "")+word)
	}
	return strings.Join(lines, "\n")
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(good))
	files, err := filepath.Glob("../library/*.yaml")
	require.NoError(f, err)
	for _, name := range files {
		data, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := steps.Parse("demo.yaml", data)
		if err != nil {
			require.ErrorIs(t, err, fault.Invalid)
			return
		}
		l := steps.NewLibrary(d)
		if l.Check(d) != nil {
			return
		}
		given := map[string]string{}
		for _, p := range d.Parameters {
			if p.Required {
				given[p.Name] = "web01"
			}
		}
		if params, err := d.Check(given); err == nil {
			_, _, _ = l.Unfold(d, params, lab{}) // it answers
		}
	})
}
