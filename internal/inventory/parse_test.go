package inventory_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

// good is a valid file; tests replace a line of it, or add to it.
const good = `lab: home
self: {outside: true}
vcenters:
  - name: vc1
    url: https://vc1.example
    user: ns
    password: env:VC
hosts:
  - name: esx21
    bmc:
      url: https://esx21-oob
      user: root
      password: file:secrets/bmc
  - name: esx22
    keep: true
guests:
  - name: web01
    after: [db01]
groups:
  - name: db
    guests: [db01]
`

// replace returns the good file with the line that holds old replaced; new may have several lines.
func replace(t testing.TB, old, text string) string {
	t.Helper()
	require.Equal(t, 1, strings.Count(good, old), "%q must be in the good file once", old)
	return strings.Replace(good, old, text, 1)
}

func TestGoodFileParses(t *testing.T) {
	_, err := inventory.Parse("lab.yaml", []byte(good))
	require.NoError(t, err)
	_, err = inventory.Parse("lab.yaml", []byte("\ufeff---\r\n"+strings.ReplaceAll(good, "\n", "\r\n")))
	require.NoError(t, err, "with what Windows editors do to a file")
}

// A bad file and its one error.
type bad struct {
	name  string
	old   string // line of the good file; empty: text is the whole file
	text  string
	place string // line:column, or empty
	field string
	says  []string
}

func (b bad) run(t *testing.T) {
	t.Run(b.name, func(t *testing.T) {
		text := b.text
		if b.old != "" {
			text = replace(t, b.old, b.text)
		}
		_, err := inventory.Parse("lab.yaml", []byte(text))
		require.ErrorIs(t, err, fault.Invalid)
		var list inventory.Errors
		require.ErrorAs(t, err, &list)
		require.Len(t, list, 1, "one clear error: %v", err)
		place := "lab.yaml: "
		if b.place != "" {
			place = "lab.yaml:" + b.place + ": "
		}
		require.Equal(t, b.field, list[0].Field)
		require.True(t, strings.HasPrefix(err.Error(), place), "%q does not begin with %q", err.Error(), place)
		for _, s := range b.says {
			require.ErrorContains(t, err, s)
		}
	})
}

func TestFilesThatAreNoLabFile(t *testing.T) {
	for _, b := range []bad{
		{name: "empty", text: "", says: []string{"the file is empty", "examples/minimal"}},
		{name: "only comments", text: "# nothing\n\n", says: []string{"the file is empty"}},
		{name: "null", text: "~\n", says: []string{"the file is empty"}},
		{name: "text", text: "hello\n", place: "1:1", says: []string{"want keys and values, got text"}},
		{name: "a list", text: "- a\n- b\n", place: "1:1", says: []string{"got a list"}},
		{name: "two documents", text: good + "---\nlab: other\n", place: "23:4", says: []string{"second YAML document"}},
		{name: "tab", old: "    url: https://vc1.example", text: "\turl: https://vc1.example", place: "5:1", says: []string{"a tab", "YAML wants spaces"}},
		{name: "not UTF-8", old: "lab: home", text: "lab: h\xf6me", place: "1:7", says: []string{"not UTF-8"}},
		{name: "NUL", old: "lab: home", text: "lab: h\x00me", place: "1:7", says: []string{"control character U+0000"}},
		{name: "too large", text: good + strings.Repeat("# filler\n", 1<<17), says: []string{"larger than 1 MiB"}},
		{name: "YAML bomb", text: "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", place: "1:4", says: []string{"anchors, aliases and merge keys are not allowed"}},
		{name: "alias as value", old: "lab: home", text: "lab: *home", place: "1:6", says: []string{"needs quotes"}},
		{name: "merge key", old: "  - name: esx22", text: "  - <<: {name: esx22}", place: "14:5", says: []string{"merge keys"}},
		{name: "tag", old: "lab: home", text: "lab: !!str home", place: "1:6", says: []string{"tags are not allowed"}},
		{name: "complex key", text: "? [a]\n: b\n", place: "1:1", says: []string{"? keys are not allowed"}},
		{name: "deep brackets", text: strings.Repeat("[", 1<<19), place: "1:33", says: []string{"nested too deeply"}},
		{name: "deep dashes", text: strings.Repeat("- ", 1<<18), place: "1:65", says: []string{"nested too deeply"}},
		{name: "keys without end", text: strings.Repeat("a:\n", 50_001), place: "50001:2", says: []string{"more than 50000 keys"}},
		{name: "unclosed quote", old: "lab: home", text: "lab: \"home", place: "1:6", says: []string{"not readable as YAML: could not find end character"}},
		{name: "unclosed bracket", old: "self: {outside: true}", text: "self: {outside: true", says: []string{"not readable as YAML"}, place: "3:1"},
		{name: "bad indentation", old: "    user: ns", text: "   user: ns", place: "6:4", says: []string{"not readable as YAML", "check indentation"}},
	} {
		b.run(t)
	}
}

func TestWrongKeysAndTypes(t *testing.T) {
	for _, b := range []bad{
		{name: "unknown key with a near one", old: "      user: root", text: "      usr: root\n      user: root", place: "12:7", field: "hosts[0].bmc",
			says: []string{`unknown key "usr"`, `did you mean "user"?`, "Allowed: url, user, password, tls, insecure, basicAuth, system, serial, uuid"}},
		{name: "unknown key by case", old: "groups:", text: "Groups:", place: "19:1", says: []string{`unknown key "Groups"`, `did you mean "groups"?`}},
		{name: "unknown key, nothing near", old: "    keep: true", text: "    colour: true", place: "15:5", field: "hosts[1]", says: []string{`unknown key "colour" (allowed: name, vcenter,`}},
		{name: "key of an embedded struct at the wrong place", old: "    keep: true", text: "    url: https://x", place: "15:5", field: "hosts[1]", says: []string{`unknown key "url"`}},
		{name: "double key", old: "    user: ns", text: "    user: ns\n    user: ns2", place: "7:5", field: "vcenters[0]", says: []string{`"user" is here twice`, "first in line 6"}},
		{name: "missing key", old: "    url: https://vc1.example\n", text: "", place: "4:5", field: "vcenters[0]", says: []string{`the key "url" is missing`}},
		{name: "missing key at the top", old: "lab: home\n", text: "", place: "1:1", says: []string{`the key "lab" is missing`}},
		{name: "nothing", old: "    keep: true", text: "    keep:", place: "15:5", field: "hosts[1].keep", says: []string{"nothing is said here"}},
		{name: "number for text", old: "lab: home", text: "lab: 12", place: "1:6", field: "lab", says: []string{"want text, got a number", "quotes"}},
		{name: "yes for true", old: "    keep: true", text: "    keep: yes", place: "15:11", field: "hosts[1].keep", says: []string{"want true or false, got text"}},
		{name: "text for a list", old: "    after: [db01]", text: "    after: db01", place: "18:12", field: "guests[0].after", says: []string{"want a list, got text", `"- "`}},
		{name: "list for a mapping", old: "self: {outside: true}", text: "self: [outside]", place: "2:7", field: "self", says: []string{"want keys and values, got a list"}},
		{name: "mapping for a list", old: "groups:\n  - name: db\n    guests: [db01]", text: "groups:\n  name: db", place: "20:3", field: "groups", says: []string{"want a list, got keys and values"}},
		{name: "mapping for text", old: "lab: home", text: "lab: {name: home}", place: "1:6", field: "lab", says: []string{"want text, got keys and values"}},
		{name: "text for a number", old: "lab: home", text: "lab: home\nlimits: {bmc: two}", place: "2:15", field: "limits.bmc", says: []string{"want a whole number"}},
		{name: "negative number", old: "lab: home", text: "lab: home\nlimits: {bmc: -1}", place: "2:15", field: "limits.bmc", says: []string{"want a whole number from 0"}},
		{name: "fraction", old: "lab: home", text: "lab: home\nlimits: {bmc: 1.5}", place: "2:15", field: "limits.bmc", says: []string{"want a whole number"}},
		{name: "huge number", old: "lab: home", text: "lab: home\nlimits: {bmc: 99999999999999999999}", place: "2:15", field: "limits.bmc", says: []string{"want a whole number"}},
		{name: "duration in words", old: "lab: home", text: "lab: home\npolicies: {guest: {timeout: 5 minutes}}", place: "2:29", field: "policies.guest.timeout", says: []string{`"5 minutes" is not a duration`, "90s, 5m, 1h30m"}},
		{name: "duration without a unit", old: "lab: home", text: "lab: home\npolicies: {guest: {timeout: 5}}", place: "2:29", field: "policies.guest.timeout", says: []string{"want a duration, got a number"}},
		{name: "duration in days", old: "lab: home", text: "lab: home\npolicies: {vcls: 2d}", place: "2:18", field: "policies.vcls", says: []string{`"2d" is not a duration`, "the largest is the hour: 48h"}},
		{name: "no duration", old: "lab: home", text: "lab: home\npolicies: {vcls: 0s}", place: "2:18", field: "policies.vcls", says: []string{"not above zero (leave the key out for the default)"}},
		{name: "negative duration", old: "lab: home", text: "lab: home\nrunbooks: {power-up: {deadline: -1h}}", place: "2:33", field: "runbooks.power-up.deadline", says: []string{"not above zero"}},
		{name: "two lines", old: "  - name: esx22", text: "  - name: |\n      esx22", place: "14:11", field: "hosts[1].name", says: []string{"more than one line"}},
		{name: "word that is not allowed", old: "lab: home", text: "lab: home\npolicies: {guest: {onTimeout: poweroff}}", place: "2:31", field: "policies.guest.onTimeout",
			says: []string{`"poweroff" is not allowed`, `did you mean "powerOff"?`, "ask, powerOff, suspend"}},
		{name: "failure policy", old: "lab: home", text: "lab: home\nrunbooks: {power-up: {onFailure: ignore}}", place: "2:34", field: "runbooks.power-up.onFailure", says: []string{"ask, skip, force, abort"}},
	} {
		b.run(t)
	}
}

func TestAllErrorsAtOnceInOrder(t *testing.T) {
	_, err := inventory.Parse("lab.yaml", []byte(`lab: Home
self: {outside: true, host: esx99}
vcenters:
  - name: vc1
    url: http://vc1
    user: ns
hosts:
  - name: esx21
    keep: maybe
    colour: red
`))
	var list inventory.Errors
	require.ErrorAs(t, err, &list)
	var got []string
	for _, e := range list {
		got = append(got, fmt.Sprintf("%d %s", e.Line, e.Field))
	}
	require.Equal(t, []string{"1 lab", "2 self", "2 self.host", "5 vcenters[0].url", "6 vcenters[0].user", "9 hosts[0].keep", "10 hosts[0]"}, got)
	var one *inventory.Error
	require.True(t, errors.As(err, &one))
	require.Equal(t, 6, strings.Count(err.Error(), "\n"))
}

func TestLargeLab(t *testing.T) {
	var b strings.Builder
	b.WriteString(good[:strings.Index(good, "groups:")])
	for i := range 5000 {
		fmt.Fprintf(&b, "  - name: guest%d\n    after: [db01]\n    keep: false\n    shutdown: {timeout: 5m}\n", i)
	}
	l, err := inventory.Parse("lab.yaml", []byte(b.String()))
	require.NoError(t, err)
	require.Len(t, l.Guests, 5001)
}
