package runbooks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/words"
)

// clockTolerance is how far a vCenter's clock may be off before it is said: logins and certificates go by it.
const clockTolerance = 5 * time.Minute

// checkVCenters looks at the vCenters that the runbook works through.
func (b *builder) checkVCenters(wanted func(*vcenter) bool) {
	for _, vc := range b.vcenters {
		if !wanted(vc) {
			continue
		}
		if vc.unread() {
			b.block(vc.subject(), "could not be read, so nothing is known of its hosts and guests",
				"see `nightshift lab check`; a vCenter that is off must be started first")
			continue
		}
		if vc.answers() {
			b.checkVCenter(vc)
		}
	}
}

// checkOwnMachines looks for the machines that must not go down: one that isn't found might be on any host.
func (b *builder) checkOwnMachines() {
	b.mustExist("the one nightshift runs in (self)", b.lab.Self.Guest)
	for _, name := range b.lab.Self.NeededGuests() {
		b.mustExist("one that nightshift itself needs (self.needs)", name)
	}
	for _, vc := range b.vcenters {
		if of, ok := b.lab.VCenterGuest(vc.Name); ok && b.vcenterGuest(vc) == nil {
			b.mustExist("the one vCenter "+vc.Name+" runs in", of.Name)
		}
	}
}

// checkSelf holds what the lab file says of the machine that nightshift runs on against its SMBIOS UUID, where that is known.
func (b *builder) checkSelf() {
	if !live.GenuineUUID(b.machine) {
		return
	}
	for _, g := range b.guests {
		same := live.SameUUID(g.BIOSUUID, b.machine)
		switch {
		case same && g.kept == "":
			b.block(g.subject(), "nightshift itself runs in it, by its SMBIOS UUID, but the lab file says otherwise", "correct self: in the lab file")
		case !same && g.Name == b.lab.Self.Guest && live.GenuineUUID(g.BIOSUUID):
			b.warn(g.subject(), "the lab file says that nightshift runs in it, but this machine has another SMBIOS UUID", "see that self: in the lab file is right")
		}
	}
	for _, h := range b.hosts {
		if h.kept == "" && h.live != nil && live.SameUUID(h.live.UUID, b.machine) {
			b.block(h.subject(), "nightshift itself runs on it, by its SMBIOS UUID, but the lab file says otherwise", "correct self: in the lab file")
		}
	}
}

func (b *builder) mustExist(what, name string) {
	if name == "" || slices.ContainsFunc(b.vcenters, (*vcenter).unread) ||
		slices.ContainsFunc(b.guests, func(g *guest) bool { return g.Name == name }) {
		return
	}
	b.block("guest "+name, "the lab file names it as "+what+", but no vCenter has such a guest, so its host is unknown",
		"correct the name in the lab file, or remove it if the machine is outside of this lab")
}

func (b *builder) checkVCenter(vc *vcenter) {
	l := vc.live
	if l.Mark != "" && l.Mark != b.instance {
		b.block(vc.subject(), fmt.Sprintf("another nightshift (%s) works on it", l.Mark),
			"wait for its run to end; if that nightshift is no more, clear the custom attribute by which it marked the vCenter")
	}
	if l.APIType == "HostAgent" {
		b.block(vc.subject(), "is a single ESXi host, not a vCenter", "name the vCenter that manages the host")
	}
	if strings.HasPrefix(strings.ToLower(vc.URL), "http://") {
		b.warn(vc.subject(), "is reached by plain http: everyone on the way can read the password", "use https and tls: fingerprint")
	}
	if off := l.ClockOffset.Abs(); off > clockTolerance {
		way := "ahead of"
		if l.ClockOffset < 0 {
			way = "behind"
		}
		b.warn(vc.subject(), fmt.Sprintf("its clock is more than %s %s ours", roughly(off), way), "see to the time (NTP) of both")
	}
	for _, w := range slices.Sorted(slices.Values(l.Warnings)) {
		if !blindToTags(w) {
			b.warn(vc.subject(), w, "")
		}
	}
}

// roughly is for texts that must not change from one look to the next.
func roughly(d time.Duration) string {
	for _, step := range []time.Duration{24 * time.Hour, time.Hour, 15 * time.Minute} {
		if d > step {
			return words.Limit(step)
		}
	}
	return words.Limit(clockTolerance)
}

func blindToTags(warning string) bool { return strings.HasPrefix(strings.ToLower(warning), "tag") }

// checkTags blocks what goes by tags where these could not be read: a kept guest would look like any other.
func (b *builder) checkTags(why string) {
	for _, vc := range b.vcenters {
		if !vc.answers() {
			continue
		}
		for _, w := range slices.Sorted(slices.Values(vc.live.Warnings)) {
			if blindToTags(w) {
				b.block(vc.subject(), w+": "+why, "let its user read vSphere tags (see `nightshift lab check`)")
			}
		}
	}
}

func (vc *vcenter) subject() string { return "vCenter " + vc.Name }
func (h *host) subject() string     { return "host " + h.id }
func (g *guest) subject() string    { return "guest " + g.id }
func (c *cluster) subject() string  { return "cluster " + c.id }

// checkBMC says whether the BMC can be believed: it is there, answers, and is this host's and no other's.
func (b *builder) checkBMC(h *host) bool {
	before := len(b.plan.Blockers)
	switch {
	case h.lab.BMC == nil && h.lab.WakeOnLAN != nil && h.bmc == nil:
		b.block(h.subject(), "nobody has asked its witnesses whether it is on", "see `nightshift lab check`")
	case h.wakes() && h.bmc.Err != "":
		b.block(h.subject(), "its witnesses do not tell whether it is on: "+h.bmc.Err, "see `nightshift lab check`, or mark the host keep: true")
	case h.wakes():
		b.checkWake(h)
	case h.lab.BMC == nil && h.lab.WakeOnLAN == nil:
		b.block(h.subject(), "has no bmc: in the lab file, so nobody can see that it is off, or switch it on again",
			"add its bmc:, or mark the host keep: true")
	case h.bmc == nil:
		b.block(h.subject(), "its BMC was not read", "see `nightshift lab check`")
	case h.bmc.Err != "":
		b.block(h.subject(), "its BMC does not answer as it should: "+h.bmc.Err, "see `nightshift lab check`, or mark the host keep: true")
	default:
		b.checkBMCIdentity(h)
	}
	return len(b.plan.Blockers) == before
}

func (b *builder) checkBMCIdentity(h *host) {
	pin := pinOf(h.lab.BMC)
	id, why := h.bmc.Identify(pin, h.uuid())
	if id == live.Contradicted {
		remedy := "correct the bmc: url or system; if it is this host's, `nightshift lab trust` records by what to know it"
		if pin.Recorded() {
			remedy = "correct the bmc: url or system, or run `nightshift lab trust --replace` if the server was replaced"
		}
		b.block(h.subject(), "its BMC "+why+": this is another machine", remedy)
	}
	for _, o := range b.hosts {
		if o != h && o.bmc != nil && o.bmc.Err == "" && sameMachine(h.bmc, o.bmc) {
			b.block(h.subject(), fmt.Sprintf("its BMC and that of host %s are the same machine (serial number %q, UUID %q)", o.id, h.bmc.Serial, h.bmc.UUID),
				"correct the bmc: url of one of them")
		}
	}
	if _, why := h.bmc.Identify(live.Pin{}, h.uuid()); pin.Recorded() && id == live.Proven && why != "" {
		b.warn(h.subject(), "its BMC "+why+"; it is taken for this host's, as the lab file has recorded it so", "")
	}
	if l := h.live; l != nil && !pin.Recorded() && live.Genuine(l.Serial) && live.Genuine(h.bmc.Serial) && !strings.EqualFold(l.Serial, h.bmc.Serial) {
		b.warn(h.subject(), fmt.Sprintf("vCenter knows its serial number as %s, its BMC as %s: is it the BMC of this machine?", l.Serial, h.bmc.Serial),
			"compare them; `nightshift lab trust` records that of the BMC")
	}
	if strings.HasPrefix(strings.ToLower(h.lab.BMC.URL), "http://") {
		b.warn(h.subject(), "its BMC is reached by plain http: everyone on the way can read the password", "use https and tls: fingerprint")
	}
}

func pinOf(b *inventory.BMC) live.Pin { return live.Pin{Serial: b.Serial, UUID: b.UUID} }

// sameMachine goes by the serial number; by the UUID only where there is no serial number to tell them apart, as boards
// of one make may come with one UUID.
func sameMachine(a, b *live.BMC) bool {
	if live.Genuine(a.Serial) && live.Genuine(b.Serial) {
		return strings.EqualFold(a.Serial, b.Serial)
	}
	return live.GenuineUUID(a.UUID) && live.SameUUID(a.UUID, b.UUID)
}

// checkReset says when the BMC does not offer a ResetType that the plan, or the policy, counts on.
func (b *builder) checkReset(h *host, must bool, resetType, why string) {
	switch {
	case h.lab.BMC == nil: // it wakes by a packet
	case slices.Contains(h.bmc.ResetTypes, resetType):
	case len(h.bmc.ResetTypes) == 0:
		b.warn(h.subject(), fmt.Sprintf("its BMC does not tell which resets it knows, so %s (%s) may fail", resetType, why), "")
	case must:
		b.block(h.subject(), fmt.Sprintf("its BMC does not know the reset %s, which is needed to %s; it knows %s", resetType, why,
			strings.Join(slices.Sorted(slices.Values(h.bmc.ResetTypes)), ", ")), "change the host's shutdown: policy, or update the BMC's firmware")
	default:
		b.warn(h.subject(), fmt.Sprintf("its BMC does not know the reset %s, which will be needed to %s", resetType, why), "update the BMC's firmware, or mark the host keep: true")
	}
}

// checkTasks blocks where something is under way that a shutdown would break or that would stand in its way.
func (b *builder) checkTasks(vc *vcenter, affected map[string]string) {
	tasks := slices.Clone(vc.live.Tasks)
	slices.SortFunc(tasks, func(a, c live.Task) int { return strings.Compare(a.Entity+a.Name+a.Ref, c.Entity+c.Name+c.Ref) })
	for _, t := range tasks {
		subject, ok := affected[t.Entity]
		switch kind := taskKind(t.Name); {
		case !ok:
		case kind != "":
			b.block(subject, fmt.Sprintf("a %s is under way (task %s)", kind, t.Name), "wait until it has ended, or cancel it, and plan again")
		case vc.live.Mark != "" && vc.live.Mark == b.instance && ownTask(t.Name): // of this run, which plans anew
		default:
			b.warn(subject, "the task "+t.Name+" is under way", "")
		}
	}
}

// ownTask tells whether the steps of a power-down make such tasks.
func ownTask(descriptionID string) bool {
	id := strings.ToLower(descriptionID)
	return slices.ContainsFunc([]string{"maintenancemode", "hostsystem.shutdown", "machine.poweroff", "machine.suspend", "machine.shutdownguest", "computeresource.reconfigure"},
		func(word string) bool { return strings.Contains(id, word) })
}

// taskKinds are words of descriptionIds, in the order in which they are looked for: "VirtualMachine.createSnapshot",
// "Drm.ExecuteVMotionLRO". Backup products show themselves by their snapshots, exports and own task names.
var taskKinds = []struct{ word, kind string }{
	{"consolidate", "disk consolidation"}, {"snapshot", "snapshot task"}, {"backup", "backup"}, {"migrate", "migration"},
	{"vmotion", "migration"}, {"relocate", "relocation"}, {"clone", "clone"}, {"export", "export"}, {"import", "import"},
	{"instant", "clone"}, {"replicat", "replication"}, {"restore", "restore"},
}

// taskKind is what a person calls a task that must not be broken off; empty for others.
func taskKind(descriptionID string) string {
	id := strings.ToLower(descriptionID)
	for _, k := range taskKinds {
		if strings.Contains(id, k.word) {
			return k.kind
		}
	}
	return ""
}

// checkGuestDown says what stands in the way of a guest that goes down.
func (b *builder) checkGuestDown(g *guest, keysOutside bool) {
	if g.Connection != "" && g.Connection != live.Connected {
		b.block(g.subject(), "vCenter calls it "+g.Connection+", so nobody knows whether it runs", "repair it in vCenter, or unregister it")
	}
	if g.FT {
		b.block(g.subject(), "Fault Tolerance is on", "turn it off for the guest, or mark the guest's hosts keep: true")
	}
	b.checkKeys(g, keysOutside)
	if q := g.Question; q != nil {
		b.warn(g.subject(), fmt.Sprintf("waits for an answer: %q (%s)", q.Text, strings.Join(q.Choices, " | ")),
			"answer it in vCenter: a guest that waits does not shut down")
	}
	if g.Consolidation {
		b.warn(g.subject(), "its disks need consolidation", "consolidate them in vCenter; it does not keep the guest from going down")
	}
	way := g.way()
	if way == plan.LeaveGuest {
		b.block(g.subject(), "runs no VMware Tools, and its policy is to leave it on then",
			"install the Tools, or set shutdown: {noTools: powerOff} (or suspend) for it, or keep it")
	}
	if way == plan.PowerOffGuest && g.policy.Method == plan.ShutdownByTools {
		b.warn(g.subject(), "runs no VMware Tools: it will be powered off, without a shutdown", "")
	}
	if g.NoSuspend != "" && (way == plan.SuspendGuest || way == plan.ShutdownByTools && g.policy.OnTimeout == plan.SuspendGuest) {
		b.block(g.subject(), "its policy is to suspend it, which it cannot be: "+g.NoSuspend, "set its shutdown: policy to shutdown or powerOff")
	}
}

// checkKeys: an encrypted guest does not start again if its key server is a machine that it, or its hosts, carry. No
// vCenter tells where a key server runs, so a person has to say it.
func (b *builder) checkKeys(g *guest, keysOutside bool) {
	switch {
	case !g.Encrypted || b.keysCovered(g): // those go down after it, and come up before it
	case keysOutside:
		b.warn(g.subject(), "is encrypted (key provider "+cmp.Or(g.KeyProvider, "unknown")+"): it was said that its keys do not come from this lab", "")
	default:
		b.block(g.subject(), "is encrypted (key provider "+cmp.Or(g.KeyProvider, "unknown")+"), and would not start again if its key server runs on a host that goes down",
			"if the keys come from elsewhere, or from the vCenter's native key provider, say so with the parameter "+paramKeysOutside+"=true; otherwise keep the guest's host")
	}
}

// way is how the guest will go down: shutdown, powerOff or suspend; leave: not at all.
func (g *guest) way() string {
	switch g.policy.Method {
	case plan.SuspendGuest, plan.PowerOffGuest:
		return g.policy.Method
	}
	if !g.Tools {
		return g.policy.NoTools
	}
	return plan.ShutdownByTools
}

// policyParams is a policy as a step takes it.
func policyParams(p inventory.GuestPolicy) plan.ShutdownGuestParams {
	return plan.ShutdownGuestParams{Method: p.Method, Timeout: p.Timeout, OnTimeout: p.OnTimeout, NoTools: p.NoTools}
}
