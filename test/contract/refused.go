package contract

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/replica"
	"nightshift/internal/zfs"
)

// Keys: a target that shows another host key gets no stream, and one that takes the source's key no more says so.
func Keys(t *testing.T, p Pair) {
	r := newReplication(t, p, "mail", 16)
	p.Source.Write(r.from, 0, 4)
	first := r.point(1)
	r.replicate(direct, first)
	p.Source.Write(r.from, 4, 4)
	second := r.point(2)
	for _, test := range []struct {
		name string
		take func() (undo func())
		is   error
	}{{"another host key", p.Replaced, fault.Identity}, {"a revoked key", p.Revoked, fault.Auth}} {
		t.Run(test.name, func(t *testing.T) {
			undo := test.take()
			defer undo() // also where the test ends here: others come after it
			base, err := r.base(second)
			require.NoError(t, err)
			_, err = r.start(direct, r.transfer(second, base))
			require.ErrorIs(t, err, test.is)
			require.NotErrorIs(t, err, fault.Unreachable, "another try is of no use")
			require.Equal(t, first, r.target().Newest().Name)
			require.Empty(t, r.target().ResumeToken, "nothing was received")
		})
	}
	r.replicate(direct, second)
}

// Rights: what is not delegated is refused by name, on either side and on both ways, and nothing arrives.
func Rights(t *testing.T, p Pair) {
	for _, w := range []way{direct, relay} {
		r := newReplication(t, p, "mail-"+string(w[0]), 16)
		p.Source.Write(r.from, 0, 4)
		name := r.point(1)
		for _, test := range []struct {
			right, says string
			on          Host
		}{{"receive", "zfs receive", p.Target}, {"send", "zfs send", p.Source}} {
			t.Run(test.right+", "+string(w), func(t *testing.T) {
				test.on.Root("zfs", "unallow", "-u", "zfsadm", test.right, test.on.Pool())
				defer test.on.Root("zfs", "allow", "-u", "zfsadm", test.right, test.on.Pool())
				_, err := r.start(w, r.transfer(name, replica.Base{}))
				require.ErrorIs(t, err, fault.Permission)
				require.ErrorContains(t, err, test.says)
				require.NotErrorIs(t, err, fault.Unreachable, "another try is of no use")
				require.Nil(t, r.target())
			})
		}
		r.replicate(w, name)
	}
}

// Names: one that ZFS allows arrives as it is, blanks and all; one with characters of a shell is refused before a command is made
// of it, and the tools refuse it as well.
func Names(t *testing.T, p Pair) {
	ctx := t.Context()
	source, target := p.Source.Client(), p.Target.Client()
	for _, w := range []way{direct, relay} {
		name := "/the mail: a_b-c.d " + string(w)
		r := replicationOf(t, p, p.Source.Pool()+name)
		p.Source.Root("zfs", "create", r.from)
		_, err := r.start(w, r.transfer(r.point(1), replica.Base{}))
		require.NoError(t, err)
		require.Equal(t, r.source().Newest().GUID, r.target().Newest().GUID)
		_, err = target.EndReceivers(ctx, r.to)
		require.NoError(t, err)
	}
	for _, evil := range []string{"a;id", "$(id)", "`id`", "a|id", "a&id", "a>b", "a*", "a?b", "a'b", `a"b`, `a\b`, "a\nid", "a\tb", "~", "{a,b}", "ä"} {
		name := p.Source.Pool() + "/" + evil
		refused := func(err error) {
			t.Helper()
			require.ErrorIs(t, err, fault.Invalid, "%q", evil)
			require.ErrorIs(t, err, fault.NotDone, "%q", evil)
		}
		refused(source.Snapshot(ctx, nil, name+"@x"))
		refused(source.Hold(ctx, "nightshift:mail", name+"@x"))
		_, err := source.Estimate(ctx, zfs.Send{Snapshot: name + "@x"})
		refused(err)
		_, err = source.Destroy(ctx, name+"@x")
		refused(err)
		_, err = target.EndReceivers(ctx, p.Target.Pool()+"/"+evil)
		refused(err)
		for _, w := range []way{direct, relay} {
			r := replicationOf(t, p, name)
			_, err = r.start(w, zfs.Transfer{Send: zfs.Send{Snapshot: name + "@x"}, Receive: zfs.Receive{Dataset: p.Target.Pool() + "/x"}})
			refused(err)
			_, err = r.start(w, zfs.Transfer{Send: zfs.Send{Snapshot: p.Source.Pool() + "/x@x"}, Receive: zfs.Receive{Dataset: p.Target.Pool() + "/" + evil}})
			refused(err)
		}
		require.NotZero(t, p.Source.Try(true, "zfs", "create", name).Status, "%q", evil)
	}
	require.Nil(t, read(t, p.Target, p.Target.Pool()+"/x"))
}
