package runapi

import (
	"nightshift/internal/ledger"
	"nightshift/internal/plan"
)

// ofGroups are the runbooks that work on one protection group and on nothing else.
var ofGroups = map[string]bool{"replicate": true, "prune": true}

// looking are the runbooks that only look: they need no lock, and hold nobody up.
var looking = map[string]bool{"lun-map": true, "vmfs-inspect": true, "vmfs-backup": true}

// GroupScope is the lock on a protection group.
func GroupScope(group string) string { return "protection-group:" + group }

// OfGroup tells whether the run is about one protection group alone.
func (p Params) OfGroup() bool { return ofGroups[p.Runbook] && p.Parameters[plan.ParamGroup] != "" }

// Scopes are the locks that the run takes, if any: runs of two protection groups go side by side, and none beside one that works on
// the lab.
func (p Params) Scopes() []string {
	if looking[p.Runbook] {
		return nil
	}
	if p.OfGroup() {
		return []string{GroupScope(p.Parameters[plan.ParamGroup])}
	}
	return []string{ledger.LabScope}
}
