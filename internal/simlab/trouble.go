package simlab

import (
	"errors"
	"slices"
	"time"
)

// A Trouble is something that goes wrong with a guest, a host or a protection group of a lab until the lab ends: for people who
// want to see it.
type Trouble struct {
	Name string
	// About is what it happens to: OfGuest, OfHost, OfGroup or OfReplicated.
	About string
	What  string // what happens, and what comes of it, in a sentence
	begin func(l *Lab, target string) error
}

// What troubles are about.
const (
	OfGuest = "GUEST"
	OfHost  = "HOST"
	OfGroup = "GROUP"
	// OfReplicated is a group that was replicated before.
	OfReplicated = "GROUP-WITH-REPLICAS"
)

// never is longer than any lab runs.
const never = 1000 * time.Hour

// Troubles lists them.
func Troubles() []Trouble {
	return []Trouble{
		{"guest-ignores-shutdown", OfGuest, "takes no notice of its shutdown: the step blocks after its time-out", func(l *Lab, name string) error {
			l.change(func(*touched) { l.guestNamed(name).spec.IgnoresShutdown = true })
			return nil
		}},
		{"guest-asks", OfGuest, "stands still until somebody answers its question in vCenter: the step blocks", func(l *Lab, name string) error {
			l.Ask(name, "There is no more space on the disk. Retry?")
			return nil
		}},
		{"guest-refused", OfGuest, "may not be shut down, says the vCenter, as a right is missing: the step blocks", func(l *Lab, name string) error {
			l.Inject(Fault{System: "vcenter", Verb: "ShutdownGuest", Target: name, Kind: Error, SOAP: "NoPermission"})
			return nil
		}},
		{"answer-lost", OfGuest, "is shut down, but the answer to the call gets lost: nightshift looks, and sends nothing twice", func(l *Lab, name string) error {
			l.Inject(Fault{System: "vcenter", Verb: "ShutdownGuest", Target: name, Kind: LoseAnswer, Times: 1})
			return nil
		}},
		{"host-refused", OfHost, "may not be shut down, says the vCenter, as a right is missing: the step blocks", func(l *Lab, name string) error {
			l.Inject(Fault{System: "vcenter", Verb: "ShutdownHost_Task", Target: name, Kind: Error, SOAP: "NoPermission"})
			return nil
		}},
		{"host-hangs", OfHost, "never comes to the end of its shutdown: the step blocks, and --force cuts its power", func(l *Lab, name string) error {
			l.change(func(*touched) { l.hostNamed(name).spec.Shutdown = never })
			return nil
		}},
		{"host-does-not-boot", OfHost, "is switched on, and ESXi never comes up: power-up blocks, and says what its BMC tells and where to look", func(l *Lab, name string) error {
			l.change(func(*touched) { l.hostNamed(name).spec.Boot = never })
			return nil
		}},
		{"bmc-silent", OfHost, "has a BMC that does not answer: the run is refused, as nobody could switch the host on again", func(l *Lab, name string) error {
			l.CutOff("bmc:"+name, 0)
			return nil
		}},
		{"stream-breaks", OfGroup, "has its first stream broken off in the midst: what had arrived stays, and the rest is sent", func(l *Lab, name string) error {
			g := l.group(name)
			l.Inject(Fault{System: "ssh:" + g.Target, Verb: "zfs receive:" + g.replica(g.Datasets[0]), Kind: Break, Bytes: muchToSend / storageScale / 2, Times: 1})
			return l.muchToSend(g)
		}},
		{"target-full", OfGroup, "has a target on which a quota is reached: the step blocks, and what had arrived stays", func(l *Lab, name string) error {
			g := l.group(name)
			target := l.storageHost(g.Target)
			used, err := target.askRoot("zfs", "get", "-Hpo", "value", "used", g.Under)
			if err != nil {
				return err
			}
			return errors.Join(target.asRoot("zfs", "set", "quota="+used, g.Under), l.muchToSend(g))
		}},
		{"target-silent", OfGroup, "has a target without current: replicate is refused, as nothing of it can be read", func(l *Lab, name string) error {
			l.CutOff("storage:"+l.group(name).Target, 0)
			return nil
		}},
		{"written-to", OfReplicated, "has a replica to which somebody wrote: replicate is refused, as nothing is rolled back unasked", func(l *Lab, name string) error {
			g := l.group(name)
			target, replica := l.storageHost(g.Target), g.replica(g.Datasets[0])
			if err := target.asRoot("zfs", "set", "readonly=off", "volmode=dev", replica); err != nil {
				return err
			}
			return target.Write(replica, 0, storageUnit)
		}},
	}
}

// muchToSend is the least that a stream has after Lab.muchToSend, in bytes.
const muchToSend = 16 * gigabyte

// muchToSend writes to a group that was replicated before, the next streams of which would be small: that of its first dataset is not.
func (l *Lab) muchToSend(g GroupSpec) error {
	if g.History == 0 {
		return nil
	}
	return l.StorageHost(g.Source).Write(g.Datasets[0], 0, muchToSend)
}

func (l *Lab) group(name string) GroupSpec {
	i := slices.IndexFunc(l.spec.Groups, func(g GroupSpec) bool { return g.Name == name })
	return l.spec.Groups[i]
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
	for _, g := range s.Groups {
		if t.About == OfGroup || t.About == OfReplicated && g.History > 0 {
			names = append(names, g.Name)
		}
	}
	return names
}

// Begin has it happen to one of its Targets.
func (t Trouble) Begin(l *Lab, target string) error { return t.begin(l, target) }
