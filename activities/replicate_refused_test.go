package activities

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/simlab/storage"
)

// What hosts refuse in the middle of a run is one clear error, nothing is lost, and the same run goes on when it was put right.
func TestWhatHostsRefuseIsOneClearError(t *testing.T) {
	root := func(of func(*mailLab) *storage.Host, argv ...string) func(*mailLab) {
		return func(m *mailLab) { m.root(of(m), argv...) }
	}
	ss1, ss2 := func(m *mailLab) *storage.Host { return m.ss1 }, func(m *mailLab) *storage.Host { return m.ss2 }
	join := func(m *mailLab) { require.NoError(m.t, storage.Join(m.network, m.ss1, m.ss2)) }
	for name, test := range map[string]struct {
		take, give func(*mailLab)
		kind, says string
		part       bool // of the stream arrives before
	}{
		"a quota is reached": {root(ss2, "zfs", "set", "quota=4M", "backup/ss1"), root(ss2, "zfs", "set", "quota=none", "backup/ss1"), Precondition, "space quota exceeded", true},
		"the pool is full": {func(m *mailLab) {
			free, err := strconv.ParseInt(m.root(m.ss2, "zfs", "get", "-Hpo", "value", "available", "backup"), 10, 64)
			require.NoError(m.t, err)
			m.root(m.ss2, "zfs", "create", "-o", fmt.Sprintf("refreservation=%d", free-4<<20), "backup/ballast")
		}, root(ss2, "zfs", "destroy", "backup/ballast"), Precondition, "out of space", true},
		"another host key": {func(m *mailLab) {
			other, _, err := storage.NewKey()
			require.NoError(m.t, err)
			m.ss1.Know(m.ss2, other.PublicKey())
		}, join, Unsafe, "from the source: it shows SHA256:", false},
		"no host key":   {func(m *mailLab) { m.ss1.Forget(m.ss2) }, join, Unsafe, "No ED25519 host key is known", false},
		"a revoked key": {func(m *mailLab) { m.ss2.Distrust(m.ss1.Own()) }, join, Auth, "Permission denied (publickey)", false},
		"no right to receive": {root(ss2, "zfs", "unallow", "-u", "zfsadm", "receive", "backup"), root(ss2, "zfs", "allow", "-u", "zfsadm", "receive", "backup"),
			Permission, "zfs receive", false},
		"no right to send": {root(ss1, "zfs", "unallow", "-u", "zfsadm", "send", "tank"), root(ss1, "zfs", "allow", "-u", "zfsadm", "send", "tank"),
			Permission, "zfs send", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMailLab(t)
			p := m.plan()
			m.must(p, "run-1", "snapshot:mail")
			test.take(m)
			_, err := m.step(p, "run-1", "send:tank/mail")
			requireType(t, err, test.kind)
			require.ErrorContains(t, err, test.says)
			require.Equal(t, !test.part, strings.Contains(err.Error(), "lab prepare-storage"), err)
			test.give(m)
			c := m.call(p, "run-1", "send:tank/mail")
			c.Decision = 1 // retry
			out, err := attemptOf(t, m.a, plan.SendDataset, c, nil)
			require.NoError(t, err)
			if test.part {
				require.Contains(t, out.Note, "went on with a stream")
			}
			m.same("tank/mail", "backup/ss1/mail")
			require.Len(t, m.snapshots(m.ss2, "backup/ss1/mail"), 1)
		})
	}
}

// A point that cannot be taken leaves nothing behind.
func TestWithoutTheRightToSnapshotNothingIsDone(t *testing.T) {
	m := newMailLab(t)
	p := m.plan()
	m.root(m.ss1, "zfs", "unallow", "-u", "zfsadm", "snapshot", "tank")
	_, err := m.step(p, "run-1", "snapshot:mail")
	requireType(t, err, Permission)
	require.ErrorContains(t, err, "zfs snapshot")
	require.Empty(t, m.snapshots(m.ss1, "tank/mail"))
}
