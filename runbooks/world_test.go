package runbooks_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// esxi gives the host an API of its own in the lab file.
func (f *fixture) esxi(hosts ...string) {
	for _, h := range hosts {
		f.labHost(h).ESXi = &inventory.Endpoint{URL: "https://192.168.4." + h[len(h)-1:], User: "root"}
	}
}

func (f *fixture) provide(guest string, what ...inventory.Provision) *inventory.Guest {
	f.lab.Guests = append(f.lab.Guests, inventory.Guest{Name: guest, VCenter: "vc1", Provides: what})
	return f.labGuest(guest)
}

// store adds a datastore, mounted by the hosts.
func (f *fixture) store(ref, name string, hosts ...string) {
	d := live.Datastore{Ref: ref, Name: name, Type: "VMFS", Accessible: true}
	for _, h := range hosts {
		f.host(h).Datastores = append(f.host(h).Datastores, ref)
		d.Hosts = append(d.Hosts, f.host(h).Ref)
	}
	f.vc().Datastores = append(f.vc().Datastores, d)
}

func (f *fixture) on(store string, guests ...string) {
	for _, g := range guests {
		f.guest(g).Datastores = append(f.guest(g).Datastores, store)
	}
}

func emptyLab(cluster string, hosts ...string) *fixture {
	f := &fixture{lab: newLab(), state: &live.State{At: at, Instance: us,
		VCenters: []live.VCenter{{Name: "vc1", InstanceUUID: uuid(9, 1), Version: "8.0.2", APIType: "VirtualCenter"}}}}
	ref := ""
	if cluster != "" {
		ref = "domain-c8"
		f.vc().Clusters = []live.Cluster{{Ref: ref, Name: cluster, HA: true, DRS: true, DRSLevel: "fullyAutomated"}}
	}
	for i, h := range hosts {
		f.lab.Hosts = append(f.lab.Hosts, labHost(h))
		f.addHost(21+i, h, ref)
		f.host(h).Datastores = nil
	}
	return f
}

// drBox is one host with a storage guest that serves the datastore on which all other guests lie, the vCenter too.
func drBox() *fixture {
	f := emptyLab("", "dr1")
	f.addGuest(1, "ss2", "dr1")
	f.addGuest(2, "dns01", "dr1")
	f.addGuest(3, "vcsa", "dr1")
	f.addGuest(4, "web01", "dr1")
	f.addGuest(5, "db01", "dr1")
	f.store("datastore-1", "local", "dr1")
	f.store("datastore-2", "tank", "dr1")
	f.on("datastore-1", "ss2")
	f.on("datastore-2", "dns01", "vcsa", "web01", "db01")
	f.esxi("dr1")
	f.provide("ss2", "datastore:tank")
	f.provide("dns01", "dns", "ntp")
	f.provide("vcsa", "vcenter:vc1")
	f.lab.Guests = append(f.lab.Guests, inventory.Guest{Name: "web01", VCenter: "vc1", After: []string{"db01"}})
	return f
}

// oneHost carries its own vCenter, and a few guests.
func oneHost() *fixture {
	f := emptyLab("", "esx1")
	f.addGuest(1, "vcsa", "esx1")
	f.addGuest(2, "web01", "esx1")
	f.addGuest(3, "db01", "esx1")
	f.store("datastore-1", "local", "esx1")
	f.on("datastore-1", "vcsa", "web01", "db01")
	f.esxi("esx1")
	f.provide("vcsa", "vcenter:vc1")
	return f
}

// insideLab is a cluster of three hosts that carries all that it stands on: storage and a domain controller on the first,
// the vCenter on the second.
func insideLab() *fixture {
	f := emptyLab("Lab", "esx1", "esx2", "esx3")
	f.addGuest(1, "ss1", "esx1")
	f.addGuest(2, "dc01", "esx1")
	f.addGuest(3, "vcsa", "esx2")
	f.addGuest(4, "kms01", "esx2")
	f.addGuest(5, "db01", "esx3")
	f.addGuest(6, "web01", "esx1")
	f.addGuest(7, "secret", "esx3").Encrypted = true
	f.guest("secret").KeyProvider = "kms"
	f.addGuest(91, "vCLS-1", "esx2").VCLS = true
	f.store("datastore-1", "local1", "esx1")
	f.store("datastore-2", "local2", "esx2")
	f.store("datastore-3", "tank", "esx1", "esx2", "esx3")
	f.on("datastore-1", "ss1", "dc01")
	f.on("datastore-2", "vcsa")
	f.on("datastore-3", "kms01", "db01", "web01", "secret")
	f.esxi("esx1", "esx2")
	f.provide("ss1", "datastore:tank")
	f.provide("dc01", "dns", "ntp", "identity")
	f.provide("kms01", "keys:kms")
	f.provide("vcsa", "vcenter:vc1")
	f.lab.Guests = append(f.lab.Guests, inventory.Guest{Name: "web01", VCenter: "vc1", After: []string{"db01"}})
	return f
}

// appLab is the home lab with a database cluster inside two of its guests.
func appLab() *fixture {
	f := homeLab()
	f.addGuest(31, "pg1", "esx21")
	f.addGuest(32, "pg2", "esx22")
	f.lab.ApplicationClusters = []inventory.ApplicationCluster{{Name: "pg", Members: []string{"pg1", "pg2"}, Timeout: 10 * minute}}
	f.lab.Guests = append(f.lab.Guests, inventory.Guest{Name: "app01", VCenter: "vc1", After: []string{"pg1"}},
		inventory.Guest{Name: "pg2", VCenter: "vc1", After: []string{"dc01"}})
	f.addGuest(33, "app01", "esx23")
	return f
}

// observed is what an inspection would find: of a vCenter whose guest is off, the ledger's record.
func (f *fixture) observed() *fixture {
	o := *f
	st := *f.state
	st.VCenters = slices.Clone(f.state.VCenters)
	st.Hosts = nil
	o.state = &st
	away := f.vcenterIsOff()
	if away {
		st.VCenters = nil
		if f.record != nil {
			st.VCenters = []live.VCenter{*f.record}
			st.VCenters[0].Guests = slices.Clone(f.record.Guests)
			for i, g := range st.VCenters[0].Guests {
				st.VCenters[0].Guests[i].Path = "[any] " + g.Name + "/" + g.Name + ".vmx"
			}
			st.VCenters[0].Remembered = at
		}
	}
	for _, h := range f.lab.Hosts {
		if h.ESXi != nil && f.bmc(h.Name).Power == live.On {
			st.Hosts = append(st.Hosts, f.itself(h.Name))
		}
	}
	return &o
}

func (f *fixture) vcenterIsOff() bool {
	g, ok := f.lab.VCenterGuest("vc1")
	if !ok {
		return false
	}
	v := f.guest(g.Name)
	h := find(f.vc().Hosts, func(h live.Host) bool { return h.Ref == v.Host })
	return v.Power != live.PoweredOn || h.Connection != live.Connected
}

// storageIsGone tells whether a guest that serves a datastore of its files is off.
func (f *fixture) storageIsGone(g live.Guest) bool {
	return slices.ContainsFunc(f.vc().Datastores, func(d live.Datastore) bool {
		return slices.Contains(g.Datastores, d.Ref) && slices.ContainsFunc(f.lab.Guests, func(e inventory.Guest) bool {
			return slices.Contains(e.Provides, inventory.Provision("datastore:"+d.Name)) && f.guest(e.Name).Power != live.PoweredOn
		})
	})
}

// itself is what the host tells of itself.
func (f *fixture) itself(name string) live.DirectHost {
	h := *f.host(name)
	d := live.DirectHost{Host: name, ESXi: live.VCenter{Name: name, APIType: "HostAgent"}}
	for _, g := range f.vc().Guests {
		if g.Host == h.Ref {
			if f.storageIsGone(g) { // the host does not know any more who it is
				g.Path = "/vmfs/volumes/5f3e/" + g.Name + "/" + g.Name + ".vmx"
				g.Name, g.UUID, g.BIOSUUID, g.Connection = g.Path, "", "", "inaccessible"
			}
			g.Ref, g.Host, g.Cluster, g.Tags, g.Datastores = "own-"+g.Ref, "ha-host", "", nil, nil
			d.ESXi.Guests = append(d.ESXi.Guests, g)
		}
	}
	for _, s := range f.vc().Datastores {
		if slices.Contains(h.Datastores, s.Ref) {
			s.Accessible = !f.storageIsGone(live.Guest{Datastores: []string{s.Ref}})
			s.Ref, s.Hosts = "own-"+s.Ref, nil
			d.ESXi.Datastores = append(d.ESXi.Datastores, s)
		}
	}
	h.Ref, h.Cluster, h.Datastores = "ha-host", "", nil
	d.ESXi.Hosts = []live.Host{h}
	return d
}

// apply does a step in the fixture's world.
func (f *fixture) apply(t *testing.T, s plan.Step) {
	t.Helper()
	host := func() *live.Host {
		return find(f.vc().Hosts, func(h live.Host) bool { return h.Name == s.Target.Name })
	}
	guest := func() *live.Guest {
		return find(f.vc().Guests, func(g live.Guest) bool { return g.UUID == s.Target.UUID })
	}
	direct := s.Target.Direct != ""
	if direct {
		require.NotNil(t, f.labHost(s.Target.Direct).ESXi, s.ID)
		require.Equal(t, live.On, f.bmc(s.Target.Direct).Power, s.ID)
	}
	switch s.Action {
	case plan.MarkLab, plan.SuspendSetting, plan.SettleDebt, plan.AwaitVCenter, plan.UnmarkLab, plan.RecordLab:
		require.False(t, f.vcenterIsOff(), "%s goes through a vCenter that is not there", s.ID)
	case plan.ShutdownGuest, plan.EnterMaintenance, plan.ExitMaintenance, plan.PowerOnGuest, plan.AwaitHost, plan.AwaitDatastores:
		require.True(t, direct || !f.vcenterIsOff(), "%s goes through a vCenter that is not there", s.ID)
	}
	switch s.Action {
	case plan.MarkLab:
		f.vc().Mark = us
	case plan.UnmarkLab:
		f.vc().Mark = ""
	case plan.RecordLab:
		r := *f.vc()
		r.Hosts, r.Guests, r.Clusters = slices.Clone(r.Hosts), slices.Clone(r.Guests), slices.Clone(r.Clusters)
		f.record = &r
	case plan.RememberRunning:
		f.ledger.Memory = append(f.ledger.Memory, params[plan.RememberParams](t, s).Guests...)
	case plan.ForgetRunning:
		for _, m := range params[plan.RememberParams](t, s).Guests {
			g := find(f.vc().Guests, func(g live.Guest) bool { return g.UUID == m.UUID })
			f.ledger.Memory = slices.DeleteFunc(f.ledger.Memory, func(x plan.RememberedGuest) bool { return x.UUID == m.UUID && g.Power == live.PoweredOn })
		}
	case plan.SuspendSetting, plan.SettleDebt:
		if params[plan.SettingParams](t, s).Setting == plan.Alarms {
			f.applyAlarms(t, s)
			return
		}
		f.applySetting(t, s)
	case plan.SilenceMonitoring:
		f.ledger.Debts = append(f.ledger.Debts, plan.Debt{ID: plan.MonitoringDebt(s.Target.Name), Setting: plan.Watch, Target: s.Target, Was: "true"})
	case plan.ResumeMonitoring:
		f.ledger.Debts = slices.DeleteFunc(f.ledger.Debts, func(d plan.Debt) bool { return d.ID == plan.MonitoringDebt(s.Target.Name) })
	case plan.ShutdownGuest:
		f.requireUnserved(t, s.ID, func(p inventory.Provider) bool { return p.Guest != nil && p.Guest.Name == s.Target.Name })
		guest().Power, guest().Tools, guest().Heartbeat = live.PoweredOff, false, "gray"
	case plan.PowerOnGuest:
		g := guest()
		h := find(f.vc().Hosts, func(h live.Host) bool { return h.Ref == g.Host })
		require.Equal(t, live.On, f.bmc(h.Name).Power, "%s starts on a host that is off", s.ID)
		require.False(t, h.Maintenance, "%s starts on a host in maintenance mode", s.ID)
		f.requireServed(t, *g)
		g.Power, g.Tools, g.Heartbeat, g.Connection = live.PoweredOn, true, "green", live.Connected
	case plan.EnterMaintenance:
		for _, g := range f.vc().Guests {
			require.False(t, g.Host == host().Ref && g.Power == live.PoweredOn, "%s while %s runs", s.ID, g.Name)
		}
		f.putAside(host().Name)
	case plan.ExitMaintenance:
		require.Equal(t, live.On, f.bmc(host().Name).Power)
		host().Maintenance = false
		id := plan.DebtID("vc1", host().Ref, plan.Maintenance)
		f.ledger.Debts = slices.DeleteFunc(f.ledger.Debts, func(d plan.Debt) bool { return d.ID == id })
	case plan.ShutdownHost:
		require.True(t, host().Maintenance, s.ID)
		f.requireUnserved(t, s.ID, func(p inventory.Provider) bool { return p.Host != nil && p.Host.Name == s.Target.Name })
		host().Connection, host().Power, f.bmc(host().Name).Power = live.NotResponding, "unknown", live.Off
	case plan.PowerOnHost:
		f.bmc(host().Name).Power = live.On
		host().Connection, host().Power = live.Connected, live.PoweredOn // it boots at once
	}
}

// requireServed: what the guest's files lie on is there.
func (f *fixture) requireServed(t *testing.T, g live.Guest) {
	t.Helper()
	for _, p := range f.lab.Providers(inventory.ProvidesDatastore) {
		if f.liesOn(g, p.Name) && p.Guest != nil {
			require.Equal(t, live.PoweredOn, f.guest(p.Guest.Name).Power, "%s starts without %s, which serves its files", g.Name, p.Guest.Name)
		}
		if f.liesOn(g, p.Name) && p.Host != nil {
			require.Equal(t, live.On, f.bmc(p.Host.Name).Power, "%s starts without host %s, which serves its files", g.Name, p.Host.Name)
		}
	}
}

// requireUnserved: nobody runs whose files lie on what the machine provides, nor, of other provisions, any ordinary guest.
func (f *fixture) requireUnserved(t *testing.T, id string, is func(inventory.Provider) bool) {
	t.Helper()
	for _, p := range f.lab.Providers("") {
		if !is(p) {
			continue
		}
		for _, g := range f.vc().Guests {
			if g.Power != live.PoweredOn || g.Name == "mgmt" || g.Name == "vcsa" || g.VCLS {
				continue
			}
			_, listed := f.lab.Guest("vc1", g.Name, g.UUID)
			needed := func(e inventory.Guest) bool { return slices.Contains(e.After, g.Name) }
			member := func(a inventory.ApplicationCluster) bool { return slices.Contains(a.Members, g.Name) }
			ordinary := !listed && !slices.ContainsFunc(f.lab.Guests, needed) && !slices.ContainsFunc(f.lab.ApplicationClusters, member)
			require.False(t, p.Kind == inventory.ProvidesDatastore && f.liesOn(g, p.Name) || ordinary && !f.spares, "%s, while %s runs and needs it (%s)", id, g.Name, p.Kind)
		}
	}
}

func (f *fixture) liesOn(g live.Guest, store string) bool {
	return slices.ContainsFunc(f.vc().Datastores, func(d live.Datastore) bool { return d.Name == store && slices.Contains(g.Datastores, d.Ref) })
}

// applyAlarms switches the alarm actions of a host or a cluster.
func (f *fixture) applyAlarms(t *testing.T, s plan.Step) {
	t.Helper()
	id := plan.DebtID("vc1", s.Target.Ref, plan.Alarms)
	now, want := live.AlarmsOff, live.AlarmsOn
	if s.Action == plan.SuspendSetting {
		now, want = want, now
		f.ledger.Debts = append(f.ledger.Debts, plan.Debt{ID: id, Setting: plan.Alarms, Target: s.Target, Was: "true"})
	} else {
		f.ledger.Debts = slices.DeleteFunc(f.ledger.Debts, func(d plan.Debt) bool { return d.ID == id })
	}
	at := &find(f.vc().Hosts, func(h live.Host) bool { return h.Ref == s.Target.Ref || s.Target.Kind != plan.Host }).Alarms
	if s.Target.Kind == plan.Cluster {
		at = &find(f.vc().Clusters, func(c live.Cluster) bool { return c.Ref == s.Target.Ref }).Alarms
	}
	require.Equal(t, now, *at, s.ID)
	*at = want
}

func (f *fixture) applySetting(t *testing.T, s plan.Step) {
	t.Helper()
	setting := params[plan.SettingParams](t, s).Setting
	c := find(f.vc().Clusters, func(c live.Cluster) bool { return c.Ref == s.Target.Ref })
	down := s.Action == plan.SuspendSetting
	no := "false"
	switch setting {
	case plan.HA:
		c.HA = !down
	case plan.DRS:
		c.DRSLevel = map[bool]string{true: "manual", false: "fullyAutomated"}[down]
	case plan.DPM:
		c.DPM = !down
	case plan.VCLS:
		c.VCLS = map[bool]*string{true: &no}[down]
		if down {
			f.vc().Guests = slices.DeleteFunc(f.vc().Guests, func(g live.Guest) bool { return g.VCLS && g.Cluster == c.Ref })
		}
	}
	if down {
		f.ledger.Debts = append(f.ledger.Debts, plan.Debt{ID: plan.DebtID("vc1", c.Ref, setting), Setting: setting, Target: s.Target,
			Was: map[plan.Setting]string{plan.DRS: "fullyAutomated", plan.VCLS: ""}[setting]})
		return
	}
	f.ledger.Debts = slices.DeleteFunc(f.ledger.Debts, func(d plan.Debt) bool { return d.ID == plan.DebtID("vc1", c.Ref, setting) })
}

// clone is a deep copy.
func (f *fixture) clone(t *testing.T) *fixture {
	t.Helper()
	c := &fixture{params: f.params, record: f.record, ledger: f.ledger}
	c.ledger.Memory, c.ledger.Debts = slices.Clone(f.ledger.Memory), slices.Clone(f.ledger.Debts)
	for from, to := range map[any]any{f.lab: &c.lab, f.state: &c.state} {
		b, err := json.Marshal(from)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(b, to))
	}
	return c
}

// wentDown is the world after a power-down.
func wentDown(t *testing.T, world func() *fixture) *fixture {
	t.Helper()
	f := world()
	f.run(t, f.observed().plan(t, "power-down"), rand.New(rand.NewPCG(1, 1)), nil)
	return f
}
