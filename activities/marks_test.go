package activities

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"nightshift/internal/inventory"
	"nightshift/internal/plan"
	"nightshift/internal/simlab"
)

// A meeting is a recorder that lets nobody go on with an intent before all have one.
type meeting struct {
	recorder
	all *sync.WaitGroup
	one sync.Once
}

func (m *meeting) RecordActivityHeartbeatWithOptions(ctx context.Context, o client.RecordActivityHeartbeatOptions) error {
	if memo := o.Details[0].(plan.Memo); memo.Sent() {
		m.one.Do(func() { m.all.Done(); m.all.Wait() })
	}
	return m.recorder.RecordActivityHeartbeatWithOptions(ctx, o)
}

// twoMark has two nightshifts mark the same at the same moment: nobody goes on with an intent before both have one. Only the one whose
// name the mark bears then may go on; the other is told of it in those words.
func twoMark(t *testing.T, lab *inventory.Lab, do plan.Action, call func(name string) plan.Call, mark func() (by string), words string) {
	t.Helper()
	var all, ends sync.WaitGroup
	all.Add(2)
	errs := map[string]error{}
	var mu sync.Mutex
	for _, name := range []string{"one", "two"} {
		w := newWorld()
		a := newActivities(w)
		a.lab, a.clients, a.instance, a.settle = lab, newClients(lab, a.log), name, 20*time.Second
		t.Cleanup(a.Close)
		a.recorder = &meeting{recorder: w, all: &all}
		ends.Go(func() {
			_, err := attemptOf(t, a, do, call(name), nil)
			mu.Lock()
			defer mu.Unlock()
			errs[name] = err
		})
	}
	ends.Wait()
	require.Len(t, errs, 2)
	by := mark()
	for name, err := range errs {
		if name == by {
			require.NoError(t, err)
			continue
		}
		requireType(t, err, Precondition)
		require.ErrorContains(t, err, "nightshift "+by+words)
	}
}

// Two nightshifts that mark a vCenter at the same moment have both seen that nobody did: one of them gives way.
func TestTwoWhoMarkAtTheSameMoment(t *testing.T) {
	b := newBench(t, simlab.SmallSpec())
	call := func(name string) plan.Call {
		return plan.Call{Run: "run-" + name, Lab: b.a.lab.Lab, Step: "mark-lab:vcenter", Target: plan.Target{Kind: plan.Lab, Name: b.a.lab.Lab, Endpoint: "vcenter"}}
	}
	vc, err := b.a.clients.vcenter(t.Context(), "vcenter")
	require.NoError(t, err)
	for range 5 {
		twoMark(t, b.a.lab, plan.MarkLab, call, func() string {
			mark, err := vc.Mark(t.Context())
			require.NoError(t, err)
			return mark
		}, " works on vCenter vcenter: two must not")
		require.NoError(t, vc.SetMark(t.Context(), ""))
	}
}

// The mark of another one may be on its way when ours is there: it is read again when that must have arrived.
func TestAMarkThatIsOnItsWayIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newActivities(newWorld())
		a.settle = 20 * markSettles
		var bobs atomic.Bool
		m := marking{place: "group mail", remedy: "take its mark off", look: func(context.Context) (marked, error) {
			if bobs.Load() {
				return marked{by: bob, other: true}, nil
			}
			return marked{by: "me", done: true}, nil
		}}
		require.NoError(t, a.marks(m).finish(t.Context(), seen{}))
		time.AfterFunc(markSettles-time.Millisecond, func() { bobs.Store(true) })
		require.ErrorContains(t, a.marks(m).finish(t.Context(), seen{}), "nightshift "+bob+" works on group mail: two must not; if it is gone, take its mark off")
	})
}
