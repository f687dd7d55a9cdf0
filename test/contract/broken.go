package contract

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/replica"
	"nightshift/internal/zfs"
)

// Broken: what breaks a stream leaves what had arrived, and that is resumed.
func Broken(t *testing.T, p Pair) {
	for _, w := range []way{direct, relay} {
		t.Run("the sender is killed, "+string(w), func(t *testing.T) {
			r := newReplication(t, p, "sender-"+string(w[0]), 24)
			p.Source.Write(r.from, 0, 24)
			name := r.point(1)
			err := r.breakOff(w, r.transfer(name, replica.Base{}), func() { p.Source.Kill("send") })
			require.ErrorIs(t, err, fault.Unreachable)
			require.ErrorIs(t, err, zfs.ErrIncomplete)
			r.resume(w, name)
		})
		t.Run("the receiver is killed, "+string(w), func(t *testing.T) {
			r := newReplication(t, p, "receiver-"+string(w[0]), 24)
			p.Source.Write(r.from, 0, 24)
			name := r.point(1)
			err := r.breakOff(w, r.transfer(name, replica.Base{}), func() { p.Target.Kill("receive") })
			require.Error(t, err)
			require.NotErrorIs(t, err, errTooFast)
			r.resume(w, name)
		})
	}
	t.Run("an increment is killed, twice", func(t *testing.T) {
		r := newReplication(t, p, "increment", 24)
		_, second, base := r.increment()
		require.ErrorIs(t, r.breakOff(direct, r.transfer(second, base), func() { p.Source.Kill("send") }), zfs.ErrIncomplete)
		token := r.target().ResumeToken
		again := zfs.Transfer{Send: zfs.Send{Token: token}, Receive: zfs.Receive{Dataset: r.to}}
		require.ErrorIs(t, r.breakOff(direct, again, func() { p.Source.Kill("send") }), zfs.ErrIncomplete)
		require.NotEqual(t, token, r.target().ResumeToken, "it went on in between")
		e := r.resume(direct, second)
		require.Equal(t, base.GUID, e.FromGUID)
	})
}

// Tokens: one whose snapshot is gone, or what that is sent from, is of no use, and is thrown away by decision only.
func Tokens(t *testing.T, p Pair) {
	ctx := t.Context()
	r := newReplication(t, p, "mail", 24)
	p.Source.Write(r.from, 0, 24)
	name := r.point(1)
	require.ErrorIs(t, r.breakOff(direct, r.transfer(name, replica.Base{}), func() { p.Source.Kill("send") }), zfs.ErrIncomplete)
	token := r.target().ResumeToken
	require.NotEmpty(t, token)
	_, err := r.start(direct, r.transfer(name, replica.Base{}))
	require.ErrorIs(t, err, fault.State, "a new stream does not go over what is there")

	// Whose it is, the target tells as well, which does not have that snapshot.
	whole := read(t, p.Source, r.from).Snapshot(name)
	whose := func(h Host) error {
		e, err := h.Client().Estimate(ctx, zfs.Send{Token: token})
		require.Equal(t, r.from+"@"+name, e.Snapshot)
		require.Equal(t, whole.GUID, e.ToGUID)
		require.Positive(t, e.AlreadyArrived)
		return err
	}
	require.ErrorIs(t, whose(p.Target), zfs.ErrToken)
	p.Source.Root("zfs", "rename", r.from, r.from+"-old")
	require.NoError(t, whose(p.Source), "it is found by its GUID")
	p.Source.Root("zfs", "create", "-o", "canmount=off", r.from)
	p.Source.Root("zfs", "snapshot", r.from+"@"+name)
	require.NoError(t, whose(p.Source), "also beside another one of that name")
	p.Source.Root("zfs", "destroy", "-r", r.from)
	p.Source.Root("zfs", "rename", r.from+"-old", r.from)

	d, err := p.Source.Client().Destroy(ctx, r.from+"@"+name)
	require.NoError(t, err)
	require.Len(t, d.Gone, 1)
	err = whose(p.Source)
	require.ErrorIs(t, err, zfs.ErrToken)
	require.ErrorIs(t, err, zfs.ErrNoSource)
	require.NoError(t, p.Target.Client().Abort(ctx, r.to))
	require.Nil(t, r.target(), "nothing is left of what never was whole")
	second := r.point(2)
	r.replicate(direct, second)

	// An increment from a snapshot that has gone meanwhile.
	p.Source.Write(r.from, 0, 24)
	third := r.point(3)
	base, err := r.base(third)
	require.NoError(t, err)
	require.ErrorIs(t, r.breakOff(direct, r.transfer(third, base), func() { p.Source.Kill("send") }), zfs.ErrIncomplete)
	token, name = r.target().ResumeToken, third
	whole = read(t, p.Source, r.from).Snapshot(third)
	require.NoError(t, whose(p.Source))
	d, err = p.Source.Client().Destroy(ctx, base.From)
	require.NoError(t, err)
	require.Len(t, d.Gone, 1)
	err = whose(p.Source)
	require.ErrorIs(t, err, zfs.ErrToken)
	require.ErrorIs(t, err, zfs.ErrNoSource)
}

// Space: a quota that is reached, or a pool that is full, says so and loses nothing.
func Space(t *testing.T, p Pair) {
	const room = 12 << 20 // is left
	pool, root := p.Target.Pool(), p.Target.Root
	for _, test := range []struct {
		name       string
		take, give func()
		quota      bool
	}{
		{"quota", func() { root("zfs", "set", fmt.Sprintf("quota=%d", read(t, p.Target, pool).Used+room), pool) },
			func() { root("zfs", "set", "quota=none", pool) }, true},
		{"pool", func() {
			root("zfs", "create", "-o", fmt.Sprintf("refreservation=%d", read(t, p.Target, pool).Available-room), pool+"/ballast")
		},
			func() { root("zfs", "destroy", pool+"/ballast") }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newReplication(t, p, "mail-"+test.name, 24)
			p.Source.Write(r.from, 0, 24)
			name := r.point(1)
			test.take()
			_, err := r.start(direct, r.transfer(name, replica.Base{}))
			require.ErrorIs(t, err, fault.State)
			require.ErrorIs(t, err, zfs.ErrNoSpace)
			require.Equal(t, test.quota, errors.Is(err, zfs.ErrQuota))
			test.give()
			r.resume(direct, name)
		})
	}
}

// Reserved: a snapshot of what has a reservation needs as much room again as there is in it that no snapshot has yet. Where there is
// less, none of several is made.
func Reserved(t *testing.T, p Pair) {
	const mib = 1 << 20
	h, z := p.Source, p.Source.Client()
	thick, thin := h.Volume("thick", 24, "-o", "refreservation=24M"), h.Volume("thin", 8)
	h.Write(thick, 0, 12)
	h.Root("zpool", "sync", h.Pool())
	require.InDelta(t, 12*mib, read(t, h, thick).UsedByReservation, mib)
	h.Root("zfs", "create", "-o", fmt.Sprintf("refreservation=%d", read(t, h, h.Pool()).Available-6*mib), h.Pool()+"/ballast")

	both := []string{thick + "@1", thin + "@1"}
	err := z.Snapshot(t.Context(), nil, both...)
	require.ErrorIs(t, err, fault.State)
	require.ErrorIs(t, err, zfs.ErrNoSpace)
	require.NotErrorIs(t, err, zfs.ErrQuota)
	found, err := z.GUIDs(t.Context(), both...)
	require.NoError(t, err)
	require.Empty(t, found)

	h.Root("zfs", "destroy", h.Pool()+"/ballast")
	require.NoError(t, z.Snapshot(t.Context(), nil, both...))
	require.InDelta(t, 24*mib, read(t, h, thick).UsedByReservation, mib, "all of it is reserved anew")
}

// Diverged: a replica that went its own way is never taken back unasked.
func Diverged(t *testing.T, p Pair) {
	ctx := t.Context()
	r := newReplication(t, p, "mail", 16)
	p.Source.Write(r.from, 0, 4)
	first := r.point(1)
	r.replicate(direct, first)

	// Somebody made a snapshot there, in which nothing changed: the stream goes over it.
	p.Target.Root("zfs", "snapshot", r.to+"@theirs")
	p.Source.Write(r.from, 4, 1)
	second := r.point(2)
	base := r.replicate(direct, second)
	require.Equal(t, replica.Base{From: r.from + "@" + first, GUID: base.GUID, Target: first, Over: []string{"theirs"}}, base)
	require.NotNil(t, r.target().Snapshot("theirs"), "and it stays")

	// Somebody wrote to it, and then made a snapshot.
	p.Target.Root("zfs", "set", "readonly=off", r.to)
	p.Target.Root("zfs", "set", "volmode=dev", r.to)
	p.Target.Write(r.to, 0, 1)
	p.Target.Root("zfs", "set", "volmode=none", r.to)
	p.Target.Root("zfs", "snapshot", r.to+"@mine")
	p.Source.Write(r.from, 6, 1)
	third := r.point(3)
	no := new(replica.NoBase)
	_, err := r.base(third)
	require.ErrorAs(t, err, &no)
	require.Equal(t, replica.Diverged, no.Why)
	require.Equal(t, []string{"mine"}, no.Newer)
	increment := r.transfer(third, replica.Base{From: r.from + "@" + second})
	_, err = r.start(direct, increment)
	require.ErrorIs(t, err, fault.State)
	require.ErrorIs(t, err, fault.NotDone)
	require.Equal(t, "mine", r.target().Newest().Name, "and nothing was destroyed")
	p.Target.Root("zfs", "destroy", r.to+"@mine")

	// Without that snapshot, it is still written to.
	require.Positive(t, r.target().Written)
	_, err = r.base(third)
	require.ErrorAs(t, err, &no)
	require.Equal(t, replica.Modified, no.Why)
	_, err = r.start(direct, increment)
	require.ErrorIs(t, err, zfs.ErrModified)
	p.Target.Root("zfs", "rollback", r.to+"@"+second)
	require.Equal(t, r.from+"@"+second, r.replicate(direct, third).From)

	// The snapshots that both had are gone, and no bookmark of them was made.
	d, err := p.Source.Client().Destroy(ctx, r.from+"@"+first, r.from+"@"+second, r.from+"@"+third)
	require.NoError(t, err)
	require.Len(t, d.Gone, 3)
	fourth := r.point(4)
	_, err = r.base(fourth)
	require.ErrorAs(t, err, &no)
	require.Equal(t, replica.Lost, no.Why)
	_, err = r.start(direct, r.transfer(fourth, replica.Base{}))
	require.ErrorIs(t, err, zfs.ErrExists, "a full stream does not go over it")
	_, err = r.start(direct, r.transfer(fourth, replica.Base{From: r.from + "@" + third}))
	require.ErrorIs(t, err, fault.NotFound)
}

// Cut: a network that fails in mid-send is noticed by the sender, leaves a receiver behind, and is resumed.
func Cut(t *testing.T, p Pair) {
	r := newReplication(t, p, "mail", 24)
	p.Source.Write(r.from, 0, 24)
	name := r.point(1)
	err := r.breakOff(direct, r.transfer(name, replica.Base{}), p.Cut)
	require.ErrorIs(t, err, fault.Unreachable)
	require.NotErrorIs(t, err, errTooFast)
	_, err = r.start(direct, r.transfer(name, replica.Base{}))
	require.ErrorIs(t, err, fault.Unreachable, "it is still cut")
	p.Restore()
	pids, err := p.Target.Client().EndReceivers(t.Context(), r.to)
	require.NoError(t, err)
	require.Len(t, pids, 1, "the receiver has not noticed")
	r.resume(direct, name)
}
