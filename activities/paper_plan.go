package activities

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"time"

	"nightshift/internal/inventory"
	"nightshift/internal/ledger"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/report"
)

// ManualOf makes the page for a person of the plan of a power-down, at any time and with no vCenter: the
// plan tells its guests, hosts and settings, the lab file how to reach them, and the ledger what is owed; of a vCenter that goes down
// itself it has a record, with the files of its guests. at is when the run was started.
func ManualOf(lab *inventory.Lab, book ledger.State, p plan.Plan, run string, at time.Time) (report.Manual, error) {
	ran := remembered(p)
	book.Memory = append(slices.Clone(book.Memory), ran...)
	page := paper{lab: lab, book: book, vcs: map[string]live.VCenter{}, taken: map[string][]report.ManualCluster{}, place: startPlaces(p)}
	for _, v := range lab.VCenters {
		vc, _, err := recorded(book, v.Name)
		if err != nil {
			return report.Manual{}, err
		}
		vc.Name, vc.Clusters = v.Name, nil
		page.taken[v.Name] = takenBy(p, book, v.Name)
		page.vcs[v.Name] = withPlan(vc, vcenterOfPlan(p, v.Name, ran))
	}
	m := page.manual(run, at)
	m.OtherLab = p.LabHash != "" && p.LabHash != lab.Hash
	return m, nil
}

// remembered are the guests that the plan writes down before anything goes down.
func remembered(p plan.Plan) (list []plan.RememberedGuest) {
	for _, s := range p.Steps {
		var r plan.RememberParams
		if s.Action == plan.RememberRunning && json.Unmarshal(s.Params, &r) == nil {
			list = append(list, r.Guests...)
		}
	}
	return list
}

// startPlaces numbers the guests by the order in which to start them: against that in which the plan takes them down.
func startPlaces(p plan.Plan) map[string]int {
	byID, place := map[string]int{}, map[string]int{}
	for i, s := range p.Steps {
		byID[s.ID] = i
	}
	seen := make([]bool, len(p.Steps))
	var down []string
	var visit func(i int)
	visit = func(i int) {
		if seen[i] {
			return
		}
		seen[i] = true
		for _, id := range p.Steps[i].Needs {
			if j, ok := byID[id]; ok {
				visit(j)
			}
		}
		if p.Steps[i].Action == plan.ShutdownGuest {
			down = append(down, p.Steps[i].Target.UUID)
		}
	}
	for i := range p.Steps {
		visit(i)
	}
	for i, uuid := range down {
		place[uuid] = len(down) - i
	}
	return place
}

// vcenterOfPlan is what the plan tells of a vCenter that stays.
func vcenterOfPlan(p plan.Plan, name string, ran []plan.RememberedGuest) live.VCenter {
	vc := live.VCenter{Name: name}
	enters, hosts := map[string]bool{}, map[string]string{}
	for _, s := range p.Steps {
		if s.Action == plan.EnterMaintenance {
			enters[s.Target.Endpoint+"/"+s.Target.Name] = true
		}
	}
	for _, m := range ran {
		hosts[m.Endpoint+"/"+m.UUID] = m.Host
	}
	for _, s := range p.Steps {
		t := s.Target
		if t.Endpoint != name {
			continue
		}
		switch s.Action {
		case plan.ShutdownHost:
			vc.Hosts = append(vc.Hosts, live.Host{Ref: t.Ref, Name: t.Name, UUID: t.UUID, Maintenance: !enters[name+"/"+t.Name]})
		case plan.ShutdownGuest:
			var d plan.ShutdownGuestParams
			_ = json.Unmarshal(s.Params, &d) // what cannot be read has no host
			g := live.Guest{Ref: t.Ref, Name: t.Name, UUID: t.UUID, Host: d.Host, Power: live.PoweredOn}
			vc.Guests = append(vc.Guests, g)
		}
	}
	for _, g := range vc.Guests { // hosts that stay up
		if g.Host != "" && !slices.ContainsFunc(vc.Hosts, func(h live.Host) bool { return h.Ref == g.Host }) {
			vc.Hosts = append(vc.Hosts, live.Host{Ref: g.Host, Name: cmp.Or(hosts[name+"/"+g.UUID], g.Host)})
		}
	}
	return vc
}

// withPlan is a record with what a plan says: the record may be of an earlier run.
func withPlan(record, planned live.VCenter) live.VCenter {
	record.Hosts, record.Guests = slices.Clone(record.Hosts), slices.Clone(record.Guests)
	for _, h := range planned.Hosts {
		if i := slices.IndexFunc(record.Hosts, func(r live.Host) bool { return r.Ref == h.Ref }); i >= 0 {
			record.Hosts[i].Maintenance = h.Maintenance
		} else {
			record.Hosts = append(record.Hosts, h)
		}
	}
	byUUID := map[string]int{}
	for i, g := range record.Guests {
		byUUID[g.UUID] = i
	}
	for _, g := range planned.Guests {
		if i, ok := byUUID[g.UUID]; ok {
			record.Guests[i].Host, record.Guests[i].Power = cmp.Or(g.Host, record.Guests[i].Host), g.Power
		} else {
			record.Guests = append(record.Guests, g)
		}
	}
	return record
}

var wasBefore = regexp.MustCompile(`\(was ([^)]+)\)$`)

// takenBy are the settings that the plan takes from the clusters of a vCenter, and those that earlier runs still owe, as they were.
func takenBy(p plan.Plan, book ledger.State, name string) (list []report.ManualCluster) {
	seen := map[string]bool{}
	add := func(t plan.Target, set plan.Setting, value string) {
		id := plan.DebtID(name, t.Ref, set)
		if seen[id] {
			return
		}
		seen[id] = true
		if d, owed := book.Debt(id); owed {
			value = cmp.Or(d.Was, "default")
		}
		i := slices.IndexFunc(list, func(c report.ManualCluster) bool { return c.Name == t.Name })
		if i < 0 {
			list, i = append(list, report.ManualCluster{Name: t.Name, VCenter: name}), len(list)
		}
		list[i].Settings = append(list[i].Settings, report.ManualSetting{Name: set.Title(), Value: value})
	}
	for _, s := range p.Steps {
		var set plan.SettingParams
		if s.Action != plan.SuspendSetting || s.Target.Endpoint != name || json.Unmarshal(s.Params, &set) != nil {
			continue
		}
		value := map[plan.Setting]string{plan.HA: "true", plan.DPM: "true", plan.VCLS: "default"}[set.Setting]
		if m := wasBefore.FindStringSubmatch(s.Title); m != nil {
			value = m[1]
		}
		add(s.Target, set.Setting, value)
	}
	for _, d := range book.Debts {
		if d.Target.Kind == plan.Cluster && d.Target.Endpoint == name {
			add(d.Target, d.Setting, "")
		}
	}
	for _, c := range list {
		slices.SortStableFunc(c.Settings, func(a, b report.ManualSetting) int { return cmp.Compare(givenBack(a.Name), givenBack(b.Name)) })
	}
	return list
}

// givenBack is the place of a setting in the order in which settings are given back.
func givenBack(title string) int {
	return slices.IndexFunc([]plan.Setting{plan.VCLS, plan.DRS, plan.DPM, plan.HA}, func(s plan.Setting) bool { return s.Title() == title })
}
