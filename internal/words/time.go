package words

import (
	"fmt"
	"strings"
	"time"
)

// Span is a time that something took, as people say it: 0.4 s, 12 s, 4 min 5 s, 2 h 7 min, 3 d 4 h. Its sign is left out.
func Span(d time.Duration) string {
	d = d.Abs()
	switch {
	case d < 9950*time.Millisecond:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Seconds()), ".0") + " s"
	case d < time.Minute-500*time.Millisecond:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour-500*time.Millisecond:
		return two(d, time.Minute, "min", time.Second, "s")
	case d < 24*time.Hour-30*time.Second:
		return two(d, time.Hour, "h", time.Minute, "min")
	}
	return two(d, 24*time.Hour, "d", time.Hour, "h")
}

func two(d, big time.Duration, bigName string, small time.Duration, smallName string) string {
	d = d.Round(small)
	s := fmt.Sprintf("%d %s", d/big, bigName)
	if rest := d % big / small; rest > 0 {
		s += fmt.Sprintf(" %d %s", rest, smallName)
	}
	return s
}

// Tight is a time in columns and lines that change while one looks: 8s, 4m05s, 2h07m. Less than nothing is nothing.
func Tight(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

// Roughly is an estimate, without false precision: 20 s, 2 min, 1 h 5 min.
func Roughly(d time.Duration) string {
	switch {
	case d < 90*time.Second:
		return fmt.Sprintf("%d s", int(d.Round(time.Second).Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Round(time.Minute).Minutes()))
	}
	return two(d, time.Hour, "h", time.Minute, "min")
}

// Limit is a limit that somebody has set, which is not rounded but to whole seconds: 90 s, 5 min, 1 h 30 min.
func Limit(d time.Duration) string {
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

// Written is a duration as one writes it into the lab file: 10m, 1h30m, 90s.
func Written(d time.Duration) string {
	s := strings.TrimSuffix(d.String(), "m0s")
	if s == d.String() {
		return s
	}
	if hours := strings.TrimSuffix(s, "h0"); hours != s {
		return hours + "h"
	}
	return s + "m"
}

// Second is a moment by this machine's clock: 2026-11-20 23:00:07. Empty where there is none.
func Second(t time.Time) string { return local(t, time.DateTime) }

// Minute is the same with its zone, for messages that are read elsewhere: 2026-11-20 23:00 CET.
func Minute(t time.Time) string { return local(t, "2006-01-02 15:04 MST") }

// Clock is the time of the day: 23:00:07.
func Clock(t time.Time) string { return local(t, time.TimeOnly) }

func local(t time.Time, layout string) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(layout)
}
