package activities

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"nightshift/internal/inventory"
	"nightshift/internal/ledger"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/report"
	"nightshift/internal/wholefile"
	"nightshift/runbooks"
)

// writePaper writes the page with what a person would do by hand, and answers where it is; "": nowhere. got is what the
// vCenter of the step told just now.
func (a *Activities) writePaper(ctx context.Context, c plan.Call, got live.VCenter) (string, error) {
	if a.papers == "" {
		return "", nil
	}
	book, err := a.ledger.read(ctx, c.Lab)
	if err != nil {
		return "", err
	}
	p := paper{lab: a.lab, book: book, vcs: map[string]live.VCenter{got.Name: got}}
	for _, v := range a.lab.VCenters {
		if v.Name == got.Name {
			continue
		}
		// Another one is told as it is, else as it was recorded: its own step tells it again.
		other, err := a.inspectVCenter(ctx, v.Name)
		if err != nil {
			if other, _, err = recorded(book, v.Name); err != nil {
				return "", err
			}
		}
		p.vcs[v.Name] = other
	}
	return a.putPaper(p, c.Run)
}

// paperBefore writes the page when a run plans to take something down: before anything is. RecordLab writes it again, just before
// a vCenter goes.
func (a *Activities) paperBefore(r plan.Request, p plan.Plan, saw planned) error {
	if a.papers == "" || r.Run == "" || r.Runbook != runbooks.PowerDown || len(p.Blockers) > 0 || !slices.ContainsFunc(p.Steps, plan.Step.TakesDown) {
		return nil
	}
	page := paper{lab: a.lab, book: saw.book, vcs: map[string]live.VCenter{}}
	for _, vc := range saw.state.VCenters {
		page.vcs[vc.Name] = vc
	}
	_, err := a.putPaper(page, r.Run)
	return err
}

func (a *Activities) putPaper(p paper, run string) (string, error) {
	path := filepath.Join(a.papers, "restore-"+a.lab.Lab+".txt")
	return path, writeFile(path, p.manual(run, time.Now()).Text())
}

// writeFile puts a whole file in the place of an earlier one, in a directory that need not be there yet.
func writeFile(path, text string) error {
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = wholefile.Replace(path, []byte(text))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// A paper is what the page is made of.
type paper struct {
	lab  *inventory.Lab
	book ledger.State
	vcs  map[string]live.VCenter // by name in the lab file
	// Of what only a plan tells: the settings of clusters, by vCenter, and the guests in the order in which to start them, by UUID.
	taken map[string][]report.ManualCluster
	place map[string]int
}

func (p paper) manual(run string, at time.Time) report.Manual {
	m := report.Manual{Lab: p.lab.Lab, Run: run, At: at, Hosts: p.hosts(), Clusters: p.clusters()}
	for _, v := range p.lab.VCenters {
		one := report.ManualVCenter{Name: v.Name, URL: v.URL}
		if g, ok := p.lab.VCenterGuest(v.Name); ok {
			one.Guest = g.Name
		}
		m.VCenters = append(m.VCenters, one)
	}
	for _, g := range p.startOrder() {
		m.Guests = append(m.Guests, p.guest(g, keptBy(p.lab, g.vc.Name, g.Guest) != ""))
	}
	return m
}

// hosts lists those of the lab file, the ones that carry what the lab stands on first.
func (p paper) hosts() []report.ManualHost {
	var first, rest []report.ManualHost
	carries := map[string]bool{}
	for _, g := range p.guests() {
		if g.lab != nil && len(g.lab.Provides) > 0 {
			carries[g.host] = true
		}
	}
	for _, h := range p.lab.Hosts {
		one := report.ManualHost{Name: h.Name, VCenter: h.VCenter, Kept: h.Keep, Provides: provisions(h.Provides), First: carries[h.Name] || len(h.Provides) > 0}
		switch {
		case h.BMC != nil:
			one.Switch = "BMC " + h.BMC.URL
		case h.WakeOnLAN != nil:
			one.Switch = "Wake-on-LAN " + h.WakeOnLAN.MAC
		}
		if h.ESXi != nil {
			one.ESXi = h.ESXi.URL
		}
		for _, l := range p.vcs[h.VCenter].Hosts {
			if strings.EqualFold(l.Name, h.Address) {
				one.Maintenance = l.Maintenance && !p.owes(h.VCenter, l.Ref, plan.Maintenance)
				one.ESXi = cmp.Or(one.ESXi, "https://"+l.Name)
			}
		}
		if one.First {
			first = append(first, one)
		} else {
			rest = append(rest, one)
		}
	}
	return append(first, rest...)
}

func provisions(list []inventory.Provision) (out []string) {
	for _, p := range list {
		out = append(out, string(p))
	}
	return out
}

func (p paper) owes(endpoint, ref string, s plan.Setting) bool {
	_, owed := p.book.Debt(plan.DebtID(endpoint, ref, s))
	return owed
}

// clusters lists the settings as they were: what is owed already counts more than what is set now.
func (p paper) clusters() (list []report.ManualCluster) {
	for _, v := range p.lab.VCenters {
		list = append(list, p.taken[v.Name]...)
		for _, c := range p.vcs[v.Name].Clusters {
			vcls := "default"
			if c.VCLS != nil {
				vcls = *c.VCLS
			}
			one := report.ManualCluster{Name: c.Name, VCenter: v.Name}
			for _, s := range []struct {
				setting plan.Setting
				now     string
			}{{plan.VCLS, vcls}, {plan.DRS, c.DRSLevel}, {plan.DPM, strconv.FormatBool(c.DPM)}, {plan.HA, strconv.FormatBool(c.HA)}} {
				if d, owed := p.book.Debt(plan.DebtID(v.Name, c.Ref, s.setting)); owed {
					s.now = cmp.Or(d.Was, "default")
				}
				one.Settings = append(one.Settings, report.ManualSetting{Name: s.setting.Title(), Value: cmp.Or(s.now, "off")})
			}
			list = append(list, one)
		}
	}
	return list
}

// A paperGuest is a guest that ran.
type paperGuest struct {
	live.Guest
	vc   live.VCenter
	lab  *inventory.Guest // nil: nothing is said about it
	host string           // its name in the lab file, else in vCenter
}

// guests lists those that run, or ran when an earlier power-down began.
func (p paper) guests() (list []*paperGuest) {
	ran := map[string]bool{}
	for _, m := range p.book.Memory {
		ran[m.Endpoint+"/"+strings.ToLower(m.UUID)] = true
	}
	for _, v := range p.lab.VCenters {
		vc := p.vcs[v.Name]
		for _, g := range vc.Guests {
			wanted := g.Power == live.PoweredOn || ran[v.Name+"/"+g.UUID]
			entry, listed := p.lab.Guest(v.Name, g.Name, g.UUID)
			if g.Template || g.VCLS || !wanted && (!listed || len(entry.Provides) == 0) {
				continue
			}
			one := &paperGuest{Guest: g, vc: vc}
			if listed {
				one.lab = entry
			}
			for _, h := range vc.Hosts {
				if h.Ref == g.Host {
					one.host = h.Name
					if e, ok := p.lab.HostByAddress(v.Name, h.Name); ok {
						one.host = e.Name
					}
				}
			}
			list = append(list, one)
		}
	}
	return list
}

// startOrder lists the guests as they have to be started: what the lab stands on first, by its kind, and each after those
// that the lab file names. A circle is cut where it is met: the planner has said so.
func (p paper) startOrder() []*paperGuest {
	all := p.guests()
	slices.SortStableFunc(all, func(a, b *paperGuest) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(p.place[a.UUID], p.place[b.UUID]), cmp.Compare(a.Name, b.Name))
	})
	var out []*paperGuest
	seen := map[*paperGuest]bool{}
	var visit func(*paperGuest)
	visit = func(g *paperGuest) {
		if seen[g] {
			return
		}
		seen[g] = true
		for _, word := range p.after(g) {
			for _, before := range all {
				if p.means(word, before) {
					visit(before)
				}
			}
		}
		out = append(out, g)
	}
	for _, g := range all {
		visit(g)
	}
	return out
}

// rank is when what the guest provides is needed.
func (g *paperGuest) rank() int {
	kinds := []string{inventory.ProvidesDatastore, inventory.ProvidesDNS, inventory.ProvidesNTP, inventory.ProvidesIdentity, inventory.ProvidesKeys, inventory.ProvidesVCenter}
	if g.lab != nil {
		for i, k := range kinds {
			if provides(g.lab.Provides, k, "") {
				return i
			}
		}
	}
	return len(kinds)
}

const groupPrefix = "group:"

// after are the words of the lab file that name what must be up before the guest.
func (p paper) after(g *paperGuest) (words []string) {
	if g.lab != nil {
		words = append(words, g.lab.After...)
	}
	for _, group := range p.lab.Groups {
		if p.means(groupPrefix+group.Name, g) {
			words = append(words, group.After...)
		}
	}
	return words
}

// means tells whether a word of the lab file names the guest.
func (p paper) means(word string, g *paperGuest) bool {
	name, isGroup := strings.CutPrefix(word, groupPrefix)
	if !isGroup {
		return name == g.Name
	}
	group, ok := p.lab.Group(name)
	return ok && (slices.Contains(group.Guests, g.Name) || group.Tag != "" && slices.Contains(g.Tags, group.Tag))
}

func (p paper) guest(g *paperGuest, kept bool) report.ManualGuest {
	out := report.ManualGuest{Name: g.Name, VCenter: g.vc.Name, Host: cmp.Or(g.host, "unknown"), Path: g.Path, Kept: kept, After: p.after(g)}
	if g.lab != nil {
		out.Provides = provisions(g.lab.Provides)
	}
	for _, ref := range g.Guest.Datastores {
		for _, d := range g.vc.Datastores {
			if d.Ref == ref {
				out.Datastores = append(out.Datastores, d.Name)
			}
		}
	}
	return out
}
