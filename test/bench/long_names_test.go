//go:build e2e

package main

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/runbooks"
)

// 10,000 guests whose names nothing can make smaller go down on the embedded engine, though their packed plan is one that Temporal
// warns of: that is all that comes of it, through all hand-overs. Steps take no time. NIGHTSHIFT_LARGE, for less of the large lab,
// leaves it out.
func TestARunOfAPlanThatTemporalWarnsOf(t *testing.T) {
	if os.Getenv("NIGHTSHIFT_LARGE") != "" {
		t.Skip("only at full size")
	}
	f := newFleet(256, 10000, 128)
	rng := rand.New(rand.NewPCG(1, 2)) // the same lab each time
	guests := f.input.State.VCenters[0].Guests
	for i := range guests {
		name := make([]byte, 40)
		for k := range name {
			name[k] = "abcdefghijklmnopqrstuvwxyz0123456789"[rng.IntN(36)]
		}
		guests[i].Name = string(name)
	}
	p, err := f.plan(runbooks.PowerDown)
	require.NoError(t, err)
	st, err := newStation(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.stop()) })
	r, err := st.run(t.Context(), "long-names", p, func(plan.Step) time.Duration { return 0 })
	require.NoError(t, err) // it is done
	t.Logf("%d steps, %d KiB packed, in %s, %d events in %d runs, %q", r.steps, r.packed>>10, seconds(r.took), r.events, r.runs, r.warnings)
	require.Greater(t, r.packed, 352<<10)
	require.Greater(t, r.runs, 1, "it is handed over, with its plan")
	require.Zero(t, r.twice)
	require.Empty(t, r.verdict.Early)
	require.NotEmpty(t, r.warnings)
	for _, w := range r.warnings {
		require.True(t, strings.Contains(strings.ToLower(w), "size"), w)
	}
}
