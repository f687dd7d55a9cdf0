package runbooks

import (
	"slices"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// A host is what the lab file, its vCenter, its BMC and its own API tell of one machine. Its methods ask this for what planners decide by.
type host struct {
	name    string // in the lab file, else in vCenter
	id      string
	vc      *vcenter
	lab     *inventory.Host  // nil: not in the lab file
	live    *live.Host       // nil: vCenter does not know it
	bmc     *live.BMC        // nil: not read
	direct  *live.DirectHost // nil: its own API was not read
	cluster *cluster         // nil: standalone
	guests  []*guest         // by its live state
	kept    string           // why it is left alone; empty: it is not
}

func (h *host) ref() string {
	if h.live == nil {
		return ""
	}
	return h.live.Ref
}

// uuid is that by which vCenter knows the host; empty where it doesn't.
func (h *host) uuid() string {
	if h.live == nil {
		return ""
	}
	return h.live.UUID
}

// target names the host as vCenter does, as its identity is compared there.
func (h *host) target() plan.Target {
	return plan.Target{Kind: plan.Host, Name: h.live.Name, Endpoint: h.vc.Name, Ref: reference(h.live.Ref), UUID: h.live.UUID}
}

// itself is the host as its own API tells it.
func (h *host) itself() plan.Target {
	t := h.target()
	t.Direct = h.lab.Name
	return t
}

// connected: the vCenter sees the host, or, where that does not answer, the host itself did.
func (h *host) connected() bool { return h.live != nil && h.live.Connection == live.Connected }

// readable tells whether the host was read through its own API.
func (h *host) readable() bool {
	return h.direct != nil && h.direct.Err == "" && len(h.direct.ESXi.Hosts) == 1
}

// bmcSays tells whether the BMC answers, and answers this.
func (h *host) bmcSays(power string) bool {
	return h.bmc != nil && h.bmc.Err == "" && h.bmc.Power == power
}

// isOff: the machine is. Its BMC says so, and vCenter does not see it run, or shows what it last knew of it.
func (h *host) isOff() bool {
	return h.bmcSays(live.Off) && (!h.connected() || h.live.Power == "standBy" || h.live.Power == live.PoweredOff || h.unnoticed())
}

// unnoticed: the BMC says Off, and vCenter still says connected, as it does for a while after a shutdown. That is
// believed of a host that was made ready for it: in maintenance mode, and no guest is on. Of any other host it is a
// contradiction.
func (h *host) unnoticed() bool {
	return !h.wakes() && h.bmcSays(live.Off) && h.connected() && h.live.Power != "standBy" && h.live.Power != live.PoweredOff && h.live.Maintenance &&
		!slices.ContainsFunc(h.guests, func(g *guest) bool { return !g.Template && !g.atRest() })
}

// stores are the Refs of its datastores.
func (h *host) stores() []string {
	return slices.Compact(slices.Sorted(slices.Values(h.live.Datastores)))
}

// storeNames are the names of its datastores.
func (h *host) storeNames() []string {
	if h.live == nil {
		return nil
	}
	return h.vc.storeNames(h.live.Datastores)
}
