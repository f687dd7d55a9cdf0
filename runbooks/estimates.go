package runbooks

import (
	"time"

	"nightshift/internal/inventory"
	"nightshift/internal/plan"
)

// How long things usually take: for the ETA and the critical path, never for a decision. They are rules of thumb of
// operators for servers of the PowerEdge R620's age with local boot disks and Linux or Windows guests; the simulated
// lab's delays are of the same size.
const (
	takesLedger       = time.Second
	takesRecord       = 5 * time.Second
	takesJoin         = 100 * time.Millisecond
	takesMark         = time.Second
	takesHA           = 30 * time.Second // the agents are reconfigured on every host
	takesDRS          = 5 * time.Second
	takesVCLS         = 2 * time.Minute // the VMs are destroyed one by one; "up to minutes"
	takesShutdown     = time.Minute     // Linux 20 s, Windows 1 to 2 min
	takesSuspend      = 2 * time.Minute // memory is written to disk
	takesPowerOff     = 5 * time.Second
	takesPowerOn      = 10 * time.Second
	takesCheck        = 90 * time.Second // until the Tools' heartbeat
	takesMaintenance  = 30 * time.Second // nothing is left to evacuate
	takesHostShutdown = 4 * time.Minute
	takesHostPowerOn  = 20 * time.Second // until the BMC says On
	takesHostBoot     = 5 * time.Minute  // POST of a two-socket server, ESXi, connection to vCenter
	takesDatastores   = 20 * time.Second
	takesRescan       = time.Minute      // until a storage guest that has just come up serves its first host
	takesVCenter      = 10 * time.Minute // from the boot of its guest until all services answer
	takesApplication  = time.Minute
	takesLUNMap       = 10 * time.Second
	takesHeader       = 2 * time.Second
	takesSave         = 15 * time.Second
	takesCopy         = 5 * time.Second
)

// Margins over what the lab file allows a thing to take. A step has to see the end of what it waits for, and of the
// harsher way it escalates to, before its own time-out; so these are ample, and only a stuck step ever meets them.
const (
	marginRead   = 2 * time.Minute  // to look again and say what was seen
	marginTask   = 5 * time.Minute  // a vCenter task that usually takes seconds
	marginHarder = 10 * time.Minute // power off, suspend or force off after a time-out
)

// checksAtATime bounds how many guests of one vCenter are waited for at a time: each polls it.
const checksAtATime = 256

func takesGuestDown(g *guest) time.Duration {
	switch g.way() {
	case plan.SuspendGuest:
		return takesSuspend
	case plan.PowerOffGuest:
		return takesPowerOff
	}
	return takesShutdown
}

func takesSetting(s plan.Setting) time.Duration {
	switch s {
	case plan.HA:
		return takesHA
	case plan.VCLS:
		return takesVCLS
	}
	return takesDRS
}

func settingTimeout(l *inventory.Lab, s plan.Setting) time.Duration {
	t := marginTask + time.Duration(l.Policies.SettleTime)
	if s == plan.VCLS {
		t += time.Duration(l.Policies.VCLS)
	}
	return t
}

func guestDownTimeout(l *inventory.Lab, p inventory.GuestPolicy) time.Duration {
	return time.Duration(p.Timeout) + 2*time.Duration(l.Policies.SettleTime) + marginHarder
}

// hostDownTimeout leaves time for each way that the policy allows, one after the other.
func hostDownTimeout(l *inventory.Lab, p inventory.HostPolicy) time.Duration {
	t := time.Duration(p.Timeout) + 2*time.Duration(l.Policies.SettleTime) + marginRead
	if p.NoRights == plan.GracefulBMC {
		t += time.Duration(p.Timeout)
	}
	if p.OnTimeout == plan.ForceOffBMC {
		t += marginHarder
	}
	return t
}
