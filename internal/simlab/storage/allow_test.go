package storage

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is allowed on a dataset itself, in what lies in it, or in both (dsl_deleg_access_impl).
func TestWhereAPermissionCounts(t *testing.T) {
	for flag, may := range map[string]struct{ here, below, snapshot bool }{
		"-l ": {true, false, false},
		"-d ": {false, true, true},
		"":    {true, true, true},
	} {
		t.Run(flag, func(t *testing.T) {
			h := newTestHost(t)
			h.must(t, "zfs create tank/up")
			h.must(t, "zfs create tank/up/down")
			h.must(t, "zfs snapshot tank/up@x")
			h.must(t, "zfs allow "+flag+"-u zfsadm snapshot,destroy,mount tank/up")
			ask := func(line string) bool {
				return h.Run(t.Context(), h.Account(), strings.Fields(line), Streams{}) == Exit{}
			}
			require.Equal(t, may.here, ask("zfs snapshot tank/up@a"))
			require.Equal(t, may.below, ask("zfs snapshot tank/up/down@a"))
			require.Equal(t, may.snapshot, ask("zfs destroy tank/up@x"))
			require.False(t, ask("zfs snapshot tank@a"))
			h.must(t, "zfs unallow -u zfsadm tank/up")
			require.False(t, ask("zfs snapshot tank/up/down@b"))
		})
	}
}
