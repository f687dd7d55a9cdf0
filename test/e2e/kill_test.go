//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/ledger"
	"nightshift/internal/report"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
)

// seeds is how many of them are tried: NIGHTSHIFT_SEEDS, else 50.
func seeds(t *testing.T) int64 {
	t.Helper()
	word := os.Getenv("NIGHTSHIFT_SEEDS")
	if word == "" {
		return 50
	}
	n, err := strconv.ParseInt(word, 10, 64)
	require.NoError(t, err)
	return n
}

// TestKilledAtAnyMoment kills nightshift once or twice in each of two runs, at moments that the seed chooses: when the
// lab receives the nth call, and a little later. The runs must end right, with nothing sent twice undecided. Every other
// seed takes something else away besides, for a (simulated) minute at moments of its own: the vCenter, a BMC, or the
// network of a host.
func TestKilledAtAnyMoment(t *testing.T) {
	for seed := range seeds(t) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			t.Parallel() // most of it is waiting
			spec := simlab.SmallSpec()
			if seed == 0 {
				spec = simlab.HomeSpec()
			}
			killedDownAndUp(t, spec, seed, seed%2 == 1)
		})
	}
}

// killedDownAndUp powers a lab down and up, with kills at moments that the seed chooses.
func killedDownAndUp(t *testing.T, spec simlab.Spec, seed int64, disturbed bool) {
	t.Helper()
	r := newRig(t, spec, seed)
	rng := rand.New(rand.NewSource(seed))
	before := r.lab.Guests()
	clusters := r.lab.Clusters()
	r.start()
	if r.disturbed = disturbed; disturbed {
		t.Cleanup(r.disturb(rand.New(rand.NewSource(-seed))))
	}

	r.runKilled(rng, "power-down")
	for name, h := range r.lab.Hosts() {
		if !kept(spec, name) {
			require.Equal(t, "Off", h.Power, name)
		}
	}
	requireNoCrash(t, r.lab)

	r.runKilled(rng, "power-up")
	for name, g := range r.lab.Guests() {
		if was, ok := before[name]; ok && !was.VCLS && !g.VCLS {
			require.Equal(t, was.Power, g.Power, "guest %s", name)
		}
	}
	require.Equal(t, clusters, r.lab.Clusters(), "the settings are as they were")
	st := r.ledger()
	require.Empty(t, st.Locks)
	require.Empty(t, st.Debts)
	require.Empty(t, st.Memory)
	r.stop()
}

// disturb cuts systems off for a simulated minute each, again and again, until the function returned is called.
func (r *rig) disturb(rng *rand.Rand) (stop func()) {
	victims := []string{"vcenter"}
	for name := range r.lab.Hosts() {
		victims = append(victims, "bmc:"+name, "host:"+name)
	}
	for _, h := range r.lab.Spec().Hosts {
		if h.Direct {
			victims = append(victims, "esxi:"+h.Name)
		}
	}
	slices.Sort(victims)
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-time.After(time.Duration(1000+rng.Intn(4000)) * time.Millisecond):
				r.lab.CutOff(victims[rng.Intn(len(victims))], time.Minute/speed)
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}

// runKilled runs a runbook to its end, with kills between.
func (r *rig) runKilled(rng *rand.Rand, runbook string) {
	r.t.Helper()
	since := len(r.lab.Calls())
	run := r.begin(runbook)
	for range 1 + rng.Intn(2) {
		r.killAfter(rng.Intn(10), time.Duration(rng.Intn(800))*time.Millisecond)
		r.start()
	}
	s := r.end(run)
	require.Equal(r.t, runapi.Done, s.Outcome, s.Why)
	r.requireActedOnce(since, s)
	r.t.Logf("%s: %d steps, %d kills so far, %d decisions", runbook, s.Counts.Total, r.kills, len(s.Decisions))
}

// begin starts a run. A plan is refused while a system of a lab that is disturbed does not answer: it is asked for again.
func (r *rig) begin(args ...string) string {
	r.t.Helper()
	var started struct {
		Run string `json:"run"`
	}
	for end := time.Now().Add(patience); ; {
		out, err := r.run(append(append([]string{"run"}, args...), "--yes", "--detach", "-o", "json")...)
		if err == nil || !r.disturbed || time.Now().After(end) {
			require.NoError(r.t, err)
			require.NoError(r.t, json.Unmarshal([]byte(out), &started))
			return started.Run
		}
	}
}

// end waits until the run has ended. What is blocked in a lab that is disturbed says why, and is tried again.
func (r *rig) end(run string) report.Report {
	r.t.Helper()
	for end := time.Now().Add(patience); ; {
		_, err := r.run("watch", run)
		s := r.report(run)
		if !r.disturbed || s.Outcome != "" || time.Now().After(end) {
			require.NoError(r.t, err, "%s: %s", s.Outcome, s.Why)
			return s
		}
		for _, x := range s.Steps {
			if x.State == report.StateBlocked {
				require.NotEmpty(r.t, x.Note)
				_, _ = r.run("retry", run, x.ID, "--reason", "it was cut off") // which may be over by now
			}
		}
	}
}

// killAfter kills when the lab has received n more calls, and a little later; or after a while, if no more calls come.
func (r *rig) killAfter(n int, later time.Duration) {
	r.drain()
	limit := time.After(20 * time.Second)
	for range n {
		select {
		case <-r.calls:
			continue
		case <-limit:
		}
		break
	}
	time.Sleep(later) //nolint:forbidigo // the moment is the seed's choice
	r.kill()
}

func (r *rig) drain() {
	for {
		select {
		case <-r.calls:
		default:
			return
		}
	}
}

func (r *rig) ledger() ledger.State {
	r.t.Helper()
	var status struct {
		Ledger ledger.State `json:"ledger"`
	}
	out := r.must("status", "-o", "json")
	require.NoError(r.t, json.Unmarshal([]byte(out), &status), out)
	return status.Ledger
}

func kept(spec simlab.Spec, host string) bool {
	for _, h := range spec.Hosts {
		if h.Name == host {
			return h.Keep
		}
	}
	return false
}

func requireNoCrash(t *testing.T, l *simlab.Lab) {
	t.Helper()
	for name, g := range l.Guests() {
		require.Zero(t, g.Crashes, "guest %s died with its host", name)
	}
}

// TestSecretsStayOut runs both runbooks and looks for every secret in everything that was written.
func TestSecretsStayOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, simlab.SmallSpec(), 42)
	secrets := append(r.lab.Secrets(), withChannels(r)...)
	r.start()
	var printed strings.Builder
	for _, runbook := range []string{"power-down", "power-up"} {
		out, err := r.run("run", runbook, "--yes", "-o", "json")
		require.NoError(t, err)
		printed.WriteString(out)
	}
	for _, args := range [][]string{{"status"}, {"runs", "-o", "json"}, {"lab", "show", "-o", "json"}, {"lab", "check"}, {"plan", "power-down", "-o", "json"},
		{"notify", "list"}, {"notify", "test"}} {
		out, err := r.run(args...)
		printed.WriteString(out + fmt.Sprint(err)) // what it said on stderr
	}
	r.stop()
	requireNoSecrets(t, secrets, "what was printed", []byte(printed.String()))
	requireNoSecrets(t, secrets, "the log of serve", []byte(r.log.String()))
	requireNoSecretsIn(t, secrets, r.state())
}

// withChannels gives the lab file channels that nobody answers at, or that say no, and answers what of their URLs is secret.
func withChannels(r *rig) []string {
	r.t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(w, "no: %s %s", q.URL, q.Header) // as careless servers do
	}))
	r.t.Cleanup(srv.Close)
	secrets := []string{"mail-password-83516", "hook-token-27180", "topic-and-token-31415"}
	text := "\nnotifications:\n  channels:\n"
	for name, url := range map[string]string{
		"mail": "smtp://nightshift:" + secrets[0] + "@127.0.0.1:1/?from=a@lab.example&to=b@lab.example",
		"hook": "generic+" + srv.URL + "/" + secrets[1] + "?template=json&@Authorization=" + secrets[1],
		"push": "ntfy://u:" + secrets[2] + "@" + srv.Listener.Addr().String() + "/" + secrets[2] + "?scheme=http",
	} {
		path := filepath.Join(r.dir, name+"-url")
		require.NoError(r.t, os.WriteFile(path, []byte(url+"\n"), 0o600))
		text += fmt.Sprintf("    - {name: %s, url: \"file:%s\", on: [done, partial, blocked, failed]}\n", name, path)
	}
	lab, err := os.ReadFile(r.labFile)
	require.NoError(r.t, err)
	require.NoError(r.t, os.WriteFile(r.labFile, append(lab, text...), 0o600))
	return secrets
}
