package activities

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/ledger"
	"nightshift/internal/notify"
	"nightshift/internal/runapi"
)

const token = "tk-very-secret-4711"

// telling are activities of a lab with channels.
func telling(t *testing.T, channels ...inventory.Channel) *Activities {
	a := newActivities(newWorld())
	a.lab.Notifications = inventory.Notifications{Channels: channels, DebtsAfter: a.lab.Policies.VCLS}
	a.sender, a.lookout, a.lookEvery = notify.New(), &lookoutFake{}, time.Millisecond
	a.ui = "http://ui/namespaces/default/workflows"
	return a
}

func TestWhoIsToldOfWhat(t *testing.T) {
	a := telling(t, inventory.Channel{Name: "mail"}, inventory.Channel{Name: "phone", On: []string{"done", "blocked"}, Runbooks: []string{"power-up"}})
	wanted, err := a.WantedNotices(t.Context(), "power-down")
	require.NoError(t, err)
	require.Contains(t, wanted, runapi.EventBlocked)
	require.NotContains(t, wanted, runapi.EventDone)
	wanted, err = a.WantedNotices(t.Context(), "power-up")
	require.NoError(t, err)
	require.Contains(t, wanted, runapi.EventDone)
	for n, want := range map[*runapi.Notice][]string{
		{Event: runapi.EventBlocked, Runbook: "power-up"}:   {"mail", "phone"},
		{Event: runapi.EventBlocked, Runbook: "power-down"}: {"mail"},
		{Event: runapi.EventDone, Runbook: "power-down"}:    nil,
		// Tries of a power cut that are not the first: the watch has told that it tries again, every 30 s.
		{Event: runapi.EventRefused, Runbook: "power-down", Run: "power-down-home-ups-rack-20261120-2200"}:    {"mail"},
		{Event: runapi.EventRefused, Runbook: "power-down", Run: "power-down-home-ups-rack-20261120-2200.17"}: nil,
		{Event: runapi.EventBlocked, Runbook: "power-down", Run: "power-down-home-ups-rack-20261120-2200.17"}: {"mail"},
	} {
		got, err := a.NoticeChannels(t.Context(), *n)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	require.True(t, a.Watches())
	none := telling(t)
	wanted, err = none.WantedNotices(t.Context(), "power-down")
	require.NoError(t, err)
	require.Empty(t, wanted)
	require.False(t, none.Watches())
	require.False(t, telling(t, inventory.Channel{Name: "phone", On: []string{"done"}}).Watches(), "for that nobody has to look")
}

func TestSendNotice(t *testing.T) {
	var body atomic.Value
	status := atomic.Int32{}
	status.Store(http.StatusOK)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := make([]byte, 1<<16)
		n, _ := r.Body.Read(b)
		body.Store(string(b[:n]))
		w.WriteHeader(int(status.Load()))
	}))
	defer srv.Close()
	t.Setenv("HOOK", "generic+"+srv.URL+"/"+token+"?template=json")
	a := telling(t, inventory.Channel{Name: "hook", URL: "env:HOOK"})
	env := newEnv()
	env.RegisterActivity(a.SendNotice)
	call := runapi.NoticeCall{Channel: "hook", Notice: runapi.Notice{Event: runapi.EventBlocked, Lab: "home", Runbook: "power-down", Run: "run-1", Sheet: &runapi.Sheet{Runbook: "power-down", Title: "Down"}}}
	_, err := env.ExecuteActivity(a.SendNotice, call)
	require.NoError(t, err)
	require.Contains(t, body.Load(), "[home] power-down is blocked")
	require.Contains(t, body.Load(), "http://ui/namespaces/default/workflows/run-1")
	for code, kind := range map[int32]string{401: Auth, 404: InvalidInput, 429: Transient, 500: Transient} {
		status.Store(code)
		_, err = env.ExecuteActivity(a.SendNotice, call)
		requireType(t, err, kind)
		require.NotContains(t, err.Error(), token)
		require.Contains(t, err.Error(), "channel hook")
	}
	call.Channel = "gone"
	_, err = env.ExecuteActivity(a.SendNotice, call)
	requireType(t, err, InvalidInput)
}

// A lookoutFake sees what the test says.
type lookoutFake struct {
	tables []timetable
	runs   map[string]runapi.Sheet
	looked int
	then   func(looks int)
	err    error
}

func (l *lookoutFake) schedules(context.Context, string) ([]timetable, error) {
	l.looked++
	if l.then != nil {
		l.then(l.looked)
	}
	return l.tables, l.err
}

func (l *lookoutFake) waiting(context.Context, string) (map[string]runapi.Sheet, error) {
	return l.runs, nil
}

func lookAround(t *testing.T, a *Activities, w runapi.Watch) (runapi.Sighting, error) {
	t.Helper()
	env := newEnv()
	env.RegisterActivity(a.LookAround)
	v, err := env.ExecuteActivity(a.LookAround, w)
	var s runapi.Sighting
	if err == nil {
		require.NoError(t, v.Get(&s))
	}
	return s, err
}

func TestLookingAroundGoesOnUntilThereIsSomethingNew(t *testing.T) {
	a := telling(t, inventory.Channel{Name: "mail"})
	l := a.lookout.(*lookoutFake)
	l.tables = []timetable{{ID: "s", Name: "nightly", Runbook: "power-down", Missed: 2}}
	s, err := lookAround(t, a, runapi.Watch{Lab: "home"})
	require.NoError(t, err)
	require.Empty(t, s.Notices)
	require.Equal(t, map[string]int{"s": 2}, s.Missed, "a schedule that is new is remembered at once")
	require.Equal(t, 1, l.looked)

	l.looked, l.then = 0, func(looks int) {
		if looks == 5 {
			l.tables[0].Missed = 3
		}
	}
	w := runapi.Watch{Lab: "home", Missed: s.Missed}
	s, err = lookAround(t, a, w)
	require.NoError(t, err)
	require.Equal(t, 5, l.looked)
	require.Len(t, s.Notices, 1)
	require.Equal(t, "schedule nightly missed its time: power-down was not started", s.Notices[0].Subject)
}

func TestLookingAroundEnds(t *testing.T) {
	a := telling(t)
	s, err := lookAround(t, a, runapi.Watch{Lab: "home"})
	require.NoError(t, err)
	require.True(t, s.Idle, "nobody wants to be told")

	a = telling(t, inventory.Channel{Name: "mail"})
	a.lookEvery = time.Hour
	env := stopped()
	env.RegisterActivity(a.LookAround)
	_, err = env.ExecuteActivity(a.LookAround, runapi.Watch{Lab: "home"})
	requireType(t, err, Transient)
	require.ErrorContains(t, err, "this worker ends")

	a.lookout.(*lookoutFake).err = context.DeadlineExceeded
	_, err = lookAround(t, a, runapi.Watch{Lab: "home"})
	requireType(t, err, Transient)
}

// A lock whose holder has ended is told, unless it was given back in the meantime.
func TestLocksOfRunsThatWereTerminatedAreTold(t *testing.T) {
	a := telling(t, inventory.Channel{Name: "mail"})
	require.NoError(t, a.ledger.change(t.Context(), "home", ledger.Change{Acquire: &ledger.Acquire{Scopes: []string{ledger.LabScope},
		Holder: ledger.Holder{Workflow: "orphan", FirstRun: "f", Runbook: "power-down", By: "ann"}}}))
	s, err := lookAround(t, a, runapi.Watch{Lab: "home"})
	require.NoError(t, err)
	require.Len(t, s.Notices, 1)
	require.Equal(t, runapi.EventTerminated, s.Notices[0].Event)
	var typed []string
	for _, c := range s.Notices[0].Commands {
		typed = append(typed, c.Type)
	}
	require.Contains(t, strings.Join(typed, "\n"), "nightshift unlock orphan --reason WHY")

	a.ledger = &leavingRun{worldLedger: a.ledger.(worldLedger)}
	a.lookEvery, a.lookout.(*lookoutFake).err = time.Millisecond, nil
	left, err := a.orphans(t.Context(), "home", ledger.State{Locks: []ledger.Lock{{Holder: ledger.Holder{Workflow: "orphan", FirstRun: "f", Runbook: "power-down", By: "ann"}}}})
	require.NoError(t, err)
	require.Empty(t, left)
}
