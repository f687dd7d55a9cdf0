package activities

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"

	"nightshift/internal/inventory"
	"nightshift/internal/plan"
)

// When a run hands over, a step that only waits leaves without a word; when the worker stops, it yields.
func TestAStepThatOnlyWaitsLeavesSilently(t *testing.T) {
	for name, c := range map[string]struct {
		leave  func(a *Activities, stop chan struct{})
		silent bool
	}{
		"nudge":       {func(a *Activities, _ chan struct{}) { a.hub.nudge(runID) }, true},
		"worker stop": {func(_ *Activities, stop chan struct{}) { close(stop) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.guest.Heartbeat = "red"
			a := newActivities(w)
			a.lab.Guests = []inventory.Guest{{Name: "web01", VCenter: "vc1", Health: &inventory.Health{Timeout: within(time.Hour)}}}
			env, stop := newEnv(), make(chan struct{})
			env.SetWorkerStopChannel(stop)
			env.SetTestTimeout(time.Minute)
			go func() {
				for !a.hub.waits(runID) {
					time.Sleep(time.Millisecond) //nolint:forbidigo // it begins in another goroutine
				}
				c.leave(a, stop)
			}()
			call := guestCall(plan.ShutdownGuestParams{})
			call.Params = plan.Encode(plan.CheckGuestParams{Tools: true})
			out, err := attemptIn(t, env, a, plan.CheckGuest, call, nil)
			if c.silent {
				require.ErrorIs(t, err, activity.ErrResultPending)
				return
			}
			require.NoError(t, err)
			require.NotNil(t, out.Yield)
		})
	}
}

// waits tells whether a step of the run is in this process.
func (h *hub) waits(run string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.runs[run] != nil
}
