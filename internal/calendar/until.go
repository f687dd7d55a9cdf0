package calendar

import (
	"errors"
	"time"
)

// Until reads a moment ahead of now: a time of day, the next one, or a date with a time, both of now's time zone, or RFC 3339.
func Until(s string, now time.Time) (time.Time, error) {
	zone := now.Location()
	if t, err := time.ParseInLocation("15:04", s, zone); err == nil {
		until := time.Date(now.Year(), now.Month(), now.Day(), t.Hour(), t.Minute(), 0, 0, zone)
		if !until.After(now) {
			until = until.AddDate(0, 0, 1)
		}
		return until, nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04", "2006-01-02T15:04"} {
		t, err := time.ParseInLocation(layout, s, zone)
		switch {
		case err != nil:
		case !t.After(now):
			return t, errors.New("that is past")
		case t.UTC().Year() > 9999: // it must fit into JSON, whose years have four digits
			return t, errors.New("no year after 9999")
		default:
			return t, nil
		}
	}
	return time.Time{}, errors.New("write 08:00, 2026-01-31 08:00 or RFC 3339")
}
