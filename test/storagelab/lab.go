//go:build storagelab

package storagelab

import (
	"context"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/gofrs/flock"
	"github.com/stretchr/testify/require"
)

// Patience is how long anything may take that ends well: the machines are emulated, and share two processors with others.
const Patience = 10 * time.Minute

// A Lab is both machines, for one test.
type Lab struct {
	// SS1 is the source, SS2 the storage of the disaster recovery site. Either may be the initiator of the other.
	SS1, SS2 *Machine
	// KnownHosts is a known_hosts file with the keys of ss1 and ss2, by these names.
	KnownHosts string
	// AdminKey and ServiceKey are files: the private keys by which root, and zfsadm, log in on both.
	AdminKey, ServiceKey string

	t     testing.TB
	run   string
	slots int
	alone bool
}

// Connect takes part in the lab: other tests may, too, each with pools of its own.
func Connect(t testing.TB) *Lab { return connect(t, false) }

// ConnectAlone waits until no other test is at the lab, and keeps others out: for tests that cut the link or crash a
// machine.
func ConnectAlone(t testing.TB) *Lab { return connect(t, true) }

func connect(t testing.TB, alone bool) *Lab {
	t.Helper()
	env := readEnvironment(t)
	l := &Lab{t: t, run: env.get(t, "RUN"), alone: alone, KnownHosts: env.get(t, "KNOWN_HOSTS")}
	l.AdminKey, l.ServiceKey = env.get(t, "KEY_root"), env.get(t, "KEY_zfsadm")
	slots, err := strconv.Atoi(env.get(t, "SLOTS"))
	require.NoError(t, err)
	l.slots = slots
	l.SS1, l.SS2 = l.machine(env, "ss1"), l.machine(env, "ss2")
	l.take(filepath.Join(l.run, "tests.lock"), alone)
	l.heal()
	return l
}

// take waits for a lock that the test keeps to its end. A process that dies lets go of it.
func (l *Lab) take(path string, alone bool) {
	l.t.Helper()
	lock := flock.New(path)
	try, take := lock.TryRLock, lock.TryRLockContext
	if alone {
		try, take = lock.TryLock, lock.TryLockContext
	}
	l.t.Cleanup(func() { _ = lock.Close() })
	if ok, err := try(); err == nil && ok {
		return
	}
	l.t.Log("others are at the storage lab: waiting for their end")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.t.Context()), 3*Patience)
	defer cancel()
	ok, err := take(ctx, 100*time.Millisecond)
	require.NoError(l.t, err, "other tests hold %s", path)
	require.True(l.t, ok)
}

// heal undoes what a test left that was killed: a cut link, a machine without power.
func (l *Lab) heal() {
	l.t.Helper()
	l.setLink(true)
	for _, m := range []*Machine{l.SS1, l.SS2} {
		if !m.powered() {
			m.Boot()
		}
	}
}

// Cut pulls the cable of the private network: packets vanish in both directions. SSH from here goes on. Restored at the
// test's end, if not before.
func (l *Lab) Cut() {
	l.t.Helper()
	l.mustBeAlone("cutting the link")
	l.t.Cleanup(l.Restore)
	l.setLink(false)
}

// Restore puts the cable back.
func (l *Lab) Restore() {
	l.t.Helper()
	l.setLink(true)
}

func (l *Lab) setLink(up bool) {
	l.t.Helper()
	l.SS1.monitor("set_link", map[string]any{"name": "private", "up": up}, nil)
}

func (l *Lab) mustBeAlone(what string) {
	l.t.Helper()
	require.True(l.t, l.alone, what+" is felt by all tests: ConnectAlone")
}

// Prepare does once what the administrator of both does: zfsadm of each machine may log in on the other, by name and by
// private address, and may replicate the pools.
func (l *Lab) Prepare(pools ...*Pool) {
	l.t.Helper()
	for _, m := range []*Machine{l.SS1, l.SS2} {
		argv := []string{"prepare"}
		for _, p := range pools {
			if p.On.Name == m.Name {
				argv = append(argv, p.Name)
			}
		}
		m.Run(argv...)
	}
}
