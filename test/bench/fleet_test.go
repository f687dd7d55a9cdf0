package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/runbooks"
)

// What the planners make of 10,000 guests is a plan that is right, fits into a payload, and comes out of it as it was.
func TestTenThousandGuestsFitIntoAPayload(t *testing.T) {
	f := newFleet(256, 10000, vcenterLimit)
	for _, runbook := range []string{runbooks.PowerDown, runbooks.PowerUp} {
		p, err := f.plan(runbook)
		require.NoError(t, err)
		require.NoError(t, p.Validate())
		packed, err := p.Pack()
		require.NoError(t, err)
		again, err := plan.Unpack(packed)
		require.NoError(t, err)
		require.Equal(t, p.Hash(), again.Hash())
		t.Logf("%s: %d steps, %d KiB packed", runbook, len(p.Steps), len(packed)>>10)
	}
}
