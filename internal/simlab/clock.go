package simlab

import (
	"context"
	"time"
)

// How long things take in a real lab, as far as the spec does not say. The lab's speed divides all of them.
const (
	takePowerOnTask  = 3 * time.Second
	takePowerOffTask = 2 * time.Second
	takeSuspendTask  = 12 * time.Second
	takeEnterMaint   = 8 * time.Second
	takeExitMaint    = 5 * time.Second
	takeReconfigure  = 6 * time.Second
	takeShutdownTask = 3 * time.Second
	takeEvacuate     = 10 * time.Second // a vCLS VM to another host
	hostStopsGuests  = 5 * time.Second  // from the order to shut down to the death of guests that still run
	hostLost         = 20 * time.Second // from silence to notResponding
	bmcTransition    = 5 * time.Second  // PoweringOn, PoweringOff
	hostConnects     = 10 * time.Second // from ESXi answering to connected
	storageAppears   = 10 * time.Second // from connected to datastores accessible
	hostReconnects   = 3 * time.Second  // from one host to the next, when a vCenter comes up
	takeMigrate      = 20 * time.Second
	takeRescan       = 6 * time.Second
	haRestarts       = 45 * time.Second // from a host's death to the restart of its guests
	serviceAnswers   = 3 * time.Second  // from the Tools' heartbeat to the guest's health page
	vclsPeriod       = 10 * time.Second // how often vCenter looks after its vCLS VMs
	esxiLocks        = 15 * time.Minute // an account after too many wrong passwords
	vcenterLocks     = 5 * time.Minute
	vclsGoes         = 25 * time.Second // from retreat mode to their deletion
)

// loginsAllowed is how many wrong passwords in a row lock an account.
const loginsAllowed = 5

// scaled is how long d takes in this lab.
func (l *Lab) scaled(d time.Duration) time.Duration { return time.Duration(float64(d) / l.speed) }

// about is d, give or take a tenth.
func (l *Lab) about(d time.Duration) time.Duration {
	l.rngMu.Lock()
	defer l.rngMu.Unlock()
	return time.Duration(float64(d) * (0.9 + 0.2*l.rng.Float64()))
}

// sleep waits for d of wall-clock time; false: the lab was closed.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// begin says whether something may still begin; its end is l.wg.Done, which Close waits for.
func (l *Lab) begin() bool {
	l.life.Lock()
	defer l.life.Unlock()
	if l.ctx.Err() != nil {
		return false
	}
	l.wg.Add(1)
	return true
}

// goRun runs fn in a goroutine that Close waits for.
func (l *Lab) goRun(fn func()) {
	if !l.begin() {
		return
	}
	go func() {
		defer l.wg.Done()
		fn()
	}()
}

// goAfter runs fn after d of wall-clock time, unless the lab is closed first.
func (l *Lab) goAfter(d time.Duration, fn func()) {
	l.goRun(func() {
		if sleep(l.ctx, d) {
			fn()
		}
	})
}

// after runs fn about d of lab time from now.
func (l *Lab) after(d time.Duration, fn func()) { l.goAfter(l.scaled(l.about(d)), fn) }
