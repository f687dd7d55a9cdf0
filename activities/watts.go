package activities

import (
	"context"
	"sync"
	"time"

	"nightshift/internal/bmc"
	"nightshift/internal/inventory"
	"nightshift/internal/plan"
)

// wattsRead is for reading the watts of all hosts, logins and all. Old controllers may need longer: they are not metered then.
const wattsRead = 20 * time.Second

// meter is a bmc that meters what its server takes: *redfish.Client, *ipmi.Client.
type meter interface {
	// Watts reads it; fault.Unsupported where the controller does not meter.
	Watts(ctx context.Context) (float64, error)
}

// MeasurePower reads the watts of all hosts of the lab side by side. Whoever does not answer in time is not metered.
func (a *Activities) MeasurePower(ctx context.Context, _ string) (plan.PowerReading, error) {
	ctx, cancel := context.WithTimeout(ctx, wattsRead)
	defer cancel()
	type answer struct {
		host  string
		watts float64
	}
	answers := make(chan answer, len(a.lab.Hosts)) // with room for all: who comes late holds up nobody
	var all sync.WaitGroup
	for i := range a.lab.Hosts {
		h := &a.lab.Hosts[i]
		if h.BMC == nil {
			continue
		}
		all.Go(func() {
			if watts, ok := a.watts(ctx, h); ok {
				answers <- answer{h.Name, watts}
			}
		})
	}
	done := make(chan struct{})
	go func() { defer close(done); all.Wait() }()
	select {
	case <-done:
	case <-ctx.Done():
	}
	got := plan.PowerReading{At: time.Now().UTC(), Hosts: map[string]float64{}}
	if e := a.lab.Energy; e != nil {
		got.Price, got.Currency = e.Price, e.Currency
	}
	for len(answers) > 0 {
		one := <-answers
		got.Hosts[one.host] = one.watts
		got.Watts += one.watts
	}
	got.Unmetered = len(a.lab.Hosts) - len(got.Hosts)
	return got, nil
}

// watts reads one host. That its BMC is really its own was seen when the plan was made.
func (a *Activities) watts(ctx context.Context, h *inventory.Host) (watts float64, ok bool) {
	s, err := a.clients.server(h)
	if err != nil {
		return 0, false
	}
	defer s.close(ctx)
	err = s.do(ctx, func(b bmc.Session) (err error) {
		if m, metered := b.(meter); metered {
			watts, err = m.Watts(ctx)
			ok = err == nil
		}
		return err
	})
	if err != nil {
		a.log.Debug("not metered", "target", h.Name, "error", err)
	}
	return watts, ok
}
