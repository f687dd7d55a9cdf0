package vsphere

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/live"
)

// What Setup reads in one go. Of settings with passwords in them (IPMI, vApps) only single fields are asked for.
var (
	hostSetup = []string{"config.ipmi.bmcIpAddress", "config.ipmi.login", "config.network.vnic", "config.network.dnsConfig",
		"config.dateTimeInfo.ntpConfig", "config.autoStart", hostAdapters}
	guestSetup     = []string{"guest.net", "guest.ipAddress", "guest.hostName", "summary.config.product", "config.template"}
	datastoreSetup = []string{"info", "host"}
)

// Setup reads how hosts, guests, clusters and datastores are configured, in bulk; nothing is changed. What may not be read
// is a warning; what a server does not know stays empty.
func (c *Client) Setup(ctx context.Context) (live.Setup, error) {
	var out live.Setup
	err := c.read(ctx, "read the settings of hosts and guests", func(ctx context.Context) error {
		out = live.Setup{}
		w := wants{"HostSystem": hostSetup, "VirtualMachine": guestSetup, "Datastore": datastoreSetup, "Datacenter": {"name"}}
		if c.vim.IsVC() {
			w["ClusterComputeResource"] = []string{"configurationEx"}
			w["VirtualApp"] = []string{"name", "vm", "resourcePool", "vAppConfig.entityConfig"}
		}
		got, err := c.inView(ctx, w)
		if err != nil {
			return err
		}
		if got.hidden {
			out.Warnings = append(out.Warnings, "settings: no permission to read some of them")
		}
		return c.setup(ctx, got, &out)
	})
	return out, err
}

func (c *Client) setup(ctx context.Context, got found, out *live.Setup) error {
	for _, d := range allOf[mo.Datacenter](got) {
		out.Datacenters = append(out.Datacenters, shownName(d.Name))
	}
	hosts := allOf[mo.HostSystem](got)
	for _, h := range hosts {
		out.Hosts = append(out.Hosts, newHostSetup(h))
	}
	for _, cl := range allOf[mo.ClusterComputeResource](got) {
		out.Clusters = append(out.Clusters, newClusterSetup(cl))
	}
	out.VApps = newVApps(allOf[mo.VirtualApp](got))
	if err := c.guestSetups(ctx, allOf[mo.VirtualMachine](got), out); err != nil {
		return err
	}
	targets, err := c.iscsiTargets(ctx, hosts)
	if err != nil {
		return err
	}
	for _, d := range allOf[mo.Datastore](got) {
		out.Datastores = append(out.Datastores, targets.datastore(d))
	}
	c.keyProviders(ctx, out)
	sortSetup(out)
	return nil
}

func newHostSetup(h *mo.HostSystem) live.HostSetup {
	out := live.HostSetup{Ref: h.Self.Value}
	if h.Config == nil {
		return out
	}
	if i := h.Config.Ipmi; i != nil {
		out.BMC, out.BMCUser = told(i.BmcIpAddress), told(i.Login)
	}
	if n := h.Config.Network; n != nil {
		for _, v := range n.Vnic {
			if ip := v.Spec.Ip; ip != nil {
				out.Addresses = allTold(append(out.Addresses, ip.IpAddress))
			}
		}
		if n.DnsConfig != nil {
			out.DNS = allTold(n.DnsConfig.GetHostDnsConfig().Address)
		}
	}
	if t := h.Config.DateTimeInfo; t != nil && t.NtpConfig != nil {
		out.NTP = allTold(t.NtpConfig.Server)
	}
	if a := h.Config.AutoStart; a != nil && a.Defaults != nil && isTrue(a.Defaults.Enabled) {
		var list []live.StartOrder
		for _, p := range a.PowerInfo {
			if p.StartOrder > 0 && strings.EqualFold(p.StartAction, "powerOn") {
				list = append(list, live.StartOrder{Place: int(p.StartOrder), Guests: []string{p.Key.Value}})
			}
		}
		out.AutoStart = inPlaces(list)
	}
	return out
}

// told is a text in one line, without blanks around it.
func told(s string) string { return oneLine(strings.TrimSpace(s)) }

func allTold(list []string) []string {
	var out []string
	for _, s := range list {
		if s = told(s); s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// inPlaces sorts, and joins what has one place.
func inPlaces(list []live.StartOrder) []live.StartOrder {
	slices.SortStableFunc(list, func(a, b live.StartOrder) int { return cmp.Compare(a.Place, b.Place) })
	var out []live.StartOrder
	for _, s := range list {
		if n := len(out); n > 0 && out[n-1].Place == s.Place {
			out[n-1].Guests = append(out[n-1].Guests, s.Guests...)
			continue
		}
		out = append(out, s)
	}
	return out
}

func newClusterSetup(c *mo.ClusterComputeResource) live.ClusterSetup {
	out := live.ClusterSetup{Ref: c.Self.Value, RestartPriority: map[string]string{}}
	set, ok := c.ConfigurationEx.(*types.ClusterConfigInfoEx)
	if !ok || set == nil {
		return out
	}
	out.DefaultPriority = "medium" // where nobody says otherwise, as the API reference of ClusterDasVmSettings has it
	if s := set.DasConfig.DefaultVmSettings; s != nil && s.RestartPriority != "" {
		out.DefaultPriority = s.RestartPriority
	}
	for _, v := range set.DasVmConfig {
		p := string(v.RestartPriority)
		if v.DasSettings != nil && v.DasSettings.RestartPriority != "" {
			p = v.DasSettings.RestartPriority
		}
		if p = own(p, types.ClusterDasVmSettingsRestartPriorityClusterRestartPriority); p != "" {
			out.RestartPriority[v.Key.Value] = p
		}
	}
	members := map[string][]string{}
	for _, g := range set.Group {
		if vms, ok := g.(*types.ClusterVmGroup); ok {
			members[vms.Name] = refValues(vms.Vm)
		}
	}
	for _, r := range set.Rule {
		if rule, ok := newRule(r, members); ok {
			out.Rules = append(out.Rules, rule)
		}
	}
	slices.SortFunc(out.Rules, func(a, b live.Rule) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind)) })
	return out
}

func newRule(r types.BaseClusterRuleInfo, members map[string][]string) (live.Rule, bool) {
	info := r.GetClusterRuleInfo()
	if info == nil || !isTrue(info.Enabled) {
		return live.Rule{}, false
	}
	out := live.Rule{Name: shownName(info.Name)}
	switch r := r.(type) {
	case *types.ClusterAffinityRuleSpec:
		out.Kind, out.Guests = live.RuleTogether, refValues(r.Vm)
	case *types.ClusterAntiAffinityRuleSpec:
		out.Kind, out.Guests = live.RuleApart, refValues(r.Vm)
	case *types.ClusterDependencyRuleInfo:
		out.Kind, out.Guests, out.Before = live.RuleAfter, members[r.VmGroup], members[r.DependsOnVmGroup]
		out.Group, out.BeforeGroup = shownName(r.VmGroup), shownName(r.DependsOnVmGroup)
	default:
		return live.Rule{}, false
	}
	return out, true
}

// newVApps resolves vApps inside vApps to their guests.
func newVApps(list []*mo.VirtualApp) []live.VApp {
	byRef := map[string]*mo.VirtualApp{}
	for _, v := range list {
		byRef[v.Self.Value] = v
	}
	var guests func(ref types.ManagedObjectReference, depth int) []string
	guests = func(ref types.ManagedObjectReference, depth int) []string {
		if ref.Type == "VirtualMachine" {
			return []string{ref.Value}
		}
		v := byRef[ref.Value]
		if v == nil || depth > len(list) { // never deeper, whatever the server says
			return nil
		}
		out := refValues(v.Vm)
		for _, child := range v.ResourcePool.ResourcePool {
			out = append(out, guests(child, depth+1)...)
		}
		return out
	}
	var out []live.VApp
	for _, v := range list {
		app := live.VApp{Ref: v.Self.Value, Name: shownName(v.Name)}
		if v.VAppConfig != nil {
			for _, e := range v.VAppConfig.EntityConfig {
				if e.Key != nil && e.StartAction != string(types.VAppAutoStartActionNone) {
					app.Order = append(app.Order, live.StartOrder{Place: int(e.StartOrder), Guests: guests(*e.Key, 0)})
				}
			}
		}
		app.Order = inPlaces(app.Order)
		out = append(out, app)
	}
	return out
}

// keyProviders lists them. Few accounts may read them: that is only a warning.
func (c *Client) keyProviders(ctx context.Context, out *live.Setup) {
	manager := c.vim.ServiceContent.CryptoManager
	if manager == nil || manager.Type != "CryptoManagerKmip" {
		return
	}
	res, err := methods.ListKmipServers(ctx, c.vim, &types.ListKmipServers{This: *manager})
	if err != nil {
		_, text := describe(err, false)
		var said *callError
		if errors.As(err, &said) {
			text = said.text
		}
		out.Warnings = append(out.Warnings, "key providers: "+text)
		return
	}
	for _, p := range res.Returnval {
		k := live.KeyProvider{ID: shownName(p.ClusterId.Id)}
		for _, s := range p.Servers {
			k.Servers = append(k.Servers, told(s.Address))
		}
		out.KeyProviders = append(out.KeyProviders, k)
	}
}

func sortSetup(s *live.Setup) {
	slices.Sort(s.Datacenters)
	slices.SortFunc(s.Hosts, func(a, b live.HostSetup) int { return cmp.Compare(a.Ref, b.Ref) })
	slices.SortFunc(s.Guests, func(a, b live.GuestSetup) int { return cmp.Compare(a.Ref, b.Ref) })
	slices.SortFunc(s.Clusters, func(a, b live.ClusterSetup) int { return cmp.Compare(a.Ref, b.Ref) })
	slices.SortFunc(s.VApps, func(a, b live.VApp) int { return byName(a.Name, a.Ref, b.Name, b.Ref) })
	slices.SortFunc(s.Datastores, func(a, b live.DatastoreSetup) int { return cmp.Compare(a.Ref, b.Ref) })
	slices.SortFunc(s.KeyProviders, func(a, b live.KeyProvider) int { return cmp.Compare(a.ID, b.ID) })
}
