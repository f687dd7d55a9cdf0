package inventory

import (
	"cmp"
	"strings"
	"time"

	"nightshift/internal/plan"
)

const (
	defaultSettleTime       = plan.Duration(time.Minute)
	defaultVCLS             = plan.Duration(10 * time.Minute)
	defaultDatastores       = plan.Duration(10 * time.Minute)
	defaultBlockedDeadline  = plan.Duration(12 * time.Hour)
	defaultApprovalDeadline = plan.Duration(time.Hour)

	defaultApplicationTimeout = plan.Duration(10 * time.Minute)
	stoppedStatus             = 3 // "program is not running", LSB
	defaultBroadcast          = "255.255.255.255:9"

	defaultDebtsAfter = plan.Duration(24 * time.Hour)
)

// over is p with what it leaves out taken from q.
func (p GuestPolicy) over(q GuestPolicy) GuestPolicy {
	return GuestPolicy{
		Method:    cmp.Or(p.Method, q.Method),
		Timeout:   cmp.Or(p.Timeout, q.Timeout),
		OnTimeout: cmp.Or(p.OnTimeout, q.OnTimeout),
		NoTools:   cmp.Or(p.NoTools, q.NoTools),
	}
}

// over is p with what it leaves out taken from q.
func (p HostPolicy) over(q HostPolicy) HostPolicy {
	return HostPolicy{
		Via:         cmp.Or(p.Via, q.Via),
		NoRights:    cmp.Or(p.NoRights, q.NoRights),
		Timeout:     cmp.Or(p.Timeout, q.Timeout),
		OnTimeout:   cmp.Or(p.OnTimeout, q.OnTimeout),
		Boot:        cmp.Or(p.Boot, q.Boot),
		Maintenance: cmp.Or(p.Maintenance, q.Maintenance),
	}
}

func defaultGuestPolicy() GuestPolicy {
	return GuestPolicy{Method: "shutdown", Timeout: plan.Duration(5 * time.Minute), OnTimeout: plan.LeaveGuest, NoTools: plan.LeaveGuest}
}

func defaultHostPolicy() HostPolicy {
	return HostPolicy{Via: plan.ViaVCenter, NoRights: plan.LeaveHost, Timeout: plan.Duration(15 * time.Minute), OnTimeout: plan.LeaveHost,
		Boot: plan.Duration(20 * time.Minute), Maintenance: plan.Duration(10 * time.Minute)}
}

// fillIn puts every default in its place. The file is valid.
func (l *Lab) fillIn() {
	if len(l.Sites) == 0 {
		l.Sites = []Site{{Name: l.Lab}}
	}
	site, vcenter := l.Sites[0].Name, "" // used only where there is no other
	if len(l.VCenters) > 0 {
		vcenter = l.VCenters[0].Name
	}
	for i := range l.VCenters {
		v := &l.VCenters[i]
		v.Site = cmp.Or(v.Site, site)
		v.normalise()
	}
	for i := range l.Clusters {
		l.Clusters[i].VCenter = cmp.Or(l.Clusters[i].VCenter, vcenter)
	}
	for i := range l.Hosts {
		h := &l.Hosts[i]
		h.VCenter, h.Address = cmp.Or(h.VCenter, vcenter), cmp.Or(h.Address, h.Name)
		if h.BMC != nil {
			h.BMC.normalise()
			h.BMC.System = strings.TrimRight(h.BMC.System, "/")
		}
		if h.ESXi != nil {
			h.ESXi.normalise()
		}
		if w := h.WakeOnLAN; w != nil {
			w.Broadcast = cmp.Or(w.Broadcast, defaultBroadcast)
		}
		if h.Shutdown != nil {
			inPlans(&h.Shutdown.NoRights, &h.Shutdown.OnTimeout)
		}
		nameVCenters(h.Provides, vcenter)
	}
	for i := range l.Guests {
		g := &l.Guests[i]
		if g.Shutdown != nil {
			inPlans(&g.Shutdown.NoTools, &g.Shutdown.OnTimeout)
		}
		g.VCenter, g.UUID = cmp.Or(g.VCenter, vcenter), strings.ToLower(g.UUID)
		nameVCenters(g.Provides, vcenter)
	}
	for i := range l.ApplicationClusters {
		a := &l.ApplicationClusters[i]
		a.Timeout = cmp.Or(a.Timeout, defaultApplicationTimeout)
		if len(a.Stopped) == 0 {
			a.Stopped = []int{stoppedStatus}
		}
	}
	for i := range l.StorageHosts {
		l.StorageHosts[i].fillIn(site)
	}
	for i := range l.ProtectionGroups {
		l.ProtectionGroups[i].fillIn()
	}
	for i := range l.UPS {
		l.UPS[i].fillIn()
	}
	l.Tags = Tags{Keep: cmp.Or(l.Tags.Keep, "KeepOn"), Start: cmp.Or(l.Tags.Start, "StartUp")}
	l.Limits = Limits{VCenter: cmp.Or(l.Limits.VCenter, 16), Host: cmp.Or(l.Limits.Host, 4), BMC: cmp.Or(l.Limits.BMC, 1),
		PowerOn: cmp.Or(l.Limits.PowerOn, 4), Storage: cmp.Or(l.Limits.Storage, 2)}
	p := &l.Policies
	inPlans(&p.Guest.NoTools, &p.Guest.OnTimeout, &p.Host.NoRights, &p.Host.OnTimeout)
	p.Guest, p.Host = p.Guest.over(defaultGuestPolicy()), p.Host.over(defaultHostPolicy())
	p.SettleTime = cmp.Or(p.SettleTime, defaultSettleTime)
	p.VCLS = cmp.Or(p.VCLS, defaultVCLS)
	p.Datastores = cmp.Or(p.Datastores, defaultDatastores)
	l.Notifications.DebtsAfter = cmp.Or(l.Notifications.DebtsAfter, defaultDebtsAfter)
}

// nameVCenters gives a vCenter that is provided its name, where there is only one.
func nameVCenters(list []Provision, vcenter string) {
	for i, p := range list {
		if kind, name := p.Split(); kind == ProvidesVCenter && name == "" {
			list[i] = Provision(ProvidesVCenter + ":" + vcenter)
		}
	}
}

func (e *Endpoint) normalise() {
	e.URL = strings.TrimRight(e.URL, "/")
	if sum, err := ParseFingerprint(e.TLS.Fingerprint); err == nil {
		e.TLS.Fingerprint = FormatFingerprint(sum)
	}
}
