package words

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCounts(t *testing.T) {
	for want, got := range map[string]string{
		"0 hosts": Count(0, "host"), "1 host": Count(1, "host"), "2 hosts": Count(2, "host"), "1 blocker": Count(1, "blocker"),
		"2 remembered guests": Count(2, "remembered guest"), "3 UPSes": Count(3, "UPS"), "2 switches": Count(2, "switch"),
		"2 policies": Count(2, "policy"), "2 days": Count(2, "day"), "1 person": CountOf(1, "person", "people"),
		"3 people": CountOf(3, "person", "people"), "1 step waits": CountOf(1, "step waits", "steps wait"),
		"2 steps wait": CountOf(2, "step waits", "steps wait"), "12 of 27 steps": Of(12, 27, "step"), "1 of 1 step": Of(1, 1, "step"),
		"1 of 3 steps": Of(1, 3, "step"), "1,980 steps": Many(1980, "step"), "1 step": Many(1, "step"), "999 policies": Many(999, "policy"),
		"once": Times(1), "0 times": Times(0), "4 times": Times(4),
		"0": Thousands(0), "1,000": Thousands(1000), "12,345,678": Thousands(12345678),
	} {
		require.Equal(t, want, got)
	}
}

func TestSomeNames(t *testing.T) {
	require.Empty(t, Some(nil, 3))
	require.Equal(t, "c, a", Some([]string{"c", "a"}, 2), "as they stand")
	require.Equal(t, "c, a and 2 more", Some([]string{"c", "a", "b", "d"}, 2))
}

func TestShellWords(t *testing.T) {
	for in, want := range map[string]string{"shutdown-guest:web01": "shutdown-guest:web01", "a b": "'a b'", "it's": `'it'\''s'`, "": "''", "$(x)": "'$(x)'"} {
		require.Equal(t, want, Shell(in))
	}
}

func TestAfter(t *testing.T) {
	require.Empty(t, After(""))
	require.Equal(t, ": no Tools", After("no Tools"))
}

func TestDurations(t *testing.T) {
	for _, c := range []struct {
		d                             time.Duration
		span, tight, roughly, written string
	}{
		{0, "0 s", "0s", "0 s", "0s"},
		{400 * time.Millisecond, "0.4 s", "0s", "0 s", "400ms"},
		{9940 * time.Millisecond, "9.9 s", "10s", "10 s", "9.94s"},
		{12 * time.Second, "12 s", "12s", "12 s", "12s"},
		{60 * time.Second, "1 min", "1m00s", "60 s", "1m"},
		{90 * time.Second, "1 min 30 s", "1m30s", "2 min", "1m30s"},
		{4*time.Minute + 5*time.Second, "4 min 5 s", "4m05s", "4 min", "4m5s"},
		{10 * time.Minute, "10 min", "10m00s", "10 min", "10m"},
		{time.Hour - time.Millisecond, "1 h", "1h00m", "60 min", "59m59.999s"},
		{90 * time.Minute, "1 h 30 min", "1h30m", "1 h 30 min", "1h30m"},
		{2*time.Hour + 7*time.Minute, "2 h 7 min", "2h07m", "2 h 7 min", "2h7m"},
		{12 * time.Hour, "12 h", "12h00m", "12 h", "12h"},
		{76 * time.Hour, "3 d 4 h", "76h00m", "76 h", "76h"},
		{-time.Minute, "1 min", "0s", "-60 s", "-1m"},
	} {
		require.Equal(t, c.span, Span(c.d), c.d)
		require.Equal(t, c.tight, Tight(c.d), c.d)
		require.Equal(t, c.roughly, Roughly(c.d), c.d)
		require.Equal(t, c.written, Written(c.d), c.d)
	}
}

func TestSpansAreRoundedToWhatTheySay(t *testing.T) {
	for seconds, want := range map[float64]string{9.96: "10 s", 12.4: "12 s", 59.6: "1 min", 245: "4 min 5 s", 3599.7: "1 h", 86370: "1 d", -245: "4 min 5 s"} {
		require.Equal(t, want, Span(time.Duration(seconds*float64(time.Second))), seconds)
	}
}

func TestLimitsAreNotRounded(t *testing.T) {
	for d, want := range map[time.Duration]string{90 * time.Second: "90 s", 5 * time.Minute: "5 min", 330 * time.Second: "330 s",
		90 * time.Minute: "1 h 30 min", 2 * time.Hour: "2 h"} {
		require.Equal(t, want, Limit(d))
	}
}

func TestMoments(t *testing.T) {
	was := time.Local
	time.Local = time.FixedZone("CET", 3600)
	defer func() { time.Local = was }()
	at := time.Date(2026, 11, 20, 22, 0, 7, 0, time.UTC)
	require.Equal(t, "2026-11-20 23:00:07", Second(at))
	require.Equal(t, "2026-11-20 23:00 CET", Minute(at))
	require.Equal(t, "23:00:07", Clock(at))
	for _, say := range []func(time.Time) string{Second, Minute, Clock} {
		require.Empty(t, say(time.Time{}))
	}
}
