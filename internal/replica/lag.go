package replica

import (
	"fmt"
	"time"
)

// How a replica is doing. The bounds are those of Ramen: age ÷ interval.
const (
	Good     = "good"
	Late     = "late"     // more than twice the interval
	Critical = "critical" // three times the interval or more
	Unknown  = "unknown"
)

// A Lag is how far a replica is behind: how much would be lost if the source were gone now.
type Lag struct {
	Age   time.Duration // of the newest recovery point on the target
	Ratio float64       // Age ÷ interval
	Level string        // Good, Late, Critical; Unknown where there is no recovery point, or one of the Future
}

// ClocksDiffer is how far clocks are taken to differ. What differs more is a clock that is wrong.
const ClocksDiffer = time.Hour

// Future tells whether a recovery point was made with a clock that was wrong: it says nothing of how old the replica is.
func Future(point, now time.Time) bool { return point.After(now.Add(ClocksDiffer)) }

// LagOf judges the newest recovery point that the target has whole. One that is a little ahead (clocks differ) has no age, one of the Future
// is Unknown.
func LagOf(newest time.Time, interval time.Duration, now time.Time) Lag {
	if newest.IsZero() || interval <= 0 || Future(newest, now) {
		return Lag{Level: Unknown}
	}
	l := Lag{Age: max(now.Sub(newest), 0), Level: Good}
	l.Ratio = float64(l.Age) / float64(interval)
	switch {
	case l.Ratio >= 3:
		l.Level = Critical
	case l.Ratio > 2:
		l.Level = Late
	}
	return l
}

func (l Lag) String() string {
	if l.Level == Unknown {
		return "no recovery point"
	}
	return fmt.Sprintf("%s old, %.1f times the interval", l.Age.Round(time.Second), l.Ratio)
}
