//go:build storagelab

package storagelab_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/test/storagelab"
)

// remembered is the most memory that serve has while a stream goes through it, against the stream's size.
func remembered(b *testing.B) string {
	sizes := []int{16, 64, 256} // MiB
	s := newStationOf(b, storagelab.ConnectAlone(b), "send: {via: worker}", volume{"mail", 512, 1})
	s.cycle()
	var text strings.Builder
	text.WriteString("\n### Memory\n\nThe most that `nightshift serve` has (VmHWM: engine, worker and run) during a replication whose stream goes through it.\n\n" +
		"| stream | memory |\n| ---: | ---: |\n")
	for _, mib := range sizes {
		s.from.Write(s.volumes[0], 0, mib)
		process := fmt.Sprintf("/proc/%d/", s.server.Pid())
		require.NoError(b, os.WriteFile(process+"clear_refs", []byte("5"), 0o600)) // the high-water mark begins anew
		s.cycle()
		s.same()
		most := highWater(b, process+"status")
		fmt.Fprintf(&text, "| %d MiB | %d MiB |\n", mib, most)
		b.ReportMetric(float64(most), fmt.Sprintf("MiB/stream-of-%d-MiB", mib))
	}
	return text.String()
}

// highWater is the most memory that a process had, in MiB.
func highWater(t testing.TB, status string) (mib int) {
	t.Helper()
	_, rest, found := strings.Cut(read(t, status), "VmHWM:")
	require.True(t, found, "%s has no VmHWM", status)
	_, err := fmt.Sscanf(rest, "%d kB", &mib)
	require.NoError(t, err)
	return mib >> 10
}
