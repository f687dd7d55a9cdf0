package inventory

import (
	"cmp"
	"net"
	"slices"
	"time"

	"nightshift/internal/plan"
)

// A UPS is an uninterruptible power supply that a NUT server (upsd) watches.
type UPS struct {
	Name   string `json:"name"`   // as upsd calls it
	Server string `json:"server"` // of upsd: host[:port], port 3493 by default
	// User and Password are for orders: loadOff. Reading needs no login.
	User     string    `json:"user,omitempty"`
	Password SecretRef `json:"password,omitempty"` // a reference, never the password itself
	// TLS demands STARTTLS of the server, and says how its certificate is verified. Without it nothing is encrypted.
	TLS *TLS `json:"tls,omitempty"`
	// Insecure allows to send the password without TLS to another machine. Every use warns.
	Insecure bool `json:"insecure,omitempty"`
	// Feeds are the hosts that run on it, by their names in this file. One that two UPSes feed goes down with the second.
	Feeds []string `json:"feeds" jsonschema:"minItems=1"`
	// Self says that nightshift's own machine runs on it, and Switches which switches do: without them nobody could be told anything.
	Self     bool     `json:"self,omitempty"`
	Switches []string `json:"switches,omitempty"`

	OnBattery OnBattery `json:"onBattery,omitempty"`
	// WhenLost is what happens when the UPS was on battery and cannot be read any more: alarm (default) | powerDown.
	WhenLost string    `json:"whenLost,omitempty" jsonschema:"enum=alarm,enum=powerDown"`
	Policy   UPSPolicy `json:"policy,omitempty"`
	// LoadOff has the UPS switch its load off when all hosts that it feeds are seen off. Without it, it runs until it is empty.
	LoadOff *LoadOff   `json:"loadOff,omitempty"`
	PowerUp UPSPowerUp `json:"powerUp,omitempty"`
}

// OnBattery says when a power-down starts: at the first of its limits. A forced shutdown, and a battery that the UPS itself
// calls low, start it at once.
type OnBattery struct {
	Charge  int           `json:"charge,omitempty" jsonschema:"minimum=0"` // of the battery, percent: at or below; default 40
	Runtime plan.Duration `json:"runtime,omitempty"`                       // that the UPS still expects: at or below; default 10m
	After   plan.Duration `json:"after,omitempty"`                         // so long on battery, short returns of the mains left out; default 2m
	// Steady is how long the mains must be there without a break to count as back. Default 1m.
	Steady plan.Duration `json:"steady,omitempty"`
}

// A UPSPolicy says how harsh a power-down is that a UPS has started. Guests and hosts get less time and harsher ways by it
// than by their own settings, never more time or gentler ones.
type UPSPolicy struct {
	// OnFailure is what happens to a step that fails: nobody is there to ask. Default skip.
	OnFailure plan.OnFailure `json:"onFailure,omitempty" jsonschema:"enum=ask,enum=skip,enum=force,enum=abort"`
	// Deadline ends the power-down in order when it takes longer. Default: none, it goes on as long as there is power.
	Deadline plan.Duration `json:"deadline,omitempty"`
	Guests   UPSGuests     `json:"guests,omitempty"`
	Hosts    UPSHosts      `json:"hosts,omitempty"`
}

// UPSGuests is for guests on the hosts that go down.
type UPSGuests struct {
	Timeout   plan.Duration `json:"timeout,omitempty"`                                                               // default 3m
	OnTimeout string        `json:"onTimeout,omitempty" jsonschema:"enum=ask,enum=powerOff,enum=suspend,enum=leave"` // powerOff (default) | suspend | ask
	NoTools   string        `json:"noTools,omitempty" jsonschema:"enum=ask,enum=powerOff,enum=suspend,enum=leave"`   // powerOff (default) | suspend | ask
}

// UPSHosts is for the hosts.
type UPSHosts struct {
	Timeout plan.Duration `json:"timeout,omitempty"` // until the BMC says Off; default 10m
	// OnTimeout allows to cut a host's power by its BMC: ask (default) | forceOff. Only after all its guests were seen off.
	OnTimeout string `json:"onTimeout,omitempty" jsonschema:"enum=ask,enum=forceOff,enum=leave"`
}

// LoadOff is the order to the UPS that comes last.
type LoadOff struct {
	Delay        plan.Duration `json:"delay,omitempty"`        // from the order until the load is off: nightshift's machine has to halt by then; default 2m
	RestartDelay plan.Duration `json:"restartDelay,omitempty"` // from the return of the mains until it is on again; default 5m
}

// UPSPowerUp says when what went down because of the UPS comes up again.
type UPSPowerUp struct {
	Auto   *bool         `json:"auto,omitempty"`                          // start it without being asked; default true
	Charge int           `json:"charge,omitempty" jsonschema:"minimum=0"` // the battery must have again, percent; default 50
	Settle plan.Duration `json:"settle,omitempty"`                        // so long the mains must be back without a break, and at least onBattery.steady, and the delays of loadOff; default 5m
}

// What WhenLost can be.
const (
	LostAlarm     = "alarm"
	LostPowerDown = "powerDown"
)

// upsPort is upsd's.
const upsPort = "3493"

// Address is that of the server, with its port.
func (u UPS) Address() string {
	if _, _, err := net.SplitHostPort(u.Server); err == nil {
		return u.Server
	}
	host := u.Server
	if len(host) > 1 && host[0] == '[' && host[len(host)-1] == ']' {
		host = host[1 : len(host)-1]
	}
	return net.JoinHostPort(host, upsPort)
}

// UPSOf finds a UPS by its name.
func (l *Lab) UPSOf(name string) (*UPS, bool) {
	return find(l.UPS, func(u *UPS) bool { return u.Name == name })
}

// FeedsOf are the UPSes that feed a host.
func (l *Lab) FeedsOf(host string) (names []string) {
	for _, u := range l.UPS {
		if slices.Contains(u.Feeds, host) {
			names = append(names, u.Name)
		}
	}
	return names
}

// Settings are those of a power-down that the UPS has started: over those of the runbook. One that wakes late does not go
// on: the lab may be in use again.
func (u *UPS) Settings(s plan.Settings) plan.Settings {
	s.OnFailure, s.Deadline, s.OnStale = u.Policy.OnFailure, u.Policy.Deadline, "stop"
	return s
}

// Guest is how a guest goes down by the UPS's policy: p, with less time and harsher.
func (p UPSPolicy) Guest(own GuestPolicy) GuestPolicy {
	own.Timeout = min(own.Timeout, p.Guests.Timeout)
	if own.OnTimeout == plan.LeaveGuest {
		own.OnTimeout = p.Guests.OnTimeout
	}
	if own.NoTools == plan.LeaveGuest {
		own.NoTools = p.Guests.NoTools
	}
	return own
}

// Host is how a host goes down by it.
func (p UPSPolicy) Host(own HostPolicy) HostPolicy {
	own.Timeout = min(own.Timeout, p.Hosts.Timeout)
	if own.OnTimeout == plan.LeaveHost {
		own.OnTimeout = p.Hosts.OnTimeout
	}
	return own
}

func (u *UPS) fillIn() {
	minutes := func(p *plan.Duration, n int) { *p = cmp.Or(*p, plan.Duration(time.Duration(n)*time.Minute)) }
	b, p, up := &u.OnBattery, &u.Policy, &u.PowerUp
	b.Charge = cmp.Or(b.Charge, 40)
	minutes(&b.Runtime, 10)
	minutes(&b.After, 2)
	minutes(&b.Steady, 1)
	u.WhenLost = cmp.Or(u.WhenLost, LostAlarm)
	p.OnFailure = cmp.Or(p.OnFailure, plan.Skip)
	minutes(&p.Guests.Timeout, 3)
	inPlans(&p.Guests.OnTimeout, &p.Guests.NoTools, &p.Hosts.OnTimeout)
	p.Guests.OnTimeout, p.Guests.NoTools = cmp.Or(p.Guests.OnTimeout, plan.PowerOffGuest), cmp.Or(p.Guests.NoTools, plan.PowerOffGuest)
	minutes(&p.Hosts.Timeout, 10)
	p.Hosts.OnTimeout = cmp.Or(p.Hosts.OnTimeout, plan.LeaveHost)
	if u.LoadOff != nil {
		minutes(&u.LoadOff.Delay, 2)
		minutes(&u.LoadOff.RestartDelay, 5)
	}
	if up.Auto == nil {
		yes := true
		up.Auto = &yes
	}
	up.Charge = cmp.Or(up.Charge, 50)
	minutes(&up.Settle, 5)
	if u.TLS != nil {
		if sum, err := ParseFingerprint(u.TLS.Fingerprint); err == nil {
			u.TLS.Fingerprint = FormatFingerprint(sum)
		}
	}
}
