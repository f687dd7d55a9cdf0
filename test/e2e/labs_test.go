//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"nightshift/internal/engine"
	"nightshift/internal/inventory"
	"nightshift/internal/ledger"
	"nightshift/internal/report"
	"nightshift/internal/simlab"
	"nightshift/internal/statedir"
	"nightshift/test/command"
	"nightshift/worker"
	"nightshift/workflows"
)

// A temporalRig is a Temporal server for many labs: each test has a lab of its own, with a worker in this process, and gives
// its orders with the real command.
type temporalRig struct {
	server *engine.Server
	client client.Client
	log    *command.Log
}

func newTemporalRig(t *testing.T) *temporalRig {
	t.Helper()
	dir, err := statedir.Open(filepath.Join(t.TempDir(), "temporal"))
	require.NoError(t, err)
	require.NoError(t, dir.Lock(t.Context()))
	b := &temporalRig{log: &command.Log{}}
	b.server, err = engine.Start(context.WithoutCancel(t.Context()), engine.Options{Dir: dir, UIPort: -1, SearchAttributes: workflows.SearchAttributes(), Unsafe: true})
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.server.Stop(); _ = dir.Close() })
	b.client, err = client.Dial(client.Options{HostPort: b.server.Address(), Namespace: b.server.Namespace(),
		Logger: log.NewStructuredLogger(slog.New(slog.NewTextHandler(b.log, nil)))})
	require.NoError(t, err)
	t.Cleanup(b.client.Close)
	return b
}

// A place is one lab on a temporalRig.
type place struct {
	*testing.T
	rig    *temporalRig
	lab    *simlab.Lab
	path   string // of the lab file
	worker *worker.Worker
}

// place starts a lab, lets edit change its lab file, and starts a worker for it.
func (b *temporalRig) place(t *testing.T, name string, spec simlab.Spec, edit func(*place, string) string) *place {
	t.Helper()
	spec.Name = name
	p := &place{T: t, rig: b}
	var err error
	p.lab, err = simlab.Start(context.WithoutCancel(t.Context()), simlab.Config{Spec: spec, Speed: 120})
	require.NoError(t, err)
	t.Cleanup(p.lab.Close)
	p.path, err = p.lab.WriteLabFile(t.TempDir())
	require.NoError(t, err)
	if edit != nil {
		text, err := os.ReadFile(p.path)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(p.path, []byte(edit(p, string(text))), 0o600))
	}
	p.work()
	t.Cleanup(func() { p.worker.Stop() })
	return p
}

func (p *place) work() {
	p.Helper()
	lab, err := inventory.Load(p.path)
	require.NoError(p, err)
	p.worker, err = worker.Start(p.Context(), worker.Config{Client: p.rig.client, Namespace: p.rig.server.Namespace(), Lab: lab,
		Instance: "e2e", Logger: slog.New(slog.NewTextHandler(p.rig.log, nil))})
	require.NoError(p, err)
}

// sane fails where nightshift itself broke, whatever its exit status is.
func sane(t *testing.T, r command.Result) command.Result {
	t.Helper()
	require.NotContains(t, r.Err, "goroutine ")
	require.NotContains(t, r.Err, "this is a bug")
	return r
}

// cli runs a verb; nobody sits at its standard input.
func (p *place) cli(args ...string) command.Result {
	p.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.Context()), patience)
	defer cancel()
	return sane(p.T, command.Run(ctx, binary, append(args, "--lab", p.path, "--temporal-address", p.rig.server.Address())...))
}

func (p *place) must(args ...string) command.Result {
	p.Helper()
	s := p.cli(args...)
	require.NoError(p, s.Failed)
	return s
}

// begin starts a run and answers its id.
func (p *place) begin(args ...string) string {
	p.Helper()
	s := p.must(append(append([]string{"run"}, args...), "--yes", "--detach", "-o", "json")...)
	var started struct {
		Run string `json:"run"`
	}
	require.NoError(p, json.Unmarshal([]byte(s.Out), &started), s.Out)
	return started.Run
}

// end waits until the run ends, or until all that is left of it waits for somebody.
func (p *place) end(run string) report.Report {
	p.Helper()
	p.cli("watch", run)
	return p.report(run)
}

func (p *place) report(run string) (r report.Report) {
	p.Helper()
	s := p.cli("report", run, "-o", "json")
	require.NoError(p, json.Unmarshal([]byte(s.Out), &r), s.Out+s.Err)
	return r
}

func (p *place) ledger() ledger.State {
	p.Helper()
	var status struct {
		Ledger ledger.State `json:"ledger"`
	}
	s := p.must("status", "-o", "json")
	require.NoError(p, json.Unmarshal([]byte(s.Out), &status), s.Out)
	return status.Ledger
}

// await waits for a state of the lab.
func (p *place) await(cond func(*simlab.Lab) bool) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), patience)
	defer cancel()
	require.NoError(p, p.lab.WaitFor(ctx, cond))
}

// calls is how many calls the lab has had.
func (p *place) calls() int { return len(p.lab.Calls()) }

// onceSince fails when a destructive call that was received, and not refused, came more often than there were decisions to send it.
func (p *place) onceSince(since int, r report.Report) {
	p.Helper()
	count := map[string]int{}
	for _, c := range p.lab.Calls()[since:] {
		if slices.Contains(destructive, c.Verb) {
			count[c.Verb+" "+c.Target]++
		}
	}
	for call, n := range count {
		allowed := 1
		for _, d := range r.Decisions {
			if strings.Contains(d.Step, strings.Fields(call)[1]) {
				allowed++
			}
		}
		require.LessOrEqual(p, n, allowed, "%s came %d times, with %d decisions: %+v", call, n, allowed-1, r.Decisions)
	}
}

// isDown fails unless every host is off and nothing crashed.
func (p *place) isDown() {
	p.Helper()
	for name, h := range p.lab.Hosts() {
		require.Equal(p, "Off", h.Power, "host %s", name)
	}
	requireNoCrash(p.T, p.lab)
}

// isAs fails unless guests and settings are as they were, and nothing is locked, owed or remembered.
func (p *place) isAs(guests map[string]simlab.GuestState, clusters map[string]simlab.ClusterState) {
	p.Helper()
	for name, g := range p.lab.Guests() {
		if was, ok := guests[name]; ok && !g.VCLS {
			require.Equal(p, was.Power, g.Power, "guest %s", name)
		}
	}
	require.Equal(p, clusters, p.lab.Clusters())
	p.settled()
}

func (p *place) settled() {
	p.Helper()
	st := p.ledger()
	require.Empty(p, st.Locks)
	require.Empty(p, st.Debts)
	require.Empty(p, st.Memory)
}

// post sends a reset to a BMC, as somebody else would.
func (p *place) post(b simlab.BMC, reset string) {
	p.Helper()
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	req, err := http.NewRequestWithContext(p.Context(), http.MethodPost, b.URL+"/redfish/v1/Systems/System.Embedded.1/Actions/ComputerSystem.Reset",
		strings.NewReader(`{"ResetType":"`+reset+`"}`))
	require.NoError(p, err)
	req.SetBasicAuth(b.User, b.Password)
	req.Header.Set("Content-Type", "application/json")
	res, err := c.Do(req)
	require.NoError(p, err)
	require.Less(p, res.StatusCode, 300)
	require.NoError(p, res.Body.Close())
}
