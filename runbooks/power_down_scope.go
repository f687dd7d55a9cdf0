package runbooks

import (
	"fmt"
	"strings"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/words"
)

type hostEntry = inventory.Host

// chooseHosts decides which hosts go down. A host of which anything is unknown is blocked, never taken for up or down.
func (d *descent) chooseHosts() {
	for _, h := range d.hosts {
		switch {
		case !d.scope.host(h):
		case d.staysOn[h]: // said already
		case h.kept != "":
			d.leave(h.subject(), h.kept) // how many guests run on it is nothing that a plan should change by
		case h.live == nil && h.bmcSays(live.Off) && !h.vc.answers():
			d.off[h] = d.checkBMC(h)
		case h.vc.live == nil: // said already
		case h.live == nil && h.vc.absent():
			d.unseen(h)
		case h.live == nil:
			d.block(h.subject(), "vCenter "+h.vc.Name+" does not know a host "+inVCenter(*h.lab), "set its address: to its name in vCenter, or remove it from the lab file")
		case d.checkBMC(h) && d.mayGoDown(h):
			d.checkHostDown(h)
		}
	}
}

// mayGoDown looks at the power state, at both its witnesses, and at who runs on the host.
func (d *descent) mayGoDown(h *host) bool {
	switch {
	case h.isOff():
		d.off[h] = true
		d.tellSilent(h)
		if h.unnoticed() {
			d.warn(h.subject(), unnoticed, "")
		}
		return false
	case h.bmc.Power == live.Off:
		d.contradicts(h)
		return false
	case h.bmc.Power != live.On:
		d.blockForNow(h.subject(), fmt.Sprintf("its BMC says %q, which is neither On nor Off", h.bmc.Power), "plan again when it has come to rest")
		return false
	case !h.connected() && h.vc.absent():
		d.unseen(h)
		return false
	case !h.connected():
		d.block(h.subject(), "its BMC says On, but vCenter says "+h.live.Connection+": nobody knows what it does, or which guests run on it",
			"see to its management network and reconnect it in vCenter; if it hangs, switch it off at its BMC")
		return false
	}
	free := true
	for _, g := range h.guests {
		if g.kept == "" || !g.ordinary() || g.atRest() {
			continue
		}
		free = false
		if len(d.upses) > 0 { // the battery does not wait until somebody moves it
			d.staysOn[h] = true
			d.warn(h.subject(), "stays on, as guest "+g.id+" on it does ("+g.kept+")", "")
			continue
		}
		remedy := "move the guest to a kept host, or mark host " + h.name + " keep: true"
		if strings.HasPrefix(g.needed, "vCenter") {
			remedy = "mark its host " + h.name + " keep: true, or move the guest to a kept host"
		}
		d.block(g.subject(), g.kept+", but its host "+h.name+" would go down", remedy)
	}
	return free
}

// unseen: neither the vCenter nor the host itself tells what runs on it.
func (d *descent) unseen(h *host) {
	text, remedy := "is on, vCenter "+h.vc.Name+" does not answer, and the lab file has no esxi: for the host: nobody knows which guests run on it",
		"start the vCenter (power-up), or add esxi: to the host"
	switch {
	case h.direct != nil && h.direct.Err != "":
		text = "is on, but neither vCenter " + h.vc.Name + " nor the host itself answers (" + h.direct.Err + "): nobody knows which guests run on it"
		remedy = "see to its network; if it hangs, switch it off at its BMC"
	case h.lab.ESXi != nil:
		text = "is on, but neither vCenter " + h.vc.Name + " nor the host itself was read: nobody knows which guests run on it"
		remedy = "see `nightshift lab check`"
	}
	d.block(h.subject(), text, remedy)
}

// checkHostDown takes the host into the plan and says what stands in its way.
func (d *descent) checkHostDown(h *host) {
	d.down[h] = true
	p := d.hostPolicy(h)
	if h.live.ReadOnly {
		d.block(h.subject(), "its licence (free ESXi) lets programs only read", "assign a licence, or mark the host keep: true")
	}
	if p.Via == plan.ViaBMC || p.NoRights == plan.GracefulBMC {
		d.checkReset(h, true, "GracefulShutdown", "shut it down by its policy")
	}
	if p.OnTimeout == plan.ForceOffBMC {
		d.checkReset(h, true, "ForceOff", "cut its power by its policy")
	}
	d.checkReset(h, false, "On", "switch it on again")
	if h.live.Lockdown == "lockdownStrict" {
		// Through the vCenter, lockdown mode stands in nobody's way; but strict leaves no way in without it.
		d.warn(h.subject(), "is in strict lockdown mode: should vCenter "+h.vc.Name+" be lost, nobody can log in to it", "")
	}
	if h.live.Maintenance && !d.inOurMaintenance(h) {
		d.warn(h.subject(), "is in maintenance mode already: power-up will switch it on, and leave it in it", "")
	}
}

// chooseGuests decides which guests go down: all that run on the hosts that do.
func (d *descent) chooseGuests(keysOutside bool) {
	templates := 0
	for _, g := range d.guests {
		switch {
		case g.host == nil && d.scope.guests[g]:
			d.block(g.subject(), "was asked for, but nobody knows on which host it is", "see to it in vCenter")
		case g.host == nil || g.VCLS || !d.down[g.host] && !d.staysOn[g.host] && !d.scope.guests[g]:
		case g.Template:
			templates++
		case g.kept != "":
			d.leave(g.subject(), g.kept)
		case g.Power == live.PoweredOn:
			d.going[g] = true
			d.checkGuestDown(g, keysOutside)
		case !g.atRest():
			d.block(g.subject(), fmt.Sprintf("its power state is %q: nobody knows whether it runs", g.Power), "repair it in vCenter, or unregister it")
		}
	}
	if templates > 0 {
		d.leave(words.Count(templates, "template"), "never run")
	}
}

// checkClusters says what is true of whole clusters.
func (d *descent) checkClusters() {
	for _, c := range d.clusters {
		if !d.goesDown(c) {
			continue
		}
		d.checkRemembered(c)
		if c.VSAN {
			d.block(c.subject(), "is a vSAN cluster, whose data has to be taken down with it, which this nightshift cannot do", "mark the cluster keep: true (under clusters:)")
		}
		if stay := d.stays(c); stay != nil && len(c.toSuspend()) > 0 {
			d.warn(c.subject(), fmt.Sprintf("does not go down as a whole (%s), so its HA, DRS, DPM and vCLS stay as they are", words.Some(stay, fewNames))+c.meddles(), "")
		}
	}
}

// checkDependents warns where a guest goes down under one that stays up.
func (d *descent) checkDependents() {
	for _, g := range d.guests {
		if d.going[g] || !g.runs() {
			continue
		}
		d.checkStaying(g)
		d.checkHostStays(g)
	}
	d.checkFoundationAlone()
}

// meddles says what a cluster may do by itself to hosts and guests that go down while it works on.
func (c *cluster) meddles() string {
	var may []string
	if c.DRS && c.DRSLevel == "fullyAutomated" {
		may = append(may, "DRS may move guests to or from the hosts meanwhile")
	}
	if c.DPM {
		may = append(may, "DPM may switch them on again")
	}
	if len(may) == 0 {
		return ""
	}
	return "; " + strings.Join(may, ", ")
}
