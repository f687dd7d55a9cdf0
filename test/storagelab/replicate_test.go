//go:build storagelab

package storagelab_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/live"
	"nightshift/internal/replica"
	"nightshift/internal/sshexec"
	"nightshift/test/command"
	"nightshift/test/storagelab"
)

// binary is the command.
var binary string

func TestMain(m *testing.M) { os.Exit(command.Main(m, &binary)) }

// A station is a nightshift that serves a lab of ss1 and ss2 with one protection group, as a person runs it.
type station struct {
	t        testing.TB
	lab      *storagelab.Lab
	of       accounts
	dir      string // state directory
	port     string // of Temporal: a command that follows a run finds it there again
	log      command.Log
	server   *command.Server
	from, to host
	volumes  []string
	under    string
}

// A volume of a station's group: so large, and so much of it is written, in MiB. One without a size is a file system.
type volume struct {
	name          string
	size, written int
}

func newStation(t testing.TB, lab *storagelab.Lab, send string) *station {
	t.Helper()
	return newStationOf(t, lab, "send: {"+send+"}", volume{"mail", 64, 24}, volume{"log", 16, 2})
}

// emptyStation has two pools, and neither a lab file nor accounts.
func emptyStation(t testing.TB, lab *storagelab.Lab) *station {
	t.Helper()
	s := &station{t: t, lab: lab, dir: t.TempDir(), from: newHost(t, lab, lab.SS1), to: newHost(t, lab, lab.SS2)}
	s.under = s.to.pool.Dataset("backup") + "/ss1"
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, s.port, err = net.SplitHostPort(ln.Addr().String())
	require.NoError(t, err)
	require.NoError(t, ln.Close())
	return s
}

// newStationOf makes one with further lines of its group.
func newStationOf(t testing.TB, lab *storagelab.Lab, group string, volumes ...volume) *station {
	t.Helper()
	s := emptyStation(t, lab)
	for _, v := range volumes {
		dataset := s.from.pool.Dataset(v.name)
		if v.size == 0 {
			s.from.FileSystem(v.name)
		} else {
			s.from.Volume(v.name, v.size)
		}
		s.from.Write(dataset, 0, v.written)
		s.volumes = append(s.volumes, dataset)
	}
	s.of = prepareAccounts(t, lab, s.under, s.volumes...)
	of := s.of
	t.Cleanup(s.forget) // what was received is not taken back with the accounts
	file := fmt.Sprintf(`lab: real
self: {outside: true}
vcenters: [{name: vc1, url: "https://127.0.0.1:1", user: x, password: "env:HOME"}]
hosts: [{name: esx11, address: 127.0.0.1, keep: true}]
storageHosts:
  - {name: ss1, ssh: {address: %q, user: %s, key: %q, hostKey: %q}}
  - {name: ss2, ssh: {address: %q, user: %s, key: %q, hostKey: %q}, replication: {address: %q}}
protectionGroups:
  - name: mail
    source: {host: ss1, datasets: [%s]}
    target: {host: ss2, under: %s}
    every: 1h
    keep: {source: {daily: 1}, target: {daily: 1}}
    %s
`, lab.SS1.Address, of.name, filepath.Join(of.dir, "id"), sshexec.HostKeyLine(of.ss1.admin.HostKey()),
		lab.SS2.Address, of.name, filepath.Join(of.dir, "id"), sshexec.HostKeyLine(of.ss2.admin.HostKey()), lab.SS2.Private, strings.Join(s.volumes, ", "), s.under, group)
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "lab.yaml"), []byte(file), 0o600))
	t.Cleanup(s.end)
	s.serve()
	return s
}

func (s *station) end() {
	s.server.Kill()
	if s.t.Failed() {
		s.t.Log(s.log.String())
	}
}

// forget destroys the replicas.
func (s *station) forget() {
	s.t.Helper()
	s.to.m.Script(`for d in $(zfs list -H -r -d 1 -o name "$1" | tail -n +2); do zfs holds -H $(zfs list -H -t snapshot -o name -d 1 "$d") |
	while read -r snapshot tag rest; do zfs release "$tag" "$snapshot"; done; zfs destroy -r "$d"; done`, s.under)
}

func (s *station) args(more ...string) []string {
	return append([]string{"--lab", filepath.Join(s.dir, "lab.yaml"), "--state-dir", filepath.Join(s.dir, "state")}, more...)
}

func (s *station) serve() {
	s.t.Helper()
	for range 3 { // a machine that is busy may not start Temporal within its time: what keeps services up begins it anew
		var err error
		s.server, err = command.Serve(&s.log, binary, s.args("serve", "--port", s.port, "--ui-port", "-1", "--verbose")...)
		require.NoError(s.t, err)
		for end := time.Now().Add(storagelab.Patience / 3); time.Now().Before(end); {
			if s.run("status").Code == 0 {
				return
			}
		}
		s.server.Kill()
	}
	require.FailNow(s.t, "nightshift does not serve")
}

// run runs a command to its end, also after the test's.
func (s *station) run(args ...string) command.Result {
	return command.Run(context.WithoutCancel(s.t.Context()), binary, s.args(args...)...)
}

// status is what `status -o json` tells, as far as tests look at it; false: nobody answers.
func (s *station) status() (st stationStatus, ok bool) {
	r := s.run("status", "-o", "json")
	return st, r.Code == 0 && json.Unmarshal([]byte(r.Out), &st) == nil
}

type stationStatus struct {
	Runs []struct {
		Run   string
		Sheet struct {
			Progress map[string]struct{ Bytes int64 }
		}
		Blocked []struct{ Why string }
	}
	Ledger  struct{ Locks []struct{ Scope string } }
	Orphans []struct{ Run string }
}

// progress is how much of a dataset the run under way has sent, in bytes; -1: it is not being sent.
func (s *station) progress(step string) int64 {
	st, ok := s.status()
	if !ok || len(st.Runs) != 1 {
		return -1
	}
	p, ok := st.Runs[0].Sheet.Progress[step]
	if !ok {
		return -1
	}
	return p.Bytes
}

// replica is where a volume is replicated to.
func (s *station) replica(volume string) string { return s.under + volume[len(s.from.pool.Name):] }

// same compares the newest points of all volumes, content and all.
func (s *station) same() {
	s.t.Helper()
	for _, v := range s.volumes {
		copied := s.replica(v)
		_, here := s.newest(s.from, v)
		d, there := s.newest(s.to, copied)
		require.Equal(s.t, here.GUID, there.GUID)
		require.True(s.t, d.ReadOnly)
		if d.Volume {
			require.Equal(s.t, "none", d.VolMode)
		}
		require.Equal(s.t, s.from.Digest(v+"@"+here.Name), s.to.Digest(copied+"@"+there.Name))
	}
}

// newest is a dataset with its newest recovery point; what others took is left out.
func (s *station) newest(h host, dataset string) (d live.ZDataset, point live.ZSnapshot) {
	s.t.Helper()
	found, err := h.Client().List(s.t.Context(), false, dataset)
	require.NoError(s.t, err)
	d = found[0]
	d.Sort()
	for _, p := range d.Snapshots {
		if _, _, ours := replica.ParsePoint(p.Name); ours {
			point = p
		}
	}
	require.NotEmpty(s.t, point.Name, "%s has no recovery point", dataset)
	return d, point
}

// The runbook on real ZFS: in full, with the worker killed in mid-send; then increments.
func TestReplicateAndAKilledWorker(t *testing.T) {
	for way, send := range map[string]string{"direct": "limit: 2MiB", "worker": "via: worker, limit: 2MiB"} {
		t.Run(way, func(t *testing.T) {
			long(t)
			s := newStation(t, storagelab.ConnectAlone(t), send)
			r := s.run("plan", "replicate", "-p", "group=mail")
			require.NoError(t, r.Failed)
			t.Log(r.Out)
			ended := make(chan command.Result, 1)
			go func() { ended <- s.run("run", "replicate", "-p", "group=mail", "--yes") }()
			require.Eventually(t, func() bool { return s.progress("send:"+s.volumes[0]) > 4<<20 }, storagelab.Patience, 200*time.Millisecond)
			s.server.Kill()
			s.serve()
			r = <-ended
			t.Log(r.Out)
			require.NoError(t, r.Failed)
			require.Contains(t, r.Out, "went on with a stream of which")
			s.same()

			s.from.Write(s.volumes[0], 30, 2)
			r = s.run("run", "replicate", "-p", "group=mail", "--yes")
			t.Log(r.Out)
			require.NoError(t, r.Failed)
			s.same()
			r = s.run("status")
			require.NoError(t, r.Failed)
			require.Contains(t, r.Out, "mail: newest recovery point")
		})
	}
}
