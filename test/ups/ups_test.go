//go:build e2e

// Package ups runs the real command against a simulated lab and Debian's NUT server with a dummy UPS.
package ups

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/report"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
	"nightshift/test/command"
)

var binary string

func TestMain(m *testing.M) { os.Exit(command.Main(m, &binary)) }

// A rig is a simulated lab on a UPS, and a nightshift that serves it.
type rig struct {
	*testing.T
	nut   *nutServer
	lab   *simlab.Lab
	dir   string
	file  string
	serve *command.Server
	log   *command.Log
}

// newRig has a lab whose UPS is told by its charge alone: time starts nothing, tests say when the charge is at its limit.
func newRig(t *testing.T, spec simlab.Spec) *rig {
	return newRigBy(t, spec, "{charge: 40, runtime: 1m, after: 1h, steady: 5s}")
}

// newRigBy says when the lab is to go down.
func newRigBy(t *testing.T, spec simlab.Spec, onBattery string) *rig {
	r := &rig{T: t, nut: startNUT(t), dir: t.TempDir(), log: &command.Log{}}
	lab, err := simlab.Start(context.WithoutCancel(t.Context()), simlab.Config{Spec: spec, Speed: 60, Seed: 1})
	require.NoError(t, err)
	r.lab = lab
	r.file, err = lab.WriteLabFile(r.dir)
	require.NoError(t, err)
	text, err := os.ReadFile(r.file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(r.password(), []byte(nutPassword), 0o600))
	text = append(text, fmt.Sprintf("\nups:\n  - {name: rack, server: %q, user: ns, password: %q, feeds: [esx21, esx22], self: true, switches: [core],\n"+
		"     onBattery: %s, powerUp: {charge: 50, settle: 5s}}\n", r.nut.address, "file:"+r.password(), onBattery)...)
	require.NoError(t, os.WriteFile(r.file, text, 0o600))
	t.Cleanup(func() {
		r.kill()
		lab.Close()
		if t.Failed() {
			t.Log("nightshift serve said:\n" + r.log.String())
		}
	})
	return r
}

func (r *rig) password() string { return filepath.Join(r.dir, "nut-password") }
func (r *rig) state() string    { return filepath.Join(r.dir, "state") }

func (r *rig) start() {
	r.Helper()
	var err error
	r.serve, err = command.Serve(r.log, binary, "serve", "-v", "--lab", r.file, "--state-dir", r.state(), "--port", "0", "--ui-port", "-1")
	require.NoError(r, err)
	r.nut.eventually("serve answers", func() bool {
		_, err := r.run("status", "-o", "json")
		return err == nil
	})
}

// kill is kill -9.
func (r *rig) kill() {
	r.serve.Kill()
	r.serve = nil
}

func (r *rig) run(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), patience)
	defer cancel()
	res := command.Run(ctx, binary, append(args, "--state-dir", r.state(), "--lab", r.file)...)
	return res.Out, res.Failed
}

func (r *rig) must(args ...string) string {
	r.Helper()
	out, err := r.run(args...)
	require.NoError(r, err)
	return out
}

// told waits until serve has logged the text once more than n times.
func (r *rig) told(text string, n int) {
	r.Helper()
	r.nut.eventually("serve tells: "+text, func() bool { return strings.Count(r.log.String(), text) > n })
}

// runs are the ids of a runbook's, the newest first.
func (r *rig) runs(runbook string) (ids []string) {
	r.Helper()
	var list []struct{ Run, Runbook string }
	require.NoError(r, json.Unmarshal([]byte(r.must("runs", "-o", "json")), &list))
	for _, x := range list {
		if x.Runbook == runbook {
			ids = append(ids, x.Run)
		}
	}
	return ids
}

// begun waits for the nth run of a runbook.
func (r *rig) begun(runbook string, n int) (id string) {
	r.Helper()
	r.nut.eventually(fmt.Sprintf("run %d of %s", n, runbook), func() bool {
		ids := r.runs(runbook)
		if len(ids) >= n {
			id = ids[0]
		}
		return id != ""
	})
	return id
}

// ended watches a run to its end.
func (r *rig) ended(id string) (rep report.Report) {
	r.Helper()
	_, _ = r.run("watch", id) // the exit code tells the outcome; so does the report
	out, _ := r.run("report", id, "-o", "json")
	require.NoError(r, json.Unmarshal([]byte(out), &rep), out)
	return rep
}

func (r *rig) calls(verb string) (n int) {
	for _, c := range r.lab.Calls() {
		if c.Verb == verb {
			n++
		}
	}
	return n
}

func (r *rig) hosts(power string) bool {
	for _, h := range r.lab.Hosts() {
		if h.Power != power {
			return false
		}
	}
	return true
}

func (r *rig) guestsRun() bool {
	for name, g := range r.lab.Guests() {
		if !g.VCLS && (g.Power == "poweredOn") != (name != "spare") {
			return false
		}
	}
	return true
}

// TestPowerCut: dips and a lost driver start nothing; a battery that runs down powers the lab down, once, though nightshift
// is killed meanwhile; the lab comes up again when the battery has charge.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	r := newRig(t, simlab.SmallSpec())
	r.start()
	check, err := r.run("lab", "check")
	require.Contains(t, check, "upsd 2.", "%v", err)
	require.Contains(t, check, "ns may set variables")
	require.Contains(t, r.must("ups"), "rack: on mains, charge 100 %")
	require.Contains(t, r.must("plan", "power-down", "-p", "ups=rack"), "Point of no return")

	for i := range 3 { // flapping
		r.nut.set("OB DISCHRG", 90)
		r.told("UPS rack: on battery", i)
		r.nut.set("OL CHRG", 90)
		r.told("UPS rack: on mains", i)
	}
	r.nut.unplug()
	r.told("UPS rack: cannot be read", 0)
	require.Contains(t, r.must("status"), "rack: unknown")
	r.nut.plug()
	r.nut.set("OL", 100)
	r.told("UPS rack: on mains", 3)
	require.Empty(t, r.runs("power-down"), "short dips and a lost driver are no reason")

	r.nut.set("OB DISCHRG", 35)
	id := r.begun("power-down", 1)
	r.nut.eventually("a guest is told to shut down", func() bool { return r.calls("ShutdownGuest") > 0 })
	r.kill()
	r.start()
	rep := r.ended(id)
	require.Equal(t, runapi.Done, rep.Outcome, rep.Why)
	require.Equal(t, "ups rack", rep.By)
	require.True(t, r.hosts("Off"))
	require.Equal(t, 3, r.calls("ShutdownGuest"), "each of the three guests once")
	require.Len(t, r.runs("power-down"), 1)

	r.nut.set("OL CHRG", 45)
	r.told("the power-up waits", 0)
	require.Empty(t, r.runs("power-up"), "the mains are back, the charge is not")
	r.nut.set("OL CHRG", 55)
	rep = r.ended(r.begun("power-up", 1))
	require.Equal(t, runapi.Done, rep.Outcome, rep.Why)
	require.True(t, r.hosts("On"))
	require.True(t, r.guestsRun())
	require.Len(t, r.runs("power-up"), 1)
}

// TestAFlappingSupply: dips of a few seconds, each too short to matter, between which the mains do not last, are one power cut: it
// empties the battery as well.
func TestAFlappingSupply(t *testing.T) {
	t.Parallel()
	r := newRigBy(t, simlab.SmallSpec(), "{charge: 5, runtime: 10s, after: 20s, steady: 10m}")
	r.start()
	dips := 0
	for ; len(r.runs("power-down")) == 0; dips++ {
		r.nut.set("OB DISCHRG", 95)
		r.told("UPS rack: on battery", dips)
		r.nut.set("OL CHRG", 95)
		r.told("UPS rack: on mains", dips)
	}
	require.Greater(t, dips, 1, "no dip was long enough by itself")
	require.Contains(t, r.log.String(), "on battery for")
	id := r.begun("power-down", 1)
	r.nut.eventually("it waits at the point of no return, as the mains might stay", func() bool {
		out, err := r.run("status", id)
		return err == nil && strings.Contains(out, "running   Point of no return")
	})
	require.Zero(t, r.calls("ShutdownHost_Task"))
	r.nut.set("OB DISCHRG", 95)
	rep := r.ended(id)
	require.Equal(t, runapi.Done, rep.Outcome, "%s: mains that do not last call nothing off", rep.Why)
	require.Equal(t, "ups rack", rep.By)
	require.True(t, r.hosts("Off"))
	require.Len(t, r.runs("power-down"), 1)
}

// TestMainsBackBeforeTheFirstHost: the run ends in order at its point of no return, and what went down comes up again.
func TestMainsBackBeforeTheFirstHost(t *testing.T) {
	t.Parallel()
	spec := simlab.SmallSpec()
	for i := range spec.Guests {
		spec.Guests[i].Shutdown = 20 * time.Minute // 20 s
	}
	r := newRig(t, spec)
	r.start()
	r.nut.set("OB DISCHRG", 35)
	id := r.begun("power-down", 1)
	r.nut.eventually("a guest is told to shut down", func() bool { return r.calls("ShutdownGuest") > 0 })
	r.nut.set("OL CHRG", 60)
	rep := r.ended(id)
	require.Equal(t, runapi.Aborted, rep.Outcome)
	require.Contains(t, rep.Why, "the mains are back")
	require.Zero(t, r.calls("ShutdownHost_Task"))
	rep = r.ended(r.begun("power-up", 1))
	require.Equal(t, runapi.Done, rep.Outcome, rep.Why)
	require.True(t, r.guestsRun())
	require.True(t, r.hosts("On"))
}

// TestForcedShutdownEndsAPowerUp: what is under way gives way, a hold does not count, and mains that are there change nothing. A
// host that boots when the first try begins does not keep the others up, and goes down with a later one.
func TestForcedShutdownEndsAPowerUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, simlab.SmallSpec())
	r.start()
	r.must("run", "power-down", "--yes")
	require.True(t, r.hosts("Off"))
	r.must("run", "power-up", "--yes", "--detach")
	r.nut.eventually("a host is switched on", func() bool { return r.calls("Reset:On") > 0 })
	r.must("hold", "--for", "10h", "--reason", "visitors")
	r.nut.set("FSD OL", 90)
	r.begun("power-down", 2)
	r.nut.eventually("all hosts are off, and no power-down is under way", func() bool {
		return r.hosts("Off") && r.ended(r.runs("power-down")[0]).Outcome == runapi.Done
	})
	up := r.ended(r.begun("power-up", 1))
	require.Equal(t, runapi.Aborted, up.Outcome)
	require.Contains(t, up.Why, "forced shutdown")
	n := len(r.runs("power-down"))
	r.nut.set("OL CHRG", 90)
	r.told("the power-up was skipped", 0)
	require.True(t, r.hosts("Off"), "somebody has said that the lab is to stay as it is")
	require.Len(t, r.runs("power-down"), n, "what is done is done")
}
