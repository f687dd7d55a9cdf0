package activities

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/bmc"
	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// A controller is a Redfish service that answers every Reset with a status of the test's choice.
type controller struct {
	power  string
	status int
	// taken, where set, happens with a Reset, whatever it answers; after, with each read of the system that comes after it.
	taken, after func(*controller)
	resets       []string
}

func (s *controller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const system = "/redfish/v1/Systems/1"
	var answer map[string]any
	switch {
	case r.Method == http.MethodPost:
		var body struct{ ResetType string }
		_ = json.NewDecoder(r.Body).Decode(&body)
		s.resets = append(s.resets, body.ResetType)
		if s.taken != nil {
			s.taken(s)
		}
		w.WriteHeader(s.status)
		return
	case r.URL.Path == "/redfish/v1/":
		answer = map[string]any{"@odata.id": "/redfish/v1/", "RedfishVersion": "1.6.0", "Systems": map[string]string{"@odata.id": "/redfish/v1/Systems"}}
	case r.URL.Path == "/redfish/v1/Systems":
		answer = map[string]any{"@odata.id": r.URL.Path, "Members": []map[string]string{{"@odata.id": system}}}
	case r.URL.Path == system:
		if s.after != nil && len(s.resets) > 0 {
			s.after(s)
		}
		answer = map[string]any{"@odata.id": system, "Id": "1", "PowerState": s.power, "SerialNumber": "TAG1", "SKU": "TAG1",
			"UUID": "4c4c4544-0037-3510-8051-b7c04f4d3332", "Actions": map[string]any{"#ComputerSystem.Reset": map[string]any{"target": system + "/Actions/ComputerSystem.Reset",
				"ResetType@Redfish.AllowableValues": []string{"On", "ForceOff", "GracefulShutdown"}}}}
	default:
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// controlled wires the activities to the controller by the real client.
func controlled(t *testing.T, w *world, s *controller) *Activities {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	at, err := url.Parse(server.URL)
	require.NoError(t, err)
	a := newActivities(w)
	a.clients.dialBMC = func(ctx context.Context, r endpoint.Resolved, b *inventory.BMC) (bmc.Session, error) {
		r.URL = at
		return bmc.Connect(ctx, r, b)
	}
	return a
}

// What a controller answers is an answer: it is not taken for a call that never left, and not sent again.
func TestTheNoOfAControllerIsHeard(t *testing.T) {
	graceful := down(time.Minute)
	graceful.Via = plan.GracefulBMC
	cut := hostCall(down(time.Minute))
	cut.Force = true
	on := hostCall(plan.PowerOnHostParams{Host: "esx21"})
	isOn := func(s *controller) { s.power = live.On }
	reads := 0
	for name, c := range map[string]struct {
		action plan.Action
		call   plan.Call
		bmc    controller
		fails  string // "": it is done
	}{
		"not allowed to switch on": {plan.PowerOnHost, on, controller{power: live.Off, status: http.StatusForbidden}, Permission},
		"on already":               {plan.PowerOnHost, on, controller{power: live.Off, status: http.StatusConflict, taken: isOn}, ""},
		"on already, shown later": {plan.PowerOnHost, on, controller{power: live.Off, status: http.StatusConflict, after: func(s *controller) {
			if reads++; reads == 3 {
				isOn(s)
			}
		}}, ""},
		"not allowed to shut down":   {plan.ShutdownHost, hostCall(graceful), controller{power: live.On, status: http.StatusForbidden}, Permission},
		"no graceful shutdown":       {plan.ShutdownHost, hostCall(graceful), controller{power: live.On, status: http.StatusMethodNotAllowed}, Precondition},
		"not allowed to cut":         {plan.ShutdownHost, cut, controller{power: live.On, status: http.StatusForbidden}, Permission},
		"off already":                {plan.ShutdownHost, cut, controller{power: live.On, status: http.StatusConflict, taken: func(s *controller) { s.power = live.Off }}, ""},
		"the request makes no sense": {plan.ShutdownHost, cut, controller{power: live.On, status: http.StatusBadRequest}, InvalidInput},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := attemptOf(t, controlled(t, offWorld(), &c.bmc), c.action, c.call, nil)
			require.Len(t, c.bmc.resets, 1)
			if c.fails != "" {
				requireType(t, err, c.fails)
				return
			}
			require.NoError(t, err)
			require.Nil(t, out.Unclear)
			require.Nil(t, out.Yield)
		})
	}
}

// A call that was never on the wire is tried again without a decision. The process dies at every event on the way.
func TestACallThatWasNotSentIsTriedAgain(t *testing.T) {
	for _, name := range []string{"switch a host on", "ask the BMC", "cut the power"} {
		c := actCases()[name]
		t.Run(name, func(t *testing.T) {
			for at := 1; ; at++ {
				w := c.world()
				w.crashAt = at
				failures := 0
				w.react[c.sends] = func() error {
					if failures++; failures <= 4 {
						return unsent()
					}
					w.bmc.Power = live.Off
					if c.sends == "Reset On" {
						w.bmc.Power = live.On
					}
					return nil
				}
				a := newActivities(w)
				var out plan.Outcome
				crashed := false
				for attempt := 1; ; attempt++ {
					require.Less(t, attempt, 9, "event %d: no end: %v", at, w.events)
					var memo *plan.Memo
					if n := len(w.memos); n > 0 {
						last := w.memos[n-1] // as the server has it
						last.At = last.At.Add(-time.Hour)
						memo = &last
					}
					var err error
					if out, err = attemptOf(t, a, c.action, c.call, memo); err == nil {
						break
					}
					crashed = crashed || errors.Is(err, errCrash) || w.crashAt == len(w.events)
					if !crashed {
						requireType(t, err, Transient)
						require.ErrorContains(t, err, "could not be sent")
						require.False(t, w.memos[len(w.memos)-1].Sent(), "the intent still stands")
					}
				}
				arrived := failures - 4
				require.LessOrEqual(t, arrived, 1, "event %d: %v", at, w.events)
				if !crashed && at > len(w.events) {
					require.Nil(t, out.Unclear, "it took a decision")
					require.Equal(t, 1, arrived)
					return
				}
			}
		})
	}
}

// Of an escalation only the call that was not sent is struck out: what was sent before is still known.
func TestAnEscalationThatWasNotSentKeepsWhatWas(t *testing.T) {
	w, p := hung(), down(15*time.Millisecond)
	p.OnTimeout = plan.ForceOffBMC
	w.react["Reset ForceOff"] = unsent
	_, err := attemptOf(t, newActivities(w), plan.ShutdownHost, hostCall(p), nil)
	requireType(t, err, Transient)
	last := w.memos[len(w.memos)-1]
	require.Equal(t, viaVCenter, last.Phase)
	require.True(t, last.Answered)
	require.False(t, last.GuestsOff.IsZero())

	delete(w.react, "Reset ForceOff")
	out, err := attemptOf(t, newActivities(w), plan.ShutdownHost, hostCall(p), &last)
	require.NoError(t, err)
	require.Nil(t, out.Unclear)
	require.Equal(t, 1, w.count("ShutdownHost"))
}

// Where the server does not hear that nothing was sent, the intent stands: then it takes a decision.
func TestANotSentThatNobodyHeardOfIsUnclear(t *testing.T) {
	w := newWorld()
	w.bmc.Power = live.Off
	w.react["Reset On"] = func() error {
		w.record = func() error { return errors.New("away") }
		return unsent()
	}
	out, err := attemptOf(t, newActivities(w), plan.PowerOnHost, hostCall(plan.PowerOnHostParams{Host: "esx21"}), nil)
	require.NoError(t, err)
	require.NotNil(t, out.Unclear)
	require.True(t, out.Unclear.NeverArrived)
	require.True(t, out.Unclear.Memo.Sent())
}

// unsent is what the client answers where it found no connection.
func unsent() error {
	return fault.As(fault.NotDone, fault.As(fault.Unreachable, errors.New("dial: no route")))
}
