package activities

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// A reset that a BMC turned away was on the wire: it did nothing, and to send it again is a decision on record.
func TestATurnedAwayResetIsSentAgainByDecisionOnly(t *testing.T) {
	w := newWorld()
	w.bmc.Power = live.Off
	w.react["Reset On"] = func() error {
		return fault.As(fault.TurnedAway, fault.As(fault.NotDone, fault.As(fault.Unreachable, errors.New("503"))))
	}
	out, err := attemptOf(t, newActivities(w), plan.PowerOnHost, hostCall(plan.PowerOnHostParams{Host: "esx21"}), nil)
	require.NoError(t, err)
	require.NotNil(t, out.Unclear)
	require.True(t, out.Unclear.NeverArrived)
	require.Contains(t, out.Unclear.What, "was turned away")
	require.True(t, out.Unclear.Memo.Sent(), "an attempt that finds the intent only looks")
	require.Equal(t, 1, w.count("Reset On"))
}
