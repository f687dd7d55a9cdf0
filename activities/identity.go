package activities

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// same compares what is there with what the plan was made for. uuid is "" where the object has none.
func same(t plan.Target, ref, name, uuid string) error {
	switch {
	case ref != t.Ref:
		return refuse(fault.Identity, "it is object %s now, and was %s in the plan", ref, t.Ref)
	case name != t.Name:
		return refuse(fault.Identity, "object %s is called %q now, and was %q in the plan", ref, name, t.Name)
	case t.UUID != "" && uuid == "":
		return refuse(fault.Unreachable, "the UUID of object %s (%s) cannot be read just now", ref, name)
	case t.UUID != "" && !strings.EqualFold(uuid, t.UUID):
		return refuse(fault.Identity, "object %s (%s) has UUID %q now, and had %s in the plan: it is another one", ref, name, uuid, t.UUID)
	}
	return nil
}

// sameServer makes sure that the BMC is the one of the host: what the lab file has recorded decides, else the SMBIOS UUID.
func sameServer(h *inventory.Host, t plan.Target, b live.BMC) error {
	if h.BMC == nil { // a packet goes to a MAC address, which the planner compares
		return nil
	}
	if id, why := b.Identify(live.Pin{Serial: h.BMC.Serial, UUID: h.BMC.UUID}, t.UUID); id == live.Contradicted {
		return refuse(fault.Identity, "the BMC of host %s %s: it is the BMC of another server", h.Name, why)
	}
	return nil
}

// guardGuest refuses guests that a run must never switch off, whatever the plan says.
func (a *Activities) guardGuest(ctx context.Context, t plan.Target, g live.Guest) error {
	if why := a.mustStay(ctx, t.Endpoint, t.Direct, g); why != "" {
		return refuse(errUnsafe, "guest %s %s: nightshift does not switch it off", g.Name, why)
	}
	return nil
}

// mustStay says why the guest must stay on; empty: it need not. direct is the host through whose own API the step goes: the
// vCenter that we talk through would be gone before it could say how it ended.
func (a *Activities) mustStay(ctx context.Context, vcenter, direct string, g live.Guest) string {
	if why := cmp.Or(a.kept(vcenter, g), a.needed(ctx, vcenter, g)); why != "" || direct != "" {
		return why
	}
	if entry, ok := a.lab.Guest(vcenter, g.Name, g.UUID); ok && provides(entry.Provides, inventory.ProvidesVCenter, vcenter) {
		return "is the vCenter that says so, and goes down through its host's own API only"
	}
	return ""
}

// kept says why nightshift neither switches the guest off nor on; empty: it may.
func (a *Activities) kept(vcenter string, g live.Guest) string { return keptBy(a.lab, vcenter, g) }

func keptBy(lab *inventory.Lab, vcenter string, g live.Guest) string {
	entry, _ := lab.Guest(vcenter, g.Name, g.UUID)
	switch lab.Keeps(g.Name, entry, g.Tags) {
	case inventory.KeepSelf:
		return "is the one that nightshift runs in"
	case inventory.KeepNeed:
		return "is what nightshift itself needs (self.needs)"
	case inventory.KeepEntry:
		return "is kept by the lab file"
	case inventory.KeepTag:
		return "bears the tag " + lab.Tags.Keep
	}
	if g.Template || g.VCLS {
		return "belongs to vSphere itself"
	}
	return ""
}

// provides tells whether something is provided of the kind, or only what is called so.
func provides(list []inventory.Provision, kind, name string) bool {
	return slices.ContainsFunc(list, func(p inventory.Provision) bool {
		k, n := p.Split()
		return k == kind && (name == "" || n == name)
	})
}

// labHost finds the host that a step is about and refuses those that a run must never touch, whatever the plan says.
func (a *Activities) labHost(name string, t plan.Target) (*inventory.Host, error) {
	h, ok := a.lab.Host(name)
	switch {
	case !ok:
		return nil, refuse(errUnsafe, "host %s is not in the lab file: hosts that are not listed are never touched", name)
	case h.Keep:
		return nil, refuse(errUnsafe, "host %s is kept by the lab file", name)
	case a.lab.Self.Host == name:
		return nil, refuse(errUnsafe, "host %s is the one that nightshift runs on", name)
	}
	if of, ok := a.lab.HostByAddress(t.Endpoint, t.Name); !ok || of.Name != name {
		return nil, refuse(errUnsafe, "host %s of the lab file is not %s in vCenter %s", name, t.Name, t.Endpoint)
	}
	if t.Direct != "" && t.Direct != name {
		return nil, refuse(errUnsafe, "the step about host %s would go to the API of host %s", name, t.Direct)
	}
	return h, nil
}

// running lists the guests that are, or may be, on: all whose state is not known to be off.
func running(guests []live.Guest) []live.Guest {
	return slices.DeleteFunc(slices.Clone(guests), func(g live.Guest) bool {
		return g.Template || g.Power == live.PoweredOff || g.Power == live.Suspended
	})
}

func names(guests []live.Guest) string {
	var list []string
	for _, g := range guests {
		list = append(list, g.Name)
	}
	if len(list) > 5 {
		list = append(list[:5], fmt.Sprintf("and %d more", len(list)-5))
	}
	return strings.Join(list, ", ")
}
