package report

import (
	"time"

	"nightshift/internal/runapi"
)

// Saved is what a lab did not take while it was down: never more than was metered.
type Saved struct {
	Run   string    `json:"run"`  // the power-down
	From  time.Time `json:"from"` // its end
	To    time.Time `json:"to"`   // when the power-up began
	Watts float64   `json:"watts"`
	KWh   float64   `json:"kWh"`
	Hosts int       `json:"hosts"` // that were metered before, and while they were down
	// Money is what the kWh cost, by the price in the lab file when the lab went down; 0: it said none.
	Money    float64 `json:"money,omitempty"`
	Currency string  `json:"currency,omitempty"`
}

// Between is what a lab saved from the end of a power-down until a power-up began. Of each host that was metered before
// and after the power-down it counts what it took less, by the higher of the readings while it was down: after the
// power-down and, where it was read, before the power-up. Nil where nothing was metered.
func Between(run string, down, up runapi.Sheet) *Saved {
	if down.Power == nil || down.Power.Before == nil || down.Power.After == nil || down.Ended.IsZero() || !up.Started.After(down.Ended) {
		return nil
	}
	s := &Saved{Run: run, From: down.Ended, To: up.Started}
	before, after := down.Power.Before, down.Power.After
	for _, host := range sortedKeys(before.Hosts) {
		took := before.Hosts[host]
		rest, metered := after.Hosts[host]
		if !metered {
			continue
		}
		if up.Power != nil && up.Power.Before != nil {
			rest = max(rest, up.Power.Before.Hosts[host])
		}
		s.Hosts++
		s.Watts += max(0, took-rest)
	}
	if s.Hosts == 0 {
		return nil
	}
	s.KWh = s.Watts * s.To.Sub(s.From).Hours() / 1000
	if before.Price > 0 {
		s.Money, s.Currency = s.KWh*before.Price, before.Currency
	}
	return s
}
