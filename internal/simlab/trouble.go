package simlab

import "time"

// A Trouble is something that goes wrong with a guest or a host of a lab until the lab ends: for people who want to see it.
type Trouble struct {
	Name string
	// About is what it happens to: OfGuest or OfHost.
	About string
	What  string // what happens, and what comes of it, in a sentence
	begin func(l *Lab, target string)
}

// What troubles are about.
const (
	OfGuest = "GUEST"
	OfHost  = "HOST"
)

// never is longer than any lab runs.
const never = 1000 * time.Hour

// Troubles lists them.
func Troubles() []Trouble {
	return []Trouble{
		{"guest-ignores-shutdown", OfGuest, "takes no notice of its shutdown: the step blocks after its time-out", func(l *Lab, name string) {
			l.change(func(*touched) { l.guestNamed(name).spec.IgnoresShutdown = true })
		}},
		{"guest-asks", OfGuest, "stands still until somebody answers its question in vCenter: the step blocks", func(l *Lab, name string) {
			l.Ask(name, "There is no more space on the disk. Retry?")
		}},
		{"guest-refused", OfGuest, "may not be shut down, says the vCenter, as a right is missing: the step blocks", func(l *Lab, name string) {
			l.Inject(Fault{System: "vcenter", Verb: "ShutdownGuest", Target: name, Kind: Error, SOAP: "NoPermission"})
		}},
		{"answer-lost", OfGuest, "is shut down, but the answer to the call gets lost: nightshift looks, and sends nothing twice", func(l *Lab, name string) {
			l.Inject(Fault{System: "vcenter", Verb: "ShutdownGuest", Target: name, Kind: LoseAnswer, Times: 1})
		}},
		{"host-refused", OfHost, "may not be shut down, says the vCenter, as a right is missing: the step blocks", func(l *Lab, name string) {
			l.Inject(Fault{System: "vcenter", Verb: "ShutdownHost_Task", Target: name, Kind: Error, SOAP: "NoPermission"})
		}},
		{"host-hangs", OfHost, "never comes to the end of its shutdown: the step blocks, and --force cuts its power", func(l *Lab, name string) {
			l.change(func(*touched) { l.hostNamed(name).spec.Shutdown = never })
		}},
		{"host-does-not-boot", OfHost, "is switched on, and ESXi never comes up: power-up blocks, and says what its BMC tells and where to look", func(l *Lab, name string) {
			l.change(func(*touched) { l.hostNamed(name).spec.Boot = never })
		}},
		{"bmc-silent", OfHost, "has a BMC that does not answer: the run is refused, as nobody could switch the host on again", func(l *Lab, name string) {
			l.CutOff("bmc:"+name, 0)
		}},
	}
}

// Targets are the names that the trouble can happen to.
func (t Trouble) Targets(s Spec) (names []string) {
	kept := map[string]bool{}
	for _, h := range s.Hosts {
		kept[h.Name] = h.Keep
		if t.About == OfHost && !h.Keep && !h.NoBMC {
			names = append(names, h.Name)
		}
	}
	for _, g := range s.Guests {
		if t.About == OfGuest && !g.Keep && !g.Off && !kept[g.Host] {
			names = append(names, g.Name)
		}
	}
	return names
}

// Begin has it happen to one of its Targets.
func (t Trouble) Begin(l *Lab, target string) { t.begin(l, target) }
