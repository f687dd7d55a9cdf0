package contract

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/replica"
	"nightshift/internal/zfs"
)

// Blocks of more than 128 KiB go as they are with -L, else in parts. ZFS refuses the second onto the first. The first onto the
// second it takes, and loses what a volume had: measured here, so that nobody trusts it.
func Blocks(t *testing.T, p Pair) {
	for _, test := range []struct {
		name string
		make func(name string) string
		// told: nightshift sees the difference before anything is sent.
		told bool
	}{
		{"volume", func(name string) string { return p.Source.Volume(name, 8, "-b", "256K") }, true},
		{"files", func(name string) string { return p.Source.FileSystem(name, "-o", "recordsize=1M") }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := replicationOf(t, p, test.make("with-"+test.name))
			p.Source.Write(r.from, 0, 3)
			first := r.point(1)
			r.replicate(direct, first)
			p.Source.Write(r.from, 1, 1)
			second := r.point(2)
			less := r
			less.send.LargeBlocks = false
			less.told(second, test.told)
			for _, w := range []way{direct, relay} {
				_, err := less.start(w, less.transfer(second, replica.Base{From: r.from + "@" + first}))
				require.ErrorIs(t, err, zfs.ErrBlocks)
				require.ErrorIs(t, err, fault.State)
				require.NotErrorIs(t, err, fault.Unreachable, "another try is of no use")
				require.Equal(t, first, r.target().Newest().Name)
				require.Empty(t, r.target().ResumeToken, "nothing was received")
			}
			r.replicate(direct, second)

			r = replicationOf(t, p, test.make("without-"+test.name))
			less = r
			less.send.LargeBlocks = false
			p.Source.Write(r.from, 0, 3)
			first = r.point(1)
			less.replicate(direct, first)
			p.Source.Write(r.from, 1, 1)
			second = r.point(2)
			r.told(second, test.told)
			if !test.told {
				r.replicate(direct, second)
				return
			}
			less.replicate(direct, second)
			p.Source.Write(r.from, 2, 1)
			third := r.point(3)
			_, err := r.start(direct, r.transfer(third, replica.Base{From: r.from + "@" + second}))
			require.NoError(t, err)
			require.Equal(t, r.source().Newest().GUID, r.target().Newest().GUID)
			require.NotEqual(t, p.Source.Digest(r.from+"@"+third), p.Target.Digest(r.to+"@"+third), "ZFS says nothing, and it is not the same")
		})
	}
}

// told makes sure that there is no base for blocks of this size, or that there is one.
func (r replication) told(name string, told bool) {
	r.t.Helper()
	_, err := r.base(name)
	if !told {
		require.NoError(r.t, err)
		return
	}
	no := new(replica.NoBase)
	require.ErrorAs(r.t, err, &no)
	require.Equal(r.t, replica.Blocks, no.Why)
}
