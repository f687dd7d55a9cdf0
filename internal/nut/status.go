package nut

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Vars are variables of a UPS by name, as RFC 9271 lists them.
type Vars map[string]string

// A Status is what a UPS tells of itself: ups.status and the battery.
type Status struct {
	Flags   []string       // of ups.status: OL, OB, LB, FSD, CHRG, …
	Charge  *float64       // of the battery, in percent; nil: it is not told
	Runtime *time.Duration // how long the battery lasts at this load, by the UPS's estimate; nil: it is not told
}

// Status reads it. What is no number, or none that can be, is not told.
func (v Vars) Status() Status {
	s := Status{Flags: strings.Fields(v["ups.status"])}
	if n, ok := v.number("battery.charge"); ok && n <= 100 {
		s.Charge = &n
	}
	if n, ok := v.number("battery.runtime"); ok && n < 1e7 {
		d := time.Duration(n * float64(time.Second)).Round(time.Second)
		s.Runtime = &d
	}
	return s
}

// Seconds is a variable that is a time in seconds; false: it is not there, or none. Drivers say -1 for a timer that does not run.
func (v Vars) Seconds(name string) (time.Duration, bool) {
	n, ok := v.number(name)
	return time.Duration(n * float64(time.Second)), ok && n < 1e7
}

func (v Vars) number(name string) (float64, bool) {
	n, err := strconv.ParseFloat(strings.TrimSpace(v[name]), 64)
	return n, err == nil && n >= 0 && !math.IsInf(n, 0) && !math.IsNaN(n)
}

func (s Status) has(flag string) bool { return slices.Contains(s.Flags, flag) }

// Calibrating: it is on battery as it was told to measure it, with the mains there.
func (s Status) Calibrating() bool { return s.has("CAL") }

// OnBattery: the mains are away. A calibration is no power cut.
func (s Status) OnBattery() bool { return s.has("OB") && !s.Calibrating() }

// Online: the load runs on the mains, a calibration included.
func (s Status) Online() bool { return !s.OnBattery() && (s.has("OL") || s.Calibrating()) }

// Low: on battery, and the UPS itself calls it low.
func (s Status) Low() bool { return s.OnBattery() && s.has("LB") }

// Forced: a forced shutdown (FSD) was ordered: the load will be switched off, whatever the mains do.
func (s Status) Forced() bool { return s.has("FSD") }

// Known tells whether the status says on what the load runs.
func (s Status) Known() bool { return s.Online() || s.OnBattery() || s.Forced() }

// String is the status in people's words: "on battery, charge 38 %, 9 min left".
func (s Status) String() string {
	words := "says " + strconv.Quote(strings.Join(s.Flags, " ")) + ", which is neither mains nor battery"
	switch {
	case s.Forced():
		words = "forced shutdown (FSD)"
	case s.Low():
		words = "on battery, battery low"
	case s.OnBattery():
		words = "on battery"
	case s.Calibrating():
		words = "on mains, calibrating its battery"
	case s.Online():
		words = "on mains"
	}
	if s.Charge != nil {
		words += fmt.Sprintf(", charge %.0f %%", *s.Charge)
	}
	if s.Runtime != nil {
		words += ", lasts " + minutes(*s.Runtime)
	}
	return words
}

func minutes(d time.Duration) string {
	if d < 2*time.Minute {
		return fmt.Sprintf("%d s", int(d.Seconds()))
	}
	return fmt.Sprintf("%d min", int(d.Minutes()))
}
