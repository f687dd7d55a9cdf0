//go:build e2e

// Package e2e runs the real binary against a simulated lab in another process, and kills it.
package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/report"
	"nightshift/internal/simlab"
	"nightshift/test/command"
)

// patience is how long a test waits for anything: these machines are slow and shared.
const patience = 5 * time.Minute

// speed is that of the simulated labs that are killed.
const speed = 60

// binary is the nightshift command, built once.
var binary string

func TestMain(m *testing.M) { os.Exit(command.Main(m, &binary)) }

// A rig is a simulated lab in this process, and a nightshift in one of its own.
type rig struct {
	t        *testing.T
	lab      *simlab.Lab
	dir      string
	labFile  string
	calls    chan simlab.Record
	hear     func(simlab.Record) // is told of each call before it acts; may be nil
	serve    *command.Server
	log      command.Log
	kills    int
	patience time.Duration // for each verb
	// disturbed: systems of the lab are cut off now and then.
	disturbed bool
}

func newRig(t *testing.T, spec simlab.Spec, seed int64) *rig {
	r := &rig{t: t, dir: t.TempDir(), calls: make(chan simlab.Record, 10_000), patience: patience}
	lab, err := simlab.Start(t.Context(), simlab.Config{Spec: spec, Speed: speed, Seed: seed, OnCall: r.called})
	require.NoError(t, err)
	r.lab = lab
	r.labFile, err = lab.WriteLabFile(r.dir)
	require.NoError(t, err)
	t.Cleanup(func() {
		r.kill()
		lab.Close()
		if t.Failed() {
			t.Log("nightshift serve said:\n" + r.log.String())
		}
	})
	return r
}

// called takes a call for those who wait for one; where nobody does, the oldest ones are kept.
func (r *rig) called(c simlab.Record) {
	if r.hear != nil {
		r.hear(c)
	}
	select {
	case r.calls <- c:
	default:
	}
}

func (r *rig) state() string { return filepath.Join(r.dir, "state") }

// start starts `nightshift serve` and waits until it answers.
func (r *rig) start() {
	r.t.Helper()
	r.work("serve", "--port", "0", "--ui-port", "0")
	r.eventually("serve answers", func() bool {
		_, err := r.run("status", "-o", "json")
		return err == nil
	})
}

// work starts a server on the rig's lab.
func (r *rig) work(args ...string) {
	r.t.Helper()
	var err error
	r.serve, err = command.Serve(&r.log, binary, append(args, "--lab", r.labFile, "--state-dir", r.state())...)
	require.NoError(r.t, err)
}

// kill is kill -9.
func (r *rig) kill() {
	if r.serve == nil {
		return
	}
	r.serve.Kill()
	r.serve = nil
	r.kills++
}

// stop is Ctrl-C; it must end in order.
func (r *rig) stop() {
	r.t.Helper()
	require.NoError(r.t, r.serve.Stop(), r.log.String())
	r.serve = nil
}

// run runs a verb and returns what it printed. A status other than 0 is an error.
func (r *rig) run(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), r.patience)
	defer cancel()
	res := command.Run(ctx, binary, append(args, "--state-dir", r.state(), "--lab", r.labFile)...)
	return res.Out, res.Failed
}

func (r *rig) must(args ...string) string {
	r.t.Helper()
	out, err := r.run(args...)
	require.NoError(r.t, err)
	return out
}

func exitCode(err error) int {
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

func (r *rig) eventually(what string, ok func() bool) {
	r.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) { //nolint:forbidigo // another process
		if ok() {
			return
		}
	}
	require.FailNow(r.t, "not within "+patience.String()+": "+what, r.log.String())
}

func (r *rig) report(run string) report.Report {
	r.t.Helper()
	out, _ := r.run("report", run, "-o", "json") // the exit code tells the outcome; so does the report
	var rep report.Report
	require.NoError(r.t, json.Unmarshal([]byte(out), &rep), out)
	return rep
}

// destructive are the calls that must not be sent twice without a decision between.
var destructive = []string{"ShutdownGuest", "PowerOffVM_Task", "SuspendVM_Task", "ShutdownHost_Task", "EnterMaintenanceMode_Task",
	"Reset:ForceOff", "Reset:GracefulShutdown", "Reset:PushPowerButton", "Reset:On", "PowerOnVM_Task", "PowerOnMultiVM_Task", "cluster stop", "cluster start"}

// requireActedOnce fails when a destructive call was received more often than there were decisions to send it.
func (r *rig) requireActedOnce(since int, s report.Report) {
	r.t.Helper()
	count := map[string]int{}
	for _, c := range r.lab.Calls()[since:] {
		if slices.Contains(destructive, c.Verb) {
			count[c.Verb+" "+c.Target]++
		}
	}
	for call, n := range count {
		target := call[strings.LastIndex(call, " ")+1:]
		allowed := 1
		for _, d := range s.Decisions {
			if strings.Contains(d.Step, target) {
				allowed++
			}
		}
		require.LessOrEqual(r.t, n, allowed, "%s was received %d times, %d decisions: %+v", call, n, allowed-1, s.Decisions)
	}
}
