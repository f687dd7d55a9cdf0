package simlab

import "context"

// HostState is what is really the case at a host.
type HostState struct {
	Power       string // On | Off | PoweringOn | PoweringOff
	Running     bool   // ESXi is up
	Connected   bool   // in vCenter
	Maintenance bool
	Storage     bool // its datastores are accessible
	Boots       int  // how often it was switched on
	Quiet       bool // its alarms do nothing
}

// GuestState is what is really the case at a guest.
type GuestState struct {
	Power    string // poweredOn | poweredOff | suspended
	Host     string
	Tools    bool // the heartbeat is green
	Ready    bool // its service answers
	Question bool // it waits for an answer
	Crashes  int  // how often it died with its host
	Restarts int  // by HA
	VCLS     bool
}

// ClusterState is the settings of a cluster.
type ClusterState struct {
	HA, DRS  bool
	DRSLevel string
	DPM      bool
	// PoolsLost: DRS was disabled at some time, which deletes all resource pools.
	PoolsLost bool
	Retreat   bool // vCLS retreat mode
	Quiet     bool // its alarms do nothing
}

// Hosts returns the state of every host by name.
func (l *Lab) Hosts() map[string]HostState {
	out := map[string]HostState{}
	l.read(func() {
		for _, h := range l.hosts {
			out[h.spec.Name] = HostState{h.power, h.running, h.connected, h.maintenance, h.storage, h.restarts, h.quiet}
		}
	})
	return out
}

// Guests returns the state of every guest by name, vCLS VMs included.
func (l *Lab) Guests() map[string]GuestState {
	out := map[string]GuestState{}
	l.read(func() {
		for _, g := range l.guests {
			if !g.deleted {
				out[g.spec.Name] = GuestState{
					g.power, g.host.spec.Name, g.tools, g.ready, g.question != nil,
					g.crashes, g.restarts, g.vcls != nil,
				}
			}
		}
	})
	return out
}

// Clusters returns the settings of every cluster by name.
func (l *Lab) Clusters() map[string]ClusterState {
	out := map[string]ClusterState{}
	l.read(func() {
		for _, c := range l.clusters {
			out[c.spec.Name] = ClusterState{c.ha, c.drs, c.drsLevel, c.dpm, c.poolsGone, c.retreat, c.quiet}
		}
	})
	return out
}

// VCLSCount is how many vCLS VMs run.
func (l *Lab) VCLSCount() int {
	n := 0
	for _, g := range l.Guests() {
		if g.VCLS && g.Power == guestOn {
			n++
		}
	}
	return n
}

// WaitFor blocks until cond is true. It is looked at again after every change of the lab; ctx ends the wait with its error.
func (l *Lab) WaitFor(ctx context.Context, cond func(*Lab) bool) error {
	for {
		l.mu.Lock()
		changed := l.changed
		l.mu.Unlock()
		if cond(l) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-l.ctx.Done():
			return l.ctx.Err()
		}
	}
}
