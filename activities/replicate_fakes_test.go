package activities

import (
	"bytes"
	"context"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/replica"
	"nightshift/internal/simlab/storage"
	"nightshift/runbooks"
)

// A mailLab is a protection group of two volumes on two simulated storage hosts, and the activities of a worker.
type mailLab struct {
	t        *testing.T
	a        *Activities
	w        *world
	lab      *inventory.Lab
	ss1, ss2 *storage.Host
	network  *storage.Network
	marked   string // the run that is at it
}

// newMailLab has 8 MiB written to each volume.
func newMailLab(t *testing.T) *mailLab {
	t.Helper()
	m := &mailLab{t: t, w: newWorld(), network: storage.NewNetwork()}
	t.Cleanup(m.network.Close)
	m.lab = testLab()
	m.lab.Limits.Storage = 2
	m.ss1, m.ss2 = m.host("ss1", "tank", 11), m.host("ss2", "backup", 12)
	require.NoError(t, storage.Join(m.network, m.ss1, m.ss2))
	m.root(m.ss2, "zfs", "create", "-o", "mountpoint=none", "backup/ss1")
	for _, v := range []string{"tank/mail", "tank/log"} {
		m.root(m.ss1, "zfs", "create", "-s", "-V", "64M", v)
		m.write(v, 0, 8)
	}
	yes := true
	m.lab.ProtectionGroups = []inventory.ProtectionGroup{{Name: "mail", Source: inventory.ProtectionSource{Host: "ss1", Datasets: []string{"tank/mail", "tank/log"}},
		Target: inventory.ProtectionTarget{Host: "ss2", Under: "backup/ss1"}, Every: within(time.Hour), Noise: "1GiB",
		Send: inventory.Send{Compressed: &yes, LargeBlocks: &yes, Via: inventory.ViaDirect}}}
	m.restart()
	return m
}

// restart is another process.
func (m *mailLab) restart() {
	m.t.Helper()
	a := newActivities(m.w)
	a.lab, a.clients.lab = m.lab, m.lab
	a.streams.pause, a.streams.stall = 10*time.Millisecond, time.Minute
	m.a = a
	m.t.Cleanup(a.Close)
}

func (m *mailLab) host(name, pool string, seed int64) *storage.Host {
	m.t.Helper()
	t := m.t
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(stop)
	h := storage.New(ctx, storage.Config{Name: name, Speed: 50, Seed: seed})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, h.Serve(ln, nil))
	h.AddPool(pool, 2<<30)
	for _, p := range []string{"bookmark,destroy,hold,mount,release,send,snapshot,userprop", "canmount,create,readonly,receive,volmode"} {
		m.root(h, "zfs", "allow", "-u", "zfsadm", p, pool)
	}
	key, private, err := storage.NewKey()
	require.NoError(t, err)
	h.Trust("zfsadm", key.PublicKey())
	block, err := ssh.MarshalPrivateKey(private, "")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
	m.lab.StorageHosts = append(m.lab.StorageHosts, inventory.StorageHost{Name: name, SSH: inventory.SSH{Address: h.Address(), User: "zfsadm", Key: file, HostKey: h.HostKey()}})
	return h
}

func (m *mailLab) root(h *storage.Host, argv ...string) string {
	m.t.Helper()
	var out, errs bytes.Buffer
	exit := h.Run(m.t.Context(), "root", argv, storage.Streams{Out: &out, Err: &errs})
	require.Equal(m.t, "ok", exit.String(), "%s: %s%s", strings.Join(argv, " "), out.String(), errs.String())
	return strings.TrimSpace(out.String())
}

func (m *mailLab) write(volume string, from, mib int64) {
	m.t.Helper()
	require.NoError(m.t, m.ss1.Write(volume, from<<20, mib<<20))
}

// plan is made of what is there now, as MakePlan does.
func (m *mailLab) plan() plan.Plan {
	m.t.Helper()
	return m.planOf(runbooks.Replicate, map[string]string{"group": "mail"})
}

func (m *mailLab) planOf(runbook string, given map[string]string) plan.Plan {
	m.t.Helper()
	book, ok := runbooks.Lookup(runbook)
	require.True(m.t, ok)
	st := &live.State{At: time.Now(), Instance: m.a.instance, Storage: m.a.inspectStorage(m.t.Context(), book.Reads.Storage(m.lab, given))}
	p, err := book.Plan(runbooks.Input{Lab: m.lab, State: st, Parameters: given})
	require.NoError(m.t, err)
	return p
}

// mark marks the group as that run's, of a nightshift.
func (m *mailLab) mark(by, run string) {
	m.t.Helper()
	m.root(m.ss2, "zfs", "set", replica.MarkProperty("mail")+"="+replica.Mark{By: by, Run: run, Since: time.Now()}.Value(), "backup/ss1")
}

// markNow is whose mark the group bears; the zero value: nobody's.
func (m *mailLab) markNow() replica.Mark {
	m.t.Helper()
	value := m.root(m.ss2, "zfs", "get", "-H", "-o", "value", replica.MarkProperty("mail"), "backup/ss1")
	if value == "-" {
		return replica.Mark{}
	}
	return replica.ParseMark(value)
}

// call is that of a step in a run. A step that comes after the mark finds it.
func (m *mailLab) call(p plan.Plan, run, step string) plan.Call {
	m.t.Helper()
	for _, s := range p.Steps {
		if s.ID == step {
			switch {
			case s.Action == plan.UnmarkGroup:
				m.marked = ""
			case s.Action != plan.MarkGroup && m.marked != run:
				m.mark(m.a.instance, run)
				m.marked = run
			}
			return plan.Call{Run: run, Lab: "home", Runbook: p.Runbook, Step: s.ID, Title: s.Title, Target: s.Target, Params: s.Params}
		}
	}
	require.Fail(m.t, "no step "+step)
	return plan.Call{}
}

func action(p plan.Plan, step string) plan.Action {
	for _, s := range p.Steps {
		if s.ID == step {
			return s.Action
		}
	}
	return ""
}

// step does one step of a run.
func (m *mailLab) step(p plan.Plan, run, step string) (plan.Outcome, error) {
	m.t.Helper()
	return attemptOf(m.t, m.a, action(p, step), m.call(p, run, step), nil)
}

// must does steps that all go well.
func (m *mailLab) must(p plan.Plan, run string, steps ...string) (last plan.Outcome) {
	m.t.Helper()
	for _, s := range steps {
		out, err := m.step(p, run, s)
		require.NoError(m.t, err, s)
		require.Nil(m.t, out.Unclear, "%s: %+v", s, out.Unclear)
		require.Nil(m.t, out.Yield, s)
		last = out
	}
	return last
}

// cycle does all steps of a run, and answers its plan.
func (m *mailLab) cycle(run string) plan.Plan {
	m.t.Helper()
	p := m.plan()
	require.Empty(m.t, p.Blockers)
	for _, s := range p.Steps {
		m.must(p, run, s.ID)
	}
	return p
}

// snapshots of a dataset, by name behind the @.
func (m *mailLab) snapshots(h *storage.Host, dataset string) []string {
	m.t.Helper()
	return strings.Fields(strings.ReplaceAll(m.root(h, "zfs", "list", "-H", "-t", "snapshot", "-d", "1", "-o", "name", dataset), dataset+"@", ""))
}

// same compares the newest snapshot of a volume on both sides, content and all.
func (m *mailLab) same(volume, replica string) {
	m.t.Helper()
	here, there := m.snapshots(m.ss1, volume), m.snapshots(m.ss2, replica)
	require.NotEmpty(m.t, there)
	newest := here[len(here)-1]
	require.Equal(m.t, newest, there[len(there)-1])
	a, err := m.ss1.Digest(volume + "@" + newest)
	require.NoError(m.t, err)
	b, err := m.ss2.Digest(replica + "@" + newest)
	require.NoError(m.t, err)
	require.Equal(m.t, a, b)
}
