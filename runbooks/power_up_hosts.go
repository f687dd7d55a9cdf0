package runbooks

import (
	"slices"
	"strings"
	"time"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/words"
)

// bootHosts brings the hosts back, each by itself: first those that carry what the lab stands on, without their vCenter;
// then the others. These are switched on when what serves their datastores is up, and wait for the vCenter only then.
func (a *ascent) bootHosts(beneath bool) {
	for _, h := range a.hosts {
		if a.returns[h] && a.beneath[h] == beneath {
			a.bootHost(h)
		}
	}
}

// alone tells whether the host comes up before its vCenter.
func (a *ascent) alone(h *host) bool { return h.vc.absent() && a.beneath[h] }

// A climb adds the steps of one host, one after the other.
type climb struct {
	a    *ascent
	h    *host
	t    plan.Target
	need []string
}

func (c *climb) next(id, title string, act plan.Action, raw []byte, takes time.Duration, timeout plan.Duration, holds ...string) {
	c.need = []string{c.a.add(plan.Step{ID: id + ":" + c.h.id, Title: title, Group: "Host " + c.h.id, Action: act, Target: c.t, Params: raw,
		Needs: c.need, Holds: holds, Estimate: plan.Duration(takes), Timeout: timeout})}
}

func (a *ascent) bootHost(h *host) {
	alone := a.alone(h)
	c := &climb{a: a, h: h, t: h.target(), need: []string{a.marks[h.vc.Name]}}
	if alone {
		c.need = nil
	}
	if a.coming[h] && h.isOff() {
		if h.vc.absent() {
			c.need = nil // its BMC needs no vCenter
		}
		if !a.beneath[h] {
			c.need = append(c.need, a.serversOf(h)...)
		}
		title := "Switch on host " + h.name + " through its BMC"
		if h.lab.BMC == nil {
			title = "Wake host " + h.name + " over the network"
		}
		c.next("power-on-host", title, plan.PowerOnHost, plan.Encode(plan.PowerOnHostParams{Host: h.lab.Name}),
			takesHostPowerOn, a.powerOnTimeout(h), "bmc:"+h.id, "power-on")
		if !alone && h.vc.absent() {
			c.need = append(c.need, a.marks[h.vc.Name])
		}
	}
	if alone {
		c.t = h.itself()
	}
	if a.coming[h] && alone {
		c.next("reach-host", "Wait until host "+h.name+" answers itself", plan.AwaitHost, plan.Encode(plan.HostParams{Host: h.lab.Name}), takesHostBoot, a.waitFor(h))
	} else if a.coming[h] || h.vc.absent() && !alone {
		c.next("await-host", "Wait until vCenter is connected to host "+h.name, plan.AwaitHost,
			plan.Encode(plan.HostParams{Host: h.lab.Name, Unnoticed: h.unnoticed()}), takesHostBoot, a.waitFor(h))
	}
	if !a.setAside(h) {
		c.need = []string{a.exitMaintenance(h, c.t, c.need)}
	}
	a.awaitStores(c, alone)
	if len(c.need) > 0 {
		a.booted[h] = c.need[0]
	}
	if !alone {
		a.ready[h] = c.need
	}
}

// awaitStores waits for the datastores that no guest of the lab serves.
func (a *ascent) awaitStores(c *climb, alone bool) {
	p := plan.AwaitDatastoresParams{Host: c.h.lab.Name}
	for _, ref := range c.h.stores() {
		name := c.h.vc.stores[ref]
		p.Rescan = p.Rescan || a.stores.host(c.h.vc, name) != nil // which may come up later than this one
		switch {
		case a.stores.guest(c.h.vc, name) != nil: // awaitServed
		case alone && name != "":
			p.Names = append(p.Names, name)
		case !alone:
			p.Datastores = append(p.Datastores, ref)
		}
	}
	slices.Sort(p.Names)
	if n := len(p.Datastores) + len(p.Names); n > 0 {
		c.next("await-datastores", "Wait until host "+c.h.name+" sees its "+words.Count(n, "datastore"), plan.AwaitDatastores, plan.Encode(p), takesDatastores, a.storeTimeout())
	}
}

func (a *ascent) storeTimeout() plan.Duration {
	return plan.Duration(time.Duration(a.lab.Policies.Datastores) + marginRead)
}

// serversOf are the steps after which the guests are up that serve the host's datastores.
func (a *ascent) serversOf(h *host) (ids []string) {
	for _, name := range h.storeNames() {
		if g := a.stores.guest(h.vc, name); g != nil && g.host != h && a.want[g] {
			ids = append(ids, a.last[g])
		}
		if p := a.stores.host(h.vc, name); p != nil && p != h {
			ids = append(ids, a.booted[p])
		}
	}
	return ids
}

// awaitServed lets a host look for the datastores that a guest of the lab serves, once for each such guest, and returns the
// step. The guest may come up after the host, so the host has to look again.
func (a *ascent) awaitServed(h *host, server *guest) string {
	p := plan.AwaitDatastoresParams{Host: h.lab.Name, Rescan: true}
	direct := a.alone(h)
	var names []string
	for _, ref := range h.stores() {
		name := h.vc.stores[ref]
		if a.stores.guest(h.vc, name) != server {
			continue
		}
		names = append(names, name)
		if direct {
			p.Names = append(p.Names, name)
		} else {
			p.Datastores = append(p.Datastores, ref)
		}
	}
	if h.vc.unrecorded {
		for _, x := range server.lab.Provides {
			if kind, name := x.Split(); kind == inventory.ProvidesDatastore {
				names, p.Names = append(names, name), append(p.Names, name)
			}
		}
	}
	if len(names) == 0 {
		return a.last[server] // the host does not mount it, as far as is known
	}
	slices.Sort(names)
	slices.Sort(p.Names)
	id := "await-datastores-of-" + server.id + ":" + h.id
	if slices.Contains(a.served[h], id) {
		return id
	}
	t, holds := h.target(), []string{"host:" + h.id}
	if direct {
		t = h.itself()
	}
	needs := []string{a.booted[h], a.last[server]}
	if !direct && a.booted[h] == "" {
		needs = append(needs, a.marks[h.vc.Name])
	}
	a.served[h] = append(a.served[h], a.add(plan.Step{ID: id, Title: "Wait until host " + h.name + " sees datastore " + strings.Join(names, ", ") + ", which guest " + server.Name + " serves",
		Group: "Host " + h.id, Action: plan.AwaitDatastores, Target: t, Params: plan.Encode(p), Needs: needs, Holds: holds,
		Estimate: plan.Duration(takesRescan), Timeout: a.storeTimeout()}))
	return id
}

// reconnect waits until the vCenter sees the hosts that came up before it, and all hosts the datastores that guests serve.
func (a *ascent) reconnect() {
	for _, h := range a.hosts {
		if !a.up[h] || h.lab == nil || h.kept != "" {
			continue
		}
		for _, name := range h.storeNames() {
			if g := a.stores.guest(h.vc, name); g != nil && (a.want[g] || a.returns[h] || h.misses(name)) {
				a.awaitServed(h, g)
			}
		}
		if !h.vc.absent() || h.vc.unrecorded || !a.alone(h) && a.returns[h] {
			a.ready[h] = append(a.ready[h], a.served[h]...)
			continue
		}
		id := a.add(plan.Step{ID: "await-host:" + h.id, Title: "Wait until vCenter is connected to host " + h.name, Group: "Host " + h.id, Action: plan.AwaitHost,
			Target: h.target(), Params: plan.Encode(plan.HostParams{Host: h.lab.Name}), Needs: []string{a.marks[h.vc.Name], a.booted[h]},
			Estimate: plan.Duration(takesHA), Timeout: a.waitFor(h)})
		a.ready[h] = append([]string{id}, a.served[h]...)
	}
}

// misses tells whether a host that is up has not seen that the datastore is served again: a run that started the server
// may have been stopped before the host looked.
func (h *host) misses(datastore string) bool {
	stores := h.vc.live.Datastores
	switch {
	case h.readable():
		stores = h.direct.ESXi.Datastores
	case h.vc.absent():
		return true // nobody can tell: it looks
	}
	return !slices.ContainsFunc(stores, func(d live.Datastore) bool { return d.Name == datastore && d.Accessible })
}
