// Package upswatch watches the UPSes of a lab file, and has the lab powered down before they are empty, and up again when
// the mains are back. What it decides is in pure functions (track.go, due.go); watch.go carries it out.
//
// It does not know Temporal: runs are started and read through the interface Runs.
package upswatch

import (
	"fmt"
	"time"

	"nightshift/internal/inventory"
	"nightshift/internal/nut"
)

// A State is what a UPS is doing.
type State string

// The states of a UPS. Unknown is neither good nor bad: its driver is lost, its data is stale, or its server silent.
const (
	Online    State = "on mains"
	OnBattery State = "on battery"
	Low       State = "battery low"
	Forced    State = "forced shutdown"
	Unknown   State = "unknown"
)

// battery tells whether the load runs on it, as far as the state says.
func (s State) battery() bool { return s == OnBattery || s == Low }

// A Look is one look at a UPS.
type Look struct {
	At     time.Time
	Status nut.Status
	Err    error // it could not be read; then Status says nothing
}

func (l Look) state() State {
	switch s := l.Status; {
	case l.Err != nil:
		return Unknown
	case s.Forced():
		return Forced
	case s.Low():
		return Low
	case s.OnBattery():
		return OnBattery
	case s.Online():
		return Online
	}
	return Unknown
}

// words are what the look told, for people.
func (l Look) words() string {
	if l.Err != nil {
		return "cannot be read: " + l.Err.Error()
	}
	return l.Status.String()
}

// A Track is what is known of a UPS from all looks so far. The zero Track is a UPS that was not looked at yet.
type Track struct {
	Last  Look
	State State
	Since time.Time // of State
	Known State     // the last one that was not Unknown; empty: there was none
	Seen  bool      // on mains, at some time: otherwise nobody knows when the power cut began
	// Began is when the power cut began that is not over; zero: there is none. It is over when the mains are steadily back.
	Began time.Time
	// Spent is the time on battery in this power cut. Returns of the mains that did not last count for nothing: a supply
	// that flaps empties the battery as well.
	Spent time.Duration
	// Mains is since when the mains are there without a break; zero: they are not, or nobody knows.
	Mains time.Time
}

// mostBetween bounds what the time between two looks counts: a process that was stopped did not watch.
const mostBetween = 30 * time.Second

// Next is the track after another look.
func (t Track) Next(u *inventory.UPS, l Look) Track {
	state := l.state()
	if t.State.battery() && !t.Began.IsZero() {
		t.Spent += min(max(0, l.At.Sub(t.Last.At)), mostBetween)
	}
	if state != t.State {
		t.State, t.Since = state, l.At
	}
	t.Last = l
	if state != Unknown {
		t.Known = state
	}
	t.Seen = t.Seen || state == Online
	switch {
	case state == Online && (t.Mains.IsZero() || l.At.Before(t.Mains)): // clocks are set back
		t.Mains = l.At
	case state != Online:
		t.Mains = time.Time{}
	}
	switch {
	case state == Online && l.At.Sub(t.Mains) >= time.Duration(u.OnBattery.Steady):
		t.Began, t.Spent = time.Time{}, 0
	case t.Began.IsZero() && (state.battery() || state == Forced):
		t.Began = l.At
	}
	return t
}

// over tells whether the mains are steadily there.
func (t Track) over() bool { return t.State == Online && t.Began.IsZero() }

// lostAfter is how long a UPS must not tell until it counts as lost: as NUT's upsmon has it, twice over (DEADTIME, 15 s).
const lostAfter = 30 * time.Second

// Lost tells whether the UPS cannot be read, for long enough that it is no accident.
func (t Track) Lost() bool { return t.State == Unknown && t.Last.At.Sub(t.Since) >= lostAfter }

// Critical says why the lab must go down now; empty: it need not.
func (t Track) Critical(u *inventory.UPS) string {
	b, s := u.OnBattery, t.Last.Status
	switch {
	case t.State == Forced:
		return "a forced shutdown was ordered (FSD)"
	case t.State == Low:
		return "on battery, and the UPS calls it low"
	case t.State == Unknown:
		if u.WhenLost == inventory.LostPowerDown && t.Lost() && t.Known.battery() {
			return fmt.Sprintf("it was on battery, and has not told for %s (whenLost: powerDown)", lostAfter)
		}
	case t.State != OnBattery:
	case s.Charge != nil && *s.Charge <= float64(b.Charge):
		return fmt.Sprintf("on battery, charge %.0f %% (%d %% or less)", *s.Charge, b.Charge)
	case s.Runtime != nil && *s.Runtime <= time.Duration(b.Runtime):
		return fmt.Sprintf("on battery, lasts %s more (%s or less)", *s.Runtime, b.Runtime)
	case t.Spent >= time.Duration(b.After):
		return fmt.Sprintf("on battery for %s", t.Spent.Round(time.Second))
	}
	return ""
}

// Ready tells whether what went down because of the UPS may come up again; if not, why not.
func (t Track) Ready(u *inventory.UPS) (bool, string) {
	up, charge := u.PowerUp, t.Last.Status.Charge
	settle := max(up.Settle, u.OnBattery.Steady) // before that the power cut is not over: nothing would go down for it again
	if o := u.LoadOff; o != nil {
		settle = max(settle, o.Delay+o.RestartDelay) // once ordered it is carried out, mains or not, and takes down what has come up
	}
	switch {
	case t.State != Online:
		return false, string(t.State)
	case t.Last.At.Sub(t.Mains) < time.Duration(settle):
		return false, fmt.Sprintf("the mains are back for %s, it waits for %s", t.Last.At.Sub(t.Mains).Round(time.Second), settle)
	case charge == nil:
		return false, "it does not tell its charge: start power-up yourself"
	case *charge < float64(up.Charge):
		return false, fmt.Sprintf("its charge is %.0f %%, it waits for %d %%", *charge, up.Charge)
	}
	return true, ""
}
