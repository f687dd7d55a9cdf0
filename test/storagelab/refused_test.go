//go:build storagelab

package storagelab_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/test/storagelab"
)

// home is that of the station's account on a machine.
func (s *station) home(m *storagelab.Machine) string {
	s.t.Helper()
	return strings.Split(m.Run("getent", "passwd", s.of.name), ":")[5]
}

// number reads a property of a dataset, in bytes.
func (s *station) number(h host, property, dataset string) int64 {
	s.t.Helper()
	n, err := strconv.ParseInt(h.Root("zfs", "get", "-Hpo", "value", property, dataset), 10, 64)
	require.NoError(s.t, err)
	return n
}

// What real hosts refuse, in whole runs: each is one clear error, nothing is lost, and it goes on when it was put right.
func TestReplicateIsRefused(t *testing.T) {
	long(t)
	s := newStation(t, storagelab.ConnectAlone(t), "")
	m1, m2 := s.from.m, s.to.m
	runs := 0
	for _, test := range []struct {
		name string
		take func() (give func())
		says string
	}{
		{"another host key", func() func() { return anotherKey(t, m1, s.home(m1), m2) }, "Host key verification failed"},
		{"a revoked key", func() func() { return m2.Edit(s.home(m2)+"/.ssh/authorized_keys", "/ nightshift:ss1$/d") }, "Permission denied"},
		{"no right to receive", func() func() {
			m2.Run("zfs", "unallow", "-u", s.of.name, "receive", s.under)
			return func() { m2.Run("zfs", "allow", "-u", s.of.name, "receive", s.under) }
		}, "permission denied"},
		{"no right to snapshot", func() func() {
			for _, v := range s.volumes {
				m1.Run("zfs", "unallow", "-u", s.of.name, "snapshot", v)
			}
			return func() {
				for _, v := range s.volumes {
					m1.Run("zfs", "allow", "-u", s.of.name, "snapshot", v)
				}
			}
		}, "permission denied"},
		{"a quota is reached", func() func() {
			m2.Run("zfs", "set", fmt.Sprintf("quota=%d", s.number(s.to, "used", s.under)+6<<20), s.under)
			return func() { m2.Run("zfs", "set", "quota=none", s.under) }
		}, "quota"},
		{"the pool is full", func() func() {
			ballast := s.to.pool.Dataset("ballast")
			m2.Run("zfs", "create", "-o", fmt.Sprintf("refreservation=%d", s.number(s.to, "available", s.to.Pool())-6<<20), ballast)
			return func() { m2.Run("zfs", "destroy", ballast) }
		}, "space"},
		{"a newer tool", func() func() {
			m2.Script(newerTool, s.of.name)
			return func() { m2.Run("rm", "-f", "/usr/local/sbin/zfs") }
		}, "cannot read"},
	} {
		t.Run(test.name, func(*testing.T) {
			s.from.Write(s.volumes[0], 20*(runs%2), 20)
			runs++
			s.refused(test.name, test.take, test.says)
			s.same()
			s.settled(runs)
		})
	}
}

// newerTool stands before Debian's own for one account, and lists a column that nobody asked for.
const newerTool = `cat >/usr/local/sbin/zfs <<EOF
#!/bin/bash
[ "\$1" != list ] || [ "\$(id -un)" != "$1" ] || { /usr/sbin/zfs "\$@" | sed 's/\$/\tmore/'; exit; }
exec -a zfs /usr/sbin/zfs "\$@"
EOF
chmod 755 /usr/local/sbin/zfs`

// refused is one run, which says why it does not go on, and goes on when that was put right; where it does not even begin, the next one does.
func (s *station) refused(name string, take func() (give func()), says string) {
	s.t.Helper()
	give := take()
	given := false
	defer func() {
		if !given { // others come after this test
			give()
		}
	}()
	r := s.run("run", "replicate", "-p", "group=mail", "--yes") // it ends where nothing goes on without a person
	st, ok := s.status()
	give()
	given = true
	require.True(s.t, ok)
	require.Error(s.t, r.Failed, name)
	if len(st.Runs) == 0 {
		require.Contains(s.t, r.Out+r.Err, says, name)
		s.cycle()
		return
	}
	require.NotEmpty(s.t, st.Runs[0].Blocked, name)
	run, why := st.Runs[0].Run, st.Runs[0].Blocked[0].Why
	s.t.Logf("%s: %s", name, why)
	require.Contains(s.t, why, says, name)
	require.NoError(s.t, s.run("retry", run, "--all", "--reason", "it was put right").Failed, name)
	require.NoError(s.t, s.run("watch", run).Failed, name)
}
