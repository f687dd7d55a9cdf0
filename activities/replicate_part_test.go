package activities

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/simlab/storage"
	"nightshift/internal/zfs"
)

// part leaves a part of a stream of a host's snapshot in a replica, as an administrator with a line that broke does.
func (m *mailLab) part(from *storage.Host, name, pool string, s zfs.Send, replica string) {
	m.t.Helper()
	source, err := m.a.zfsOf(name)
	require.NoError(m.t, err)
	target, err := m.a.zfsOf("ss2")
	require.NoError(m.t, err)
	h, ok := m.lab.StorageHost("ss2")
	require.True(m.t, ok)
	route, err := routeTo(h)
	require.NoError(m.t, err)
	var once sync.Once
	_, err = source.Direct(m.t.Context(), target, route, zfs.Transfer{Send: s, Receive: zfs.Receive{Dataset: replica}, Limit: 128 << 10, Report: func(p zfs.Progress) {
		if p.Sent > 2<<20 {
			once.Do(func() { require.NoError(m.t, from.Kill(m.t.Context(), "send", pool)) })
		}
	}})
	require.ErrorIs(m.t, err, zfs.ErrIncomplete)
	require.NotEqual(m.t, "-", m.token(replica))
}

func (m *mailLab) token(replica string) string {
	m.t.Helper()
	return m.root(m.ss2, "zfs", "get", "-H", "-o", "value", "receive_resume_token", replica)
}

func TestThePartOfSomebodyElsesStreamIsLeftAlone(t *testing.T) {
	const replica = "backup/ss1/mail"
	for name, test := range map[string]struct {
		begin func(*mailLab)
		of    string
	}{
		"from another machine": {func(m *mailLab) {
			laptop := m.host("laptop", "usb", 13)
			m.restart()
			require.NoError(m.t, storage.Join(m.network, laptop, m.ss2))
			m.root(laptop, "zfs", "create", "-s", "-V", "64M", "usb/mail")
			require.NoError(m.t, laptop.Write("usb/mail", 0, 8<<20))
			m.root(laptop, "zfs", "snapshot", "usb/mail@seed")
			m.part(laptop, "laptop", "usb", zfs.Send{Snapshot: "usb/mail@seed"}, replica)
		}, "usb/mail@seed"},
		"of another dataset of the source": {func(m *mailLab) {
			m.root(m.ss1, "zfs", "create", "-s", "-V", "64M", "tank/other")
			m.write("tank/other", 0, 8)
			m.root(m.ss1, "zfs", "snapshot", "tank/other@seed")
			m.part(m.ss1, "ss1", "tank", zfs.Send{Snapshot: "tank/other@seed"}, replica)
		}, "tank/other@seed"},
		"of a snapshot that is gone, onto a replica": {func(m *mailLab) {
			m.cycle("run-1")
			m.write("tank/mail", 0, 8)
			m.root(m.ss1, "zfs", "snapshot", "tank/mail@theirs")
			m.part(m.ss1, "ss1", "tank", zfs.Send{Snapshot: "tank/mail@theirs", From: "tank/mail@" + m.snapshots(m.ss1, "tank/mail")[0]}, replica)
			m.root(m.ss1, "zfs", "destroy", "tank/mail@theirs")
		}, "tank/mail@theirs"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMailLab(t)
			p := m.plan()
			test.begin(m)
			token := m.token(replica)
			says := "holds the part of a stream of " + test.of + ", which is no recovery point of tank/mail in group mail"
			blocked := m.plan()
			require.Len(t, blocked.Blockers, 1)
			require.Contains(t, blocked.Blockers[0].Text, says)
			require.Contains(t, blocked.Blockers[0].Remedy, "`zfs receive -A backup/ss1/mail`")

			m.must(p, "run-2", "snapshot:mail")
			_, err := m.step(p, "run-2", "send:tank/mail")
			requireType(t, err, Precondition)
			require.ErrorContains(t, err, says)
			require.ErrorContains(t, err, "The choices: ")
			require.Equal(t, token, m.token(replica), "neither gone on with nor thrown away")

			m.root(m.ss2, "zfs", "receive", "-A", replica)
			m.must(p, "run-2", "send:tank/mail")
			m.same("tank/mail", replica)
		})
	}
}
