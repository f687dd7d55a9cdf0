package replica

import "time"

// A Sample is how much space was free at a moment, in bytes.
type Sample struct {
	At   time.Time
	Free int64
}

// minSamples is how many cycles it takes to see a line in them.
const minSamples = 3

// A Forecast is when the space will be used up, if all goes on as it did.
type Forecast struct {
	PerDay int64 // bytes by which the free space shrinks a day; negative: it grows
	// Full is when nothing is left; zero: never, as it does not shrink, or not within a hundred years.
	Full time.Time
}

// ForecastOf lays a line through the free space of the last cycles (least squares); false: there are too few, or all of one moment.
func ForecastOf(samples []Sample) (Forecast, bool) {
	if len(samples) < minSamples {
		return Forecast{}, false
	}
	last := samples[0]
	var meanX, meanY float64
	for _, s := range samples {
		if s.At.After(last.At) {
			last = s
		}
	}
	days := func(s Sample) float64 { return s.At.Sub(last.At).Hours() / 24 } // small numbers: squares of seconds since 1970 are not
	for _, s := range samples {
		meanX += days(s) / float64(len(samples))
		meanY += float64(s.Free) / float64(len(samples))
	}
	var xy, xx float64
	for _, s := range samples {
		x := days(s) - meanX
		xy += x * (float64(s.Free) - meanY)
		xx += x * x
	}
	if xx == 0 {
		return Forecast{}, false
	}
	slope := xy / xx // bytes per day
	f := Forecast{PerDay: int64(-slope)}
	if slope >= 0 {
		return f, true
	}
	if left := float64(last.Free) / -slope; left < 36500 {
		f.Full = last.At.Add(time.Duration(left * float64(24*time.Hour)))
	}
	return f, true
}
