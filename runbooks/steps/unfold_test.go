package steps_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/runbooks/steps"
)

// lab is three guests on two hosts.
type lab struct{}

func (lab) Guests() []steps.Fact {
	return []steps.Fact{
		{Name: "db01", Kind: "guest", Power: "on", Host: "esx21", Cluster: "Lab", Folder: "/Home/vm/db", Tags: []string{"Backup"}},
		{Name: "web01", Kind: "guest", Power: "on", Host: "esx21", Cluster: "Lab", Folder: "/Home/vm/web/prod", Tags: []string{}},
		{Name: "web02", Kind: "guest", Power: "off", Host: "esx22", Cluster: "Lab", Folder: "/Home/vm/web", Tags: []string{"Backup"}},
		{Name: "webkept", Kind: "guest", Power: "on", Host: "esx22", Cluster: "Lab", Folder: "/Home/vm/web", Kept: "bears the tag KeepOn"},
	}
}

func (lab) Hosts() []steps.Fact {
	return []steps.Fact{{Name: "esx21", Kind: "host", Power: "on", Cluster: "Lab"}, {Name: "esx22", Kind: "host", Power: "on", Cluster: "Lab", Maintenance: true}}
}

// unfold answers "id < needs" of each step.
func unfold(t *testing.T, body string, given map[string]string) (lines []string, left []steps.Left, list []steps.Concrete) {
	t.Helper()
	d, err := steps.Parse("demo.yaml", []byte("name: demo\ndescription: x\n"+body))
	require.NoError(t, err)
	l := steps.NewLibrary(d)
	params, err := d.Check(given)
	require.NoError(t, err)
	list, left, err = l.Unfold(d, params, lab{})
	require.NoError(t, err)
	for _, c := range list {
		lines = append(lines, strings.TrimSpace(c.ID+" < "+strings.Join(c.Needs, " ")))
	}
	return lines, left, list
}

func TestOrder(t *testing.T) {
	lines, left, _ := unfold(t, `
steps:
  - {id: a, uses: wait, with: {for: 1s}}
  - {id: b, uses: wait, with: {for: 1s}}
  - {id: c, uses: wait, with: {for: 1s}, needs: [a]}
  - {id: d, uses: wait, with: {for: 1s}, needs: []}
  - {id: e, uses: wait, with: {for: 1s}, when: "false"}
  - {id: f, uses: wait, with: {for: 1s}, needs: [b, e]}
`, nil)
	require.Equal(t, []string{"a <", "b < a", "c < a", "d <", "f < b d"}, lines, "what is left out hands on what it would have waited for")
	require.Equal(t, []steps.Left{{Step: "e", Why: "its condition does not hold: false"}}, left)
}

func TestForEach(t *testing.T) {
	lines, left, list := unfold(t, `
steps:
  - {id: first, uses: wait, with: {for: 1s}}
  - id: all
    foreach: {guests: {name: "web*", cluster: Lab}}
    uses: ssh/run
    with: {at: box, run: [echo, "${item.name} on ${item.host}", "$${HOME}"]}
  - id: roll
    foreach: {guests: {tag: Backup}, batch: 1}
    title: Roll ${item.name}
    steps:
      - {id: x, uses: wait, with: {for: 1s}}
      - {id: y, when: 'item.power == "on"', uses: wait, with: {for: 1s}}
  - {id: last, uses: wait, with: {for: 1s}}
`, nil)
	require.Equal(t, []string{"first <", "all:web01 < first", "all:web02 < first", "roll:db01/x < all:web01 all:web02", "roll:db01/y < roll:db01/x",
		"roll:web02/x < roll:db01/y", "last < roll:web02/x"}, lines)
	require.Contains(t, left, steps.Left{Step: "guest webkept", Why: "bears the tag KeepOn"})
	run, ok := list[1].With.(*steps.SSHRunWith)
	require.True(t, ok)
	require.Equal(t, []string{"echo", "web01 on esx21", "${HOME}"}, run.Run)
	require.Equal(t, "Roll db01", list[3].Group)
}

func TestSelectors(t *testing.T) {
	for selector, want := range map[string][]string{
		"{}": {"db01", "web01", "web02"}, "{power: \"on\"}": {"db01", "web01"}, "{folder: /Home/vm/web}": {"web01", "web02"},
		"{folder: /Home/vm/we}": nil, "{host: esx21, tag: Backup}": {"db01"}, "{name: \"${p}0?\"}": {"web01", "web02"},
	} {
		lines, _, _ := unfold(t, "parameters:\n  - {name: p, type: string, default: web}\nsteps:\n  - {id: s, foreach: {guests: "+selector+"}, uses: wait, with: {for: 1s}}\n", nil)
		var got []string
		for _, l := range lines {
			got = append(got, strings.TrimSuffix(strings.TrimPrefix(l, "s:"), " <"))
		}
		require.Equal(t, want, got, selector)
	}
}

func TestParametersReachTheirValues(t *testing.T) {
	_, _, list := unfold(t, `
parameters:
  - {name: d, type: duration, default: 90s}
  - {name: at, type: machine, default: box}
  - {name: dir, type: string}
  - {name: quiet, type: bool, default: true}
steps:
  - {id: w, uses: wait, with: {for: "${d}"}}
  - {id: g, uses: guest/run, with: {guest: web01, run: [/bin/x], directory: "${dir}", windows: "${quiet}"}}
  - {id: s, uses: ssh/run, with: {at: "${at}", shell: true, script: "echo ${HOME} $1", args: ["${dir}; rm -rf /"]}}
  - {id: c, when: "d == 90 && quiet && lab.guests[\"web01\"].power == \"on\" && !lab.hosts[\"nosuch\"].connected", uses: wait, with: {for: 1s}}
`, map[string]string{"dir": "$(reboot)"})
	require.Len(t, list, 4)
	w, _ := list[0].With.(*steps.WaitWith)
	require.Equal(t, "1m30s", w.For.String())
	g, _ := list[1].With.(*steps.GuestRunWith)
	require.Equal(t, "$(reboot)", g.Directory)
	require.True(t, g.Windows)
	s, _ := list[2].With.(*steps.SSHRunWith)
	require.Equal(t, "echo ${HOME} $1", s.Script, "a script is taken as it is written")
	require.Equal(t, []string{"$(reboot); rm -rf /"}, s.Args, "a parameter is an argument, whatever it holds")
}

func TestOtherRunbooks(t *testing.T) {
	parse := func(name, body string) *steps.Definition {
		d, err := steps.Parse(name+".yaml", []byte("name: "+name+"\ndescription: x\n"+body))
		require.NoError(t, err)
		return d
	}
	inner := parse("inner", "parameters:\n  - {name: who, type: guest, required: true}\nsteps:\n  - {id: one, uses: guest/powerOn, with: {guest: \"${who}\"}}\n  - {id: two, uses: guest/check, with: {guest: \"${who}\"}}\n")
	outer := parse("outer", "steps:\n  - {id: up, foreach: {guests: {tag: Backup}}, uses: runbook/inner, with: {who: \"${item.name}\"}}\n  - {id: end, uses: wait, with: {for: 1s}}\n")
	l := steps.NewLibrary(inner, outer)
	require.NoError(t, l.Check(outer))
	list, _, err := l.Unfold(outer, nil, lab{})
	require.NoError(t, err)
	require.Len(t, list, 5)
	require.Equal(t, "up:web02/two", list[3].ID)
	require.Equal(t, []string{"up:db01/two", "up:web02/two"}, list[4].Needs)
	require.Equal(t, []string{steps.GuestCheck, steps.GuestPowerOn, steps.Wait}, l.Uses(outer))
}

func TestManyEdgesMeet(t *testing.T) {
	names := strings.Repeat("x,", 0) + "a,b,c,d,e,f,g,h,i,j,k,l"
	lines, _, _ := unfold(t, "parameters:\n  - {name: n, type: string, list: true}\nsteps:\n  - {id: p, foreach: {parameter: n}, uses: wait, with: {for: 1s}}\n  - {id: q, foreach: {parameter: n}, uses: wait, with: {for: 1s}}\n", map[string]string{"n": names})
	require.Len(t, lines, 25)
	require.Equal(t, "q:a < join:q:12", lines[13])
}

// A foreach in a foreach multiplies, also where a condition leaves out what comes of it: the worker that plans it has other things to do.
func TestAForeachInAForeachEnds(t *testing.T) {
	d, err := steps.Parse("demo.yaml", []byte(`name: demo
description: x
parameters:
  - {name: n, type: string, list: true}
steps:
  - id: a
    foreach: {parameter: n}
    steps:
      - id: b
        foreach: {parameter: n}
        steps:
          - {id: c, foreach: {parameter: n}, when: item.name == "none", uses: wait, with: {for: 1s}}
`))
	require.NoError(t, err)
	var names []string
	for i := range 60 {
		names = append(names, fmt.Sprint("x", i))
	}
	_, _, err = steps.NewLibrary(d).Unfold(d, map[string]string{"n": strings.Join(names, ",")}, lab{})
	require.ErrorContains(t, err, "demo.yaml:12:13: steps[0].steps[0].steps[0]: the runbook goes through more than 50000 steps")
}

// What a guest is called says nothing of how deep a runbook stands in others.
func TestANameWithSlashesIsNotDeep(t *testing.T) {
	inner, err := steps.Parse("inner.yaml", []byte("name: inner\ndescription: x\nsteps:\n  - {id: one, uses: wait, with: {for: 1s}}\n"))
	require.NoError(t, err)
	outer, err := steps.Parse("outer.yaml", []byte("name: outer\ndescription: x\nparameters:\n  - {name: n, type: string, list: true}\nsteps:\n  - {id: a, foreach: {parameter: n}, uses: runbook/inner}\n"))
	require.NoError(t, err)
	list, _, err := steps.NewLibrary(inner, outer).Unfold(outer, map[string]string{"n": "a/b/c/d/e/f/g/h/i/j/k"}, lab{})
	require.NoError(t, err)
	require.Equal(t, "a:a/b/c/d/e/f/g/h/i/j/k/one", list[0].ID)
}

// In a foreach in a foreach the item of a condition is that of the step, not of the block around it.
func TestTheItemOfAConditionIsTheStepsOwn(t *testing.T) {
	lines, _, _ := unfold(t, `
steps:
  - id: host
    foreach: {hosts: {name: esx22}}
    steps:
      - {id: up, foreach: {guests: {host: "${item.name}"}}, when: item.power == "off", uses: guest/powerOn, with: {guest: "${item.name}"}}
`, nil)
	require.Equal(t, []string{"host:esx22/up:web02 <"}, lines, "the host is on")
}
