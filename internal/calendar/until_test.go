package calendar_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/calendar"
)

func TestUntil(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	now := time.Date(2026, 11, 20, 22, 0, 0, 0, berlin)
	for said, want := range map[string]string{
		"23:30": "2026-11-20T22:30:00Z", "22:00": "2026-11-21T21:00:00Z", "08:00": "2026-11-21T07:00:00Z", "2026-11-21 08:00": "2026-11-21T07:00:00Z",
		"2026-11-21T08:00": "2026-11-21T07:00:00Z", "2026-11-21T08:00:00+03:00": "2026-11-21T05:00:00Z",
	} {
		until, err := calendar.Until(said, now)
		require.NoError(t, err, said)
		require.Equal(t, want, until.UTC().Format(time.RFC3339), said)
	}
	for said, want := range map[string]string{
		"2026-11-20 21:59": "that is past", "9999-12-31T23:59:59-12:00": "no year after 9999", "24:00": "write 08:00", "": "write 08:00", "tomorrow": "write 08:00",
	} {
		_, err := calendar.Until(said, now)
		require.ErrorContains(t, err, want, said)
	}
}

// FuzzUntil: a moment that is taken is ahead, and can be written into the ledger.
func FuzzUntil(f *testing.F) {
	for _, s := range []string{"08:00", "24:00", "2026-11-21 08:00", "2026-11-21T08:00", "2026-11-21T08:00:00+01:00", "9999-12-31T23:59:59-12:00", "0000-01-01 00:00", ""} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		until, err := calendar.Until(s, now)
		if err != nil {
			return
		}
		require.True(t, until.After(now))
		b, err := json.Marshal(until.UTC())
		require.NoError(t, err)
		require.Contains(t, string(b), until.UTC().Format(time.RFC3339)[:19])
	})
}
