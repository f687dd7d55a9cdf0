package identity

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/live"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestText(t *testing.T) {
	r := sample()
	path := filepath.Join("testdata", "record.txt")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(r.Text()), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run go test ./internal/identity -update, and read what it wrote")
	require.Equal(t, string(want), r.Text())
}

// What is missing is said, and a name with a line feed in it makes no line of its own.
func TestTextOfLittle(t *testing.T) {
	r := sample()
	r.Datasets[0].Read = moment.Add(-time.Hour)
	r.Datasets[0].LUNs[0].VMFS = nil
	r.Datasets[1].Volume = true
	r.VCenters[0].Guests[0].Name = "a\nVM b"
	text := r.Text()
	require.Contains(t, text, "! read      2026-11-21 12:40:19 UTC: since then its target told of none, or could not be read")
	require.Contains(t, text, "VMFS        not known")
	require.Contains(t, text, "LUN         none")
	require.Equal(t, 1, strings.Count(text, "\nVM "))
}

// Of what HA does with a VM only what is set is told.
func TestTextOfAFewOverrides(t *testing.T) {
	r := sample()
	g := &r.VCenters[0].Guests[0]
	g.Restart, g.DRS, g.DRSLevel = "", "", ""
	g.HA = &live.OccupantHA{RestartTimeout: 300, Monitoring: &live.OccupantMonitoring{ClusterSettings: new(bool), MaxFailures: 4, MaxWindow: 3600},
		StorageLoss: &live.OccupantStorageLoss{PDL: "warning"}}
	require.Contains(t, r.Text(), `  overrides   HA lets lower priorities wait: 300 s at most
              HA monitoring of its own: vmMonitoring not known, 4 resets, in 3600 s
              HA without storage: PDL warning
  rules `)
	g.HA = nil
	require.NotContains(t, r.Text(), "overrides")
}
