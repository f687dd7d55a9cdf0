package contract

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/replica"
	"nightshift/internal/zfs"
)

// keyFile is where the keys of encrypted datasets come from: the same on all hosts, and longer than eight bytes.
const keyFile = "file:///etc/os-release"

// encrypted are the options of a volume whose key is loaded.
var encrypted = []string{"-o", "encryption=on", "-o", "keyformat=passphrase", "-o", "pbkdf2iters=100000", "-o", "keylocation=" + keyFile}

// Raw: an encrypted volume goes as it lies on disk, in full, as an increment, and resumed; the key of the replica is never
// loaded, and that of the source need not be.
func Raw(t *testing.T, p Pair) {
	r := newReplication(t, p, "mail", 24, encrypted...)
	r.send.Raw = true
	p.Source.Write(r.from, 0, 24)
	first := r.point(1)
	require.ErrorIs(t, r.breakOff(direct, r.transfer(first, replica.Base{}), func() { p.Source.Kill("send") }), zfs.ErrIncomplete)
	r.resume(direct, first)
	there := r.target()
	require.NotEmpty(t, there.Encryption)
	require.Equal(t, "unavailable", there.KeyStatus)

	p.Source.Write(r.from, 4, 12)
	second := r.point(2)
	p.Source.Root("zfs", "unload-key", r.from)
	base, err := r.base(second)
	require.NoError(t, err)
	require.ErrorIs(t, r.breakOff(relay, r.transfer(second, base), func() { p.Source.Kill("send") }), zfs.ErrIncomplete)
	r.resume(relay, second)
	require.Equal(t, "unavailable", r.source().KeyStatus)
	third := r.point(3)
	require.Equal(t, r.from+"@"+second, r.replicate(direct, third).From)

	// Others' snapshots, over which other streams go.
	p.Target.Root("zfs", "snapshot", r.to+"@theirs")
	fourth := r.point(4)
	_, err = r.base(fourth)
	no := new(replica.NoBase)
	require.ErrorAs(t, err, &no)
	require.Equal(t, []string{"theirs"}, no.Newer)
	_, err = r.start(direct, r.transfer(fourth, replica.Base{From: r.from + "@" + third}))
	require.ErrorIs(t, err, zfs.ErrModified, "though nothing is")
	p.Target.Root("zfs", "destroy", r.to+"@theirs")
	r.replicate(direct, fourth)
}

// Mixed: raw streams and others do not go onto each other, or not for long.
func Mixed(t *testing.T, p Pair) {
	no := new(replica.NoBase)
	refused := func(r replication, name, from string, is ...error) {
		t.Helper()
		newest := r.target().Newest().Name
		_, err := r.start(direct, r.transfer(name, replica.Base{From: r.from + "@" + from}))
		for _, e := range append(is, fault.State) {
			require.ErrorIs(t, err, e)
		}
		require.NotErrorIs(t, err, fault.Unreachable, "another try is of no use")
		require.Equal(t, newest, r.target().Newest().Name)
		require.Empty(t, r.target().ResumeToken)
	}
	clear := newReplication(t, p, "clear", 16, encrypted...)
	p.Source.Write(clear.from, 0, 2)
	first := clear.point(1)
	clear.replicate(direct, first)
	require.Empty(t, clear.target().Encryption)
	second := clear.point(2)
	raw := clear
	raw.send.Raw = true
	_, err := raw.base(second)
	require.ErrorAs(t, err, &no)
	require.Equal(t, replica.Encryption, no.Why)
	refused(raw, second, first, zfs.ErrKey)
	clear.replicate(direct, second)

	raw = newReplication(t, p, "raw", 16, encrypted...)
	clear = raw
	raw.send.Raw = true
	p.Source.Write(raw.from, 0, 2)
	first = raw.point(1)
	raw.replicate(direct, first)
	p.Source.Write(raw.from, 4, 2)
	second = raw.point(2)
	_, err = clear.base(second)
	require.ErrorAs(t, err, &no)
	require.Equal(t, replica.Encryption, no.Why)
	refused(clear, second, first, zfs.ErrKey)
	p.Target.Root("zfs", "load-key", "-L", keyFile, raw.to)
	clear.replicate(direct, second)
	p.Source.Write(raw.from, 8, 2)
	third := raw.point(3)
	_, err = raw.base(third)
	require.NoError(t, err, "nothing tells of it")
	refused(raw, third, second, zfs.ErrKey)
	clear.replicate(direct, third)
}
