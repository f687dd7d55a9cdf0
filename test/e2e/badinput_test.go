//go:build e2e

package e2e

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"nightshift/internal/endpoint"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
	"nightshift/test/command"
)

// swap is an edit of a lab file.
func swap(pairs ...string) func(string) string {
	return func(s string) string {
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(s, pairs[i]) {
				panic("the lab file does not hold " + pairs[i])
			}
			s = strings.Replace(s, pairs[i], pairs[i+1], 1)
		}
		return s
	}
}

// once runs the binary without a place.
func once(t *testing.T, args ...string) command.Result {
	t.Helper()
	return sane(t, command.Run(t.Context(), binary, args...))
}

// TestBadLabFiles are refused with the place and what to do, before anything listens.
func TestBadLabFiles(t *testing.T) {
	t.Parallel()
	lab, err := simlab.Start(t.Context(), simlab.Config{Spec: simlab.SmallSpec(), Speed: 60})
	require.NoError(t, err)
	defer lab.Close()
	path, err := lab.WriteLabFile(t.TempDir())
	require.NoError(t, err)
	good, err := os.ReadFile(path)
	require.NoError(t, err)
	bmc := func(host string) string { b, _ := lab.BMC(host); return b.URL }
	for name, c := range map[string]struct {
		edit func(string) string
		want []string
	}{
		"unknown key":      {swap("tags:", "tagz:"), []string{`unknown key "tagz"`, `did you mean "tags"`}},
		"wrong type":       {swap("settleTime: 2s", "settleTime: [2s]"), []string{"policies.settleTime", "want a duration, got a list"}},
		"circle":           {swap("- name: db01", "- name: dc01\n    after: [web01]\n  - name: db01"), []string{"round in a circle", "take one of these out"}},
		"two hosts, a BMC": {swap(bmc("esx22"), bmc("esx21")), []string{"hosts[1].bmc.url", "esx21 and esx22 have one BMC"}},
		"password in it":   {swap("password: file:", "password: hunter2 #"), []string{"vcenters[0].password", "env:NAME, file:/path or exec:command"}},
		"login in the URL": {swap("https://", "https://root:hunter2@"), []string{"vcenters[0].url", "holds a login"}},
		"no fingerprint":   {swap(`fingerprint: "`, `fingerprint: "ZZ`), []string{"vcenters[0].tls.fingerprint", "lab trust"}},
		"no lab":           {func(string) string { return "" }, []string{"the file is empty"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			bad := filepath.Join(dir, "lab.yaml")
			require.NoError(t, os.WriteFile(bad, []byte(c.edit(string(good))), 0o600))
			for _, verb := range [][]string{{"lab", "validate"}, {"serve", "--port", "0", "--ui-port", "0"}} {
				s := once(t, append(verb, "--lab", bad, "--state-dir", filepath.Join(dir, "state"))...)
				require.Equal(t, 1, s.Code, s.Err)
				require.Empty(t, s.Out)
				require.NotContains(t, s.Err, "hunter2")
				require.Contains(t, s.Err, bad+":", "it names the place")
				for _, want := range c.want {
					require.Contains(t, s.Err, want)
				}
			}
			require.NoDirExists(t, filepath.Join(dir, "state"))
		})
	}
	require.Empty(t, lab.Calls())
	require.Empty(t, lab.Logins())
}

// TestLabsThatAreNotAsTheirFileSays: whatever is wrong, the run says so, changes nothing and tries no password twice.
func TestLabsThatAreNotAsTheirFileSays(t *testing.T) {
	b := newTemporalRig(t)
	printer := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>a printer</html>") }))
	t.Cleanup(printer.Close)
	secret := func(name, value string) func(*place) {
		return func(p *place) {
			require.NoError(p, os.WriteFile(filepath.Join(filepath.Dir(p.path), "secrets", name), []byte(value), 0o600))
		}
	}
	i := 0
	for name, c := range map[string]struct {
		edit   func(*place, string) string
		before func(*place)
		code   int
		want   []string
		failed map[string]int // refused logins
	}{
		"secret not set":     {edit: line("password: file:", "password: env:NIGHTSHIFT_NOT_SET"), code: 1, want: []string{"vcenter: its password", "NIGHTSHIFT_NOT_SET is not set"}},
		"secret not there":   {edit: line("password: file:", "password: file:/nowhere/secret"), code: 1, want: []string{"vcenter: its password", "/nowhere/secret"}},
		"secret command":     {edit: line("password: file:", "password: exec:/bin/false --please"), code: 1, want: []string{"vcenter: its password", "/bin/false failed"}},
		"vCenter's pin":      {edit: line("tls: {fingerprint", `tls: {fingerprint: "`+strings.Repeat("AB:", 31)+`AB"}`), code: 1, want: []string{"another certificate", "AB:AB", "lab trust"}},
		"vCenter's password": {before: secret("vcenter.password", "wrong"), code: 1, want: []string{"login refused", "start it again"}, failed: map[string]int{"vcenter": 1}},
		"vCenter away":       {before: func(p *place) { p.lab.CutOff("vcenter", 0) }, code: 1, want: []string{"reach vcenter", "check the network"}},
		"BMC's pin": {edit: func(p *place, s string) string {
			bmc, _ := p.lab.BMC("esx21")
			return strings.Replace(s, bmc.Fingerprint, strings.Repeat("AB:", 31)+"AB", 1)
		}, code: 4, want: []string{"host esx21", "another certificate", "lab trust"}},
		"BMC's password": {before: secret("esx21-oob.password", "wrong"), code: 4, want: []string{"host esx21", "check its user and password"}, failed: map[string]int{"bmc:esx21": 1}},
		"BMC away":       {before: func(p *place) { p.lab.CutOff("bmc:esx21", 0) }, code: 4, want: []string{"host esx21", "its BMC does not answer"}},
		"no Redfish": {edit: func(p *place, s string) string {
			bmc, _ := p.lab.BMC("esx21")
			return strings.NewReplacer(bmc.URL, printer.URL, bmc.Fingerprint, endpoint.Fingerprint(printer.Certificate())).Replace(s)
		}, code: 4, want: []string{"host esx21", "not a Redfish service"}},
		"host not there":  {edit: func(_ *place, s string) string { return swap("\nguests:", "\n  - name: esx99\nguests:")(s) }, code: 4, want: []string{"does not know a host esx99", "address:"}},
		"guest not there": {edit: func(_ *place, s string) string { return swap("[dc01]", "[dc99]")(s) }, code: 4, want: []string{"guest dc99", "correct the name"}},
		"BMCs swapped": {edit: func(p *place, s string) string {
			one, _ := p.lab.BMC("esx21")
			two, _ := p.lab.BMC("esx22")
			dir := filepath.Join(filepath.Dir(p.path), "secrets")
			return strings.NewReplacer(one.URL, two.URL, two.URL, one.URL, one.Fingerprint, two.Fingerprint, two.Fingerprint, one.Fingerprint,
				filepath.Join(dir, "esx21-oob"), filepath.Join(dir, "esx22-oob"), filepath.Join(dir, "esx22-oob"), filepath.Join(dir, "esx21-oob")).Replace(s)
		}, code: 4, want: []string{"host esx21", "serial"}},
		"changed since": {before: func(p *place) {
			text, err := os.ReadFile(p.path)
			require.NoError(p, err)
			require.NoError(p, os.WriteFile(p.path, []byte(swap("- name: esx21\n", "- name: esx21\n    keep: true\n")(string(text))), 0o600))
		}, code: 4, want: []string{"was changed after this nightshift read it", "restart"}},
	} {
		i++
		lab := fmt.Sprintf("bad-%d", i)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := b.place(t, lab, simlab.SmallSpec(), c.edit)
			if c.before != nil {
				c.before(p)
			}
			s := p.cli("run", "power-down", "--yes")
			require.Equal(t, c.code, s.Code, s.Out+s.Err)
			for _, want := range c.want {
				require.Contains(t, s.Out+s.Err, want)
			}
			r := p.report("latest")
			require.Equal(t, map[int]string{1: runapi.Failed, 4: runapi.Refused}[c.code], r.Outcome)
			require.NotEmpty(t, r.Next)
			require.Equal(t, c.code, p.cli("plan", "power-down").Code, "the preview says the same")
			require.Empty(t, p.lab.Calls(), "nothing was touched")
			for system, logins := range p.lab.Logins() {
				require.Equal(t, c.failed[system], logins.Failed, "refused logins at %s", system)
			}
			p.settled()
			requireNoSecrets(t, p.lab.Secrets(), "what was printed", []byte(s.Out+s.Err))
		})
	}
}

// line replaces the rest of the first line that holds a text.
func line(from, to string) func(*place, string) string {
	return func(_ *place, s string) string {
		at := strings.Index(s, from)
		return s[:at] + to + s[at+strings.Index(s[at:], "\n"):]
	}
}

// TestBadOrders are refused with a reason and a documented exit code.
func TestBadOrders(t *testing.T) {
	t.Parallel()
	p := newTemporalRig(t).place(t, "orders", simlab.SmallSpec(), nil)
	file := filepath.Join(t.TempDir(), "plan.json")
	p.must("plan", "power-down", "--out", file)
	edited := func(edit func(map[string]any)) string {
		b, err := os.ReadFile(file)
		require.NoError(t, err)
		var doc map[string]any
		require.NoError(t, json.Unmarshal(b, &doc))
		edit(doc["plan"].(map[string]any))
		b, err = json.Marshal(doc)
		require.NoError(t, err)
		path := filepath.Join(t.TempDir(), "plan.json")
		require.NoError(t, os.WriteFile(path, b, 0o600))
		return path
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"run", "power-down"}, 4, "no answer on standard input; give --yes"},
		{[]string{"run", "power-sideways", "--yes"}, 2, `no runbook "power-sideways"`},
		{[]string{"run", "power-down", "-p", "x=1", "--yes"}, 2, `no such parameter`},
		{[]string{"run", "power-down", "--on-failure", "panic", "--yes"}, 2, "allowed are ask, skip, force, abort"},
		{[]string{"run", "power-down", "--deadline", "-1h", "--yes"}, 2, "a deadline lies ahead"},
		{[]string{"run", "power-down", "--plan", edited(func(p map[string]any) { p["title"] = "x" }), "--yes"}, 4, "was changed after it was made"},
		{[]string{"run", "power-down", "--plan", edited(func(p map[string]any) { p["schema"] = 99 }), "--yes"}, 2, "newer nightshift"},
		{[]string{"run", "power-down", "--plan", p.path, "--yes"}, 2, "not a plan file"},
		{[]string{"run", "power-up", "--plan", file, "--yes"}, 2, "is for runbook power-down"},
		{[]string{"run", "power-up", "--cluster", "Nope", "--yes"}, 4, "no vCenter has such a cluster"},
		{[]string{"report", "nope"}, 1, "no such run"},
		{[]string{"watch", "nope"}, 1, "no such run"},
		{[]string{"abort", "nope", "--reason", "x"}, 1, "no such run"},
		{[]string{"retry", "nope", "x"}, 1, "nightshift runs"},
		{[]string{"skip", "nope", "x"}, 2, "needs --reason"},
		{[]string{"unlock", "nope", "--reason", "x"}, 1, "holds no lock"},
		{[]string{"schedule", "add", "n", "power-down", "--cron", "nonsense"}, 2, "five fields"},
		{[]string{"schedule", "add", "n", "power-down", "--cron", "99 1 * * *"}, 2, `the minute "99" is not one of 0 to 59`},
		{[]string{"schedule", "add", "n", "power-down", "--cron", "0 1 31 2 *"}, 2, "never start"},
		{[]string{"schedule", "add", "n", "power-down", "--cron", "0 1 * * *", "--zone", "Mars/Olympus"}, 2, "time zone"},
		{[]string{"hold", "--for", "-1h", "--reason", "x"}, 2, "in the future"},
		{[]string{"status", "-o", "yaml"}, 2, "text or json"},
		{[]string{"frobnicate"}, 2, "no verb"},
	} {
		s := p.cli(c.args...)
		require.Equal(t, c.code, s.Code, "%v\n%s%s", c.args, s.Out, s.Err)
		require.Contains(t, s.Out+s.Err, c.want, c.args)
	}
	require.Contains(t, p.must("schedule", "list").Out, "no schedule")
	require.Empty(t, p.lab.Calls())
	p.settled()

	other := filepath.Join(t.TempDir(), "lab.yaml")
	text, err := os.ReadFile(p.path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(other, []byte(swap("lab: orders", "lab: other")(string(text))), 0o600))
	s := once(t, "run", "power-down", "--yes", "--lab", other, "--temporal-address", p.rig.server.Address())
	require.Equal(t, 1, s.Code)
	require.Contains(t, s.Err, "no worker answers")
	s = once(t, "run", "power-down", "--yes", "--lab", other, "--temporal-address", p.rig.server.Address(), "--plan", file)
	require.Equal(t, 2, s.Code)
	require.Contains(t, s.Err, "is for lab orders, this is lab other")
}

// TestBadStateDirectories are refused, and left as they are.
func TestBadStateDirectories(t *testing.T) {
	t.Parallel()
	r := newRig(t, simlab.SmallSpec(), 1)
	r.start()
	text, err := os.ReadFile(r.labFile)
	require.NoError(t, err)
	other := filepath.Join(t.TempDir(), "lab.yaml")
	require.NoError(t, os.WriteFile(other, []byte(swap("lab: small", "lab: other")(string(text))), 0o600))
	s := once(t, "run", "power-down", "--yes", "--lab", other, "--state-dir", r.state())
	require.Equal(t, 1, s.Code)
	require.Contains(t, s.Err, "serves lab small")
	r.kill()
	_, err = r.run("status")
	require.ErrorContains(t, err, "gone without a goodbye")
	require.Equal(t, 1, exitCode(err))

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	port := fmt.Sprint(taken.Addr().(*net.TCPAddr).Port)
	base := t.TempDir()
	copied := func(name string, damage func(file string)) string {
		dir := filepath.Join(base, name)
		require.NoError(t, os.CopyFS(dir, os.DirFS(r.state())))
		require.NoError(t, os.Remove(filepath.Join(dir, "address.json")))
		damage(filepath.Join(dir, "temporal.db"))
		return dir
	}
	require.NoError(t, os.WriteFile(filepath.Join(base, "file"), nil, 0o600))
	for name, c := range map[string]struct {
		dir  string
		args []string
		want string
	}{
		"a file":       {dir: filepath.Join(base, "file"), want: "not a directory"},
		"below a file": {dir: filepath.Join(base, "file", "state"), want: "--state-dir"},
		"port":         {dir: filepath.Join(base, "p1"), args: []string{"--port", port}, want: "--port"},
		"UI port":      {dir: filepath.Join(base, "p2"), args: []string{"--ui-port", port}, want: "--ui-port"},
		"no database": {dir: copied("garbage", func(file string) {
			require.NoError(t, os.Remove(file+"-wal")) // it has the pages that the file lost
			require.NoError(t, os.WriteFile(file, bytes.Repeat([]byte("garbage "), 5000), 0o600))
		}), want: "is not a database"},
		"newer": {dir: copied("newer", func(file string) {
			db, err := sql.Open("sqlite", "file:"+file)
			require.NoError(t, err)
			_, err = db.Exec("PRAGMA user_version = 99")
			require.NoError(t, err)
			require.NoError(t, db.Close())
		}), want: "newer nightshift"},
	} {
		t.Run(name, func(t *testing.T) {
			before, _ := os.ReadFile(filepath.Join(c.dir, "temporal.db"))
			s := once(t, append([]string{"serve", "--lab", r.labFile, "--state-dir", c.dir, "--port", "0", "--ui-port", "0"}, c.args...)...)
			require.Equal(t, 1, s.Code, s.Err)
			require.Contains(t, s.Err, c.want)
			after, _ := os.ReadFile(filepath.Join(c.dir, "temporal.db"))
			require.Equal(t, before, after, "it is left as it is")
		})
	}
	require.Empty(t, r.lab.Calls())
}
