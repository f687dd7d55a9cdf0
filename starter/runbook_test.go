package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/runbooks"
	"nightshift/runbooks/steps"
)

// From nothing to a runbook that has run: what `new` writes is in order, what is broken is told by line and column, and
// `test` carries it out on a simulated lab, whose waits are as short as its speed makes them.
func TestARunbookFromNewToTest(t *testing.T) {
	c := newConsole(t, &fakeLab{})
	require.Equal(t, exitDone, c.run("runbook", "new", "mine"), c.stderr)
	path := filepath.Join("runbooks", "mine.yaml")
	require.Contains(t, c.stderr.String(), "mine.yaml -p guest=web01\n", "as it can be tried")
	require.FileExists(t, path)
	require.Equal(t, exitUsage, c.run("runbook", "new", "mine"))
	require.Contains(t, c.stderr.String(), "is there already")
	require.Equal(t, exitUsage, c.run("runbook", "new", "power-down"))
	require.Contains(t, c.stderr.String(), "give yours another name")
	require.Equal(t, exitDone, c.run("runbook", "validate", path), c.stderr)
	require.Contains(t, c.stdout.String(), "mine.yaml is in order.")

	text, err := os.ReadFile(path)
	require.NoError(t, err)
	before, _, _ := strings.Cut(string(text), "uses: guest/powerOn")
	broken := filepath.Join("runbooks", "broken.yaml")
	require.NoError(t, os.WriteFile(broken, []byte(strings.Replace(strings.Replace(string(text), "uses: guest/powerOn", "uses: guest/powerOm", 1), "name: mine", "name: broken", 1)+"colour: red\n"), 0o600))
	require.NotEqual(t, exitDone, c.run("runbook", "validate", path, broken))
	at := broken + ":" + strconv.Itoa(strings.Count(before, "\n")+1) + ":"
	require.Contains(t, c.stderr.String(), at, "the line of what is wrong")
	require.Regexp(t, `(?m)^(nightshift: )?\S*broken\.yaml:\d+:\d+: .*guest/powerOm`, c.stderr.String())
	require.Regexp(t, `(?m)^(nightshift: )?\S*broken\.yaml:\d+:\d+: unknown key "colour"`, c.stderr.String(), "each in a line of its own")
	require.Contains(t, c.stdout.String(), "mine.yaml is in order.", "the other one is")
	require.NotEqual(t, exitDone, c.run("runbook", "test", broken))
	require.Contains(t, c.stderr.String(), at, "and it is not begun")
	require.Equal(t, exitFailed, c.run("runbook", "list"))
	require.Contains(t, c.stderr.String(), at, "a list without one says why")
	require.Regexp(t, `(?m)^mine +\S*runbooks/mine\.yaml +Look at a web server`, c.stdout.String(), "and the others stand in it")
	require.NoError(t, os.Remove(broken))
	require.Equal(t, exitDone, c.run("runbook", "show", "mine"), c.stderr)
	require.Contains(t, c.stdout.String(), "-p pause=duration\n      how long to wait before the first look\n      default: 5s\n")
	require.Equal(t, exitUsage, c.run("runbook", "show", "mime"))
	require.Contains(t, c.stderr.String(), "vcsa-restart-services, mine")

	require.Equal(t, exitUsage, c.run("runbook", "test", path))
	require.Contains(t, c.stderr.String(), "guest")
	c.now, c.after = time.Now, time.After // a real run, by a real clock
	require.Equal(t, exitDone, c.run("runbook", "test", path, "-p", "guest=web01", "-p", "ask=true", "-p", "pause=20h", "--speed", "7200"), "%s%s", c.stdout, c.stderr)
	require.Contains(t, c.stdout.String(), "Wait for 20 h")
	require.Contains(t, c.stderr.String(), "May guest web01 be started?: yes")
	require.Contains(t, c.stdout.String(), "done")
}

// What there is to run and to write is told to people, and to programs.
func TestRunbooksAreTold(t *testing.T) {
	c := newConsole(t, &fakeLab{})
	require.Equal(t, exitDone, c.run("runbook", "list"), c.stderr)
	for _, rb := range runbooks.Catalog() {
		require.Regexp(t, `(?m)^`+rb.Name+` +\S.*`, c.stdout.String())
	}
	require.Equal(t, exitDone, c.run("runbook", "list", "-o", "json"), c.stderr)
	var list []runbookInfo
	require.NoError(t, json.Unmarshal(c.stdout.Bytes(), &list))
	require.Len(t, list, len(runbooks.Catalog()))
	for _, told := range list {
		require.Equal(t, exitDone, c.run("runbook", "show", told.Name, "-o", "json"), c.stderr)
		var one runbookInfo
		require.NoError(t, json.Unmarshal(c.stdout.Bytes(), &one))
		require.Equal(t, told, one)
		require.Equal(t, exitDone, c.run("runbook", "show", told.Name), c.stderr)
		for _, p := range told.Parameters {
			require.Contains(t, c.stdout.String(), "\n  -p "+p.Name+"="+p.Type, told.Name)
		}
	}
	require.Equal(t, exitDone, c.run("runbook", "actions"), c.stderr)
	for _, x := range steps.Actions() {
		require.Regexp(t, `(?m)^`+x.Name+` .*`+regexp.QuoteMeta(x.Help), c.stdout.String())
	}
	require.Equal(t, exitDone, c.run("runbook", "schema"), c.stderr)
	require.True(t, json.Valid(c.stdout.Bytes()))
	require.Equal(t, steps.Schema(), c.stdout.String())
	for _, verb := range []string{"validate", "test"} {
		require.Equal(t, exitUsage, c.run("runbook", verb), verb)
		require.NotEqual(t, exitDone, c.run("runbook", verb, "no-such.yaml"), verb)
		require.Contains(t, c.stderr.String(), "no-such.yaml", verb)
	}
	require.Equal(t, exitUsage, c.run("runbook", "new", "Not a name"))
}
