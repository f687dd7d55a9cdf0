package activities

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/plan"
)

var awaitCall = plan.Call{Run: "run-1", Lab: "home", Target: plan.Target{Kind: plan.VCenter, Name: "vc1", Endpoint: "vc1"}}

// closedWorld counts the sessions that were ended.
type closedWorld struct {
	*world
	closed *atomic.Int32
}

func (c closedWorld) Close(context.Context) error { c.closed.Add(1); return nil }

func TestAwaitVCenter(t *testing.T) {
	w := newWorld()
	a := newActivities(w)
	var closed atomic.Int32
	dials := 0
	a.clients.dialVC = func(context.Context, endpoint.Resolved) (vcenter, error) {
		dials++
		switch dials {
		case 2:
			return nil, fault.As(fault.Unreachable, errors.New("no route"))
		case 3:
			return nil, fault.As(fault.Unreachable, errors.New("not ready (HTTP 503)"))
		case 4:
			return nil, fault.As(fault.Unsupported, errors.New("what answers there is no vCenter"))
		}
		return closedWorld{w, &closed}, nil
	}
	_, err := a.clients.vcenter(t.Context(), "vc1") // a session from before
	require.NoError(t, err)
	out, err := attemptOf(t, a, plan.AwaitVCenter, awaitCall, nil)
	require.NoError(t, err)
	require.Contains(t, out.Evidence, "1 host, 1 guest")
	require.Equal(t, 5, dials)
	require.Eventually(t, func() bool { return closed.Load() == 1 }, 30*time.Second, time.Millisecond, "the old session is ended")
	require.Empty(t, w.events)
}

// One refused login, and a person looks: the account would be locked.
func TestAwaitVCenterSendsNoSecondLoginAfterARefusal(t *testing.T) {
	a := newActivities(newWorld())
	dials := 0
	a.clients.dialVC = func(context.Context, endpoint.Resolved) (vcenter, error) {
		dials++
		return nil, fault.As(fault.Auth, errors.New("refused"))
	}
	for range 3 {
		_, err := attemptOf(t, a, plan.AwaitVCenter, awaitCall, nil)
		requireType(t, err, Auth)
	}
	require.Equal(t, 1, dials)
}

func TestAwaitVCenterEndsAfterItsTime(t *testing.T) {
	a := newActivities(newWorld())
	a.lab.Guests[0].Health = &inventory.Health{Timeout: within(20 * time.Millisecond)}
	a.clients.dialVC = func(context.Context, endpoint.Resolved) (vcenter, error) {
		return nil, fault.As(fault.Unreachable, errors.New("no route"))
	}
	_, err := attemptOf(t, a, plan.AwaitVCenter, awaitCall, nil)
	requireType(t, err, Precondition)
	require.ErrorContains(t, err, "no route")
}
