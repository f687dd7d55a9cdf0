package report

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Manual is what a person needs to know to bring a lab up without nightshift: it lies beside nightshift's own state,
// where it can be read when neither the vCenter nor nightshift runs. It holds no passwords.
type Manual struct {
	Lab      string          `json:"lab"`
	Run      string          `json:"run"` // workflow id of the run before which it was written
	At       time.Time       `json:"at"`
	OtherLab bool            `json:"otherLab,omitempty"` // made with a lab file that is not the one of the run's plan
	VCenters []ManualVCenter `json:"vcenters"`
	Hosts    []ManualHost    `json:"hosts"`    // in the order in which to switch them on
	Guests   []ManualGuest   `json:"guests"`   // in the order in which to start them
	Clusters []ManualCluster `json:"clusters"` // with what they have to get back
}

// A ManualVCenter is a vCenter.
type ManualVCenter struct {
	Name  string `json:"name"`
	URL   string `json:"url"`
	Guest string `json:"guest,omitempty"` // it runs in; empty: outside of the lab
}

// A ManualHost is a host of the lab.
type ManualHost struct {
	Name    string `json:"name"`
	VCenter string `json:"vcenter"`
	Switch  string `json:"switch,omitempty"` // how to switch it on: "BMC https://10.0.0.21", "Wake-on-LAN 00:11:22:33:44:55"; empty: its power button
	ESXi    string `json:"esxi,omitempty"`   // its own address
	First   bool   `json:"first,omitempty"`  // carries, or is, what the lab stands on
	Kept    bool   `json:"kept,omitempty"`   // nightshift leaves it on
	// Maintenance: it was in maintenance mode before nightshift came, and is to stay in it.
	Maintenance bool     `json:"maintenance,omitempty"`
	Provides    []string `json:"provides,omitempty"`
}

// A ManualGuest is a guest that ran.
type ManualGuest struct {
	Name       string   `json:"name"`
	VCenter    string   `json:"vcenter"`
	Host       string   `json:"host"`
	Path       string   `json:"path,omitempty"`       // of its configuration file: "[datastore1] web01/web01.vmx"; empty: its vCenter stays, and knows
	Datastores []string `json:"datastores,omitempty"` // names
	Provides   []string `json:"provides,omitempty"`   // "datastore:shared01"; with any, it belongs to what the lab stands on
	After      []string `json:"after,omitempty"`      // guests that have to be up before
	Kept       bool     `json:"kept,omitempty"`       // nightshift leaves it on
}

// A ManualCluster is a cluster and its settings as they were.
type ManualCluster struct {
	Name     string          `json:"name"`
	VCenter  string          `json:"vcenter"`
	Settings []ManualSetting `json:"settings"`
}

// A ManualSetting is a setting of a cluster and its value before nightshift changed it.
type ManualSetting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Text is the page, for people who may read it at night beside a rack.
func (m Manual) Text() string {
	p := &page{}
	p.line("How to bring lab %s up by hand", m.Lab)
	p.line("Written by nightshift on %s, in run %s, before anything was switched off.", m.At.UTC().Format("2006-01-02 15:04 UTC"), m.Run)
	if m.OtherLab {
		p.line("The lab file has changed since: what is said of BMCs, addresses and what is kept may differ from how it was then.")
	}
	p.line("Where nightshift runs, `nightshift run power-up` does all of this. What is marked (kept) was not to be switched off.")
	first := slices.DeleteFunc(slices.Clone(m.Hosts), func(h ManualHost) bool { return !h.First })
	rest := slices.DeleteFunc(slices.Clone(m.Hosts), func(h ManualHost) bool { return h.First })
	needed := slices.DeleteFunc(slices.Clone(m.Guests), func(g ManualGuest) bool { return len(g.Provides) == 0 })
	others := slices.DeleteFunc(slices.Clone(m.Guests), func(g ManualGuest) bool { return len(g.Provides) > 0 })
	if len(first) > 0 {
		p.head("Switch on the hosts that carry what the lab stands on, and wait until each answers at its own address")
		p.hosts(first)
		p.head("Take these hosts out of maintenance mode, each at its own address")
		p.maintenance(first)
	}
	if len(needed) > 0 {
		p.head("Start what the lab stands on, in this order, each at its host's own address, and wait until it works")
		p.guests(needed)
	}
	if len(m.VCenters) > 0 {
		p.head("Wait for the vCenters")
	}
	for _, v := range m.VCenters {
		where := "outside of this lab"
		if v.Guest != "" {
			where = "in guest " + v.Guest
		}
		p.line("   %s, %s: %s", v.Name, where, v.URL)
	}
	if len(rest) > 0 {
		p.head("Switch on the other hosts, and wait until their vCenter shows them as connected")
		p.hosts(rest)
		p.head("Take these hosts out of maintenance mode, and see that their datastores are accessible (rescan their storage if not)")
		p.maintenance(rest)
	}
	p.settings(m.Clusters)
	if len(others) > 0 {
		p.head("Start the other guests that ran, in this order")
		p.guests(others)
	}
	p.head("Tell nightshift that it is done")
	p.line("   `nightshift status` shows what it believes to be owed; `nightshift run settle` gives it back or sees that it is back.")
	return p.String()
}

// A page is text with numbered headings.
type page struct {
	strings.Builder
	n int
}

func (p *page) line(format string, args ...any) {
	_, _ = fmt.Fprintf(p, format+"\n", args...) // a builder takes everything
}

func (p *page) head(title string) {
	p.n++
	p.line("\n%d. %s", p.n, title)
}

func (p *page) hosts(list []ManualHost) {
	for _, h := range list {
		parts := []string{h.Switch}
		if h.Switch == "" {
			parts = []string{"its power button"}
		}
		if h.ESXi != "" {
			parts = append(parts, "its own address: "+h.ESXi)
		}
		if len(h.Provides) > 0 {
			parts = append(parts, "provides "+strings.Join(h.Provides, ", "))
		}
		p.line("   [ ] %s%s: %s", h.Name, kept(h.Kept), strings.Join(parts, "; "))
	}
}

func (p *page) maintenance(list []ManualHost) {
	for _, h := range list {
		if h.Maintenance {
			p.line("       %s was in maintenance mode before: leave it in it", h.Name)
			continue
		}
		p.line("   [ ] %s", h.Name)
	}
}

func (p *page) guests(list []ManualGuest) {
	for _, g := range list {
		where := ""
		if g.Path != "" { // of a vCenter that stays nobody needs it
			where = ": " + g.Path
		}
		p.line("   [ ] %s%s on host %s%s", g.Name, kept(g.Kept), g.Host, where)
		if len(g.Datastores) > 0 {
			p.line("       needs datastores %s", strings.Join(g.Datastores, ", "))
		}
		if len(g.After) > 0 {
			p.line("       after %s", strings.Join(g.After, ", "))
		}
		if len(g.Provides) > 0 {
			p.line("       provides %s", strings.Join(g.Provides, ", "))
		}
		for _, s := range g.Provides {
			if name, ok := strings.CutPrefix(s, "datastore:"); ok {
				p.line("       then rescan the storage of the hosts until datastore %s is accessible", name)
			}
		}
	}
}

func (p *page) settings(list []ManualCluster) {
	if len(list) == 0 {
		return
	}
	p.head("Give the clusters their settings back, vCLS first and vSphere HA last")
	for _, c := range list {
		var parts []string
		for _, s := range c.Settings {
			parts = append(parts, s.Name+" = "+s.Value)
		}
		p.line("   [ ] cluster %s (vCenter %s): %s", c.Name, c.VCenter, strings.Join(parts, "; "))
	}
}

func kept(k bool) string {
	if k {
		return " (kept)"
	}
	return ""
}
