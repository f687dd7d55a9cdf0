package kinds

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
)

// destructive are the verbs of the calls that must not be sent twice without a decision between: what switches something on or
// off, or changes what it is.
var destructive = []string{
	"ShutdownGuest", "PowerOffVM_Task", "SuspendVM_Task", "PowerOnVM_Task", "PowerOnMultiVM_Task",
	"EnterMaintenanceMode_Task", "ExitMaintenanceMode_Task", "ShutdownHost_Task", "RebootHost_Task", "Reset",
	"ReconfigureComputeResource_Task", "UpdateOptions", "ReconfigVM_Task", "CreateSnapshot_Task", "RemoveSnapshot_Task",
	"StartProgramInGuest", "cluster stop", "cluster start", "touch", "INSTCMD", "nightshift-write-table", "zfs destroy",
	"service-control --stop", "service-control --start",
}

// Destructive tells whether a call, as the lab names it, must not be sent twice without a decision between. To destroy a bookmark
// takes no data away.
func Destructive(call string) bool {
	return !strings.Contains(call, "#") && slices.ContainsFunc(destructive, func(verb string) bool { return Is(call, verb) })
}

// Twice tells which destructive calls came more often than there were decisions to send them: one for each step that sends this
// call to this target, and those that were recorded about these steps. What a fault of the test's had refused does not count, nor what
// came with a session that had ended: NotAuthenticated proves that it was not carried out.
func Twice(calls []simlab.Record, steps []plan.Step, decisions []runapi.Decision) (wrong []string) {
	type call struct{ system, verb, target string }
	count, results := map[call]int{}, map[call][]string{}
	for _, c := range calls {
		if Destructive(c.Verb) && !strings.HasPrefix(c.Result, "injected") && c.Result != "NotAuthenticated" {
			key := call{c.System, c.Verb, c.Target}
			count[key]++
			results[key] = append(results[key], c.Result)
		}
	}
	for c, n := range count {
		senders := slices.DeleteFunc(slices.Clone(steps), func(s plan.Step) bool { return !mayHaveSent(s, c.system, c.verb, c.target) })
		allowed := len(senders)
		if Is(c.verb, "RemoveSnapshot_Task") { // about a snapshot, which one step removes
			allowed = min(allowed, 1)
		}
		for _, d := range decisions {
			if slices.ContainsFunc(senders, func(s plan.Step) bool { return s.ID == d.Step }) {
				allowed++
			}
		}
		if n > allowed {
			wrong = append(wrong, fmt.Sprintf("%s to %s of %s came %d times (%s), with %d decisions: %+v", c.verb, c.target, c.system, n,
				strings.Join(results[c], ", "), allowed, decisions))
		}
	}
	slices.Sort(wrong)
	return wrong
}

// mayHaveSent tells whether a call is of the step.
func mayHaveSent(s plan.Step, system, verb, target string) bool {
	if bmc := strings.HasPrefix(system, "bmc:"); !bmc && (s.Target.Direct != "") != strings.HasPrefix(system, "esxi:") {
		return false
	}
	about := s.Target.Name
	if s.Target.Kind == plan.LUN || s.Action == plan.DestroyPoints { // its calls go to the storage host
		about = s.Target.Endpoint
	}
	if about != target && s.Action != plan.RemoveSnapshot {
		return false
	}
	return slices.ContainsFunc(sentBy(s), func(begin string) bool { return strings.HasPrefix(verb, begin) })
}

// bySetting is how the calls that change a setting begin.
var bySetting = map[plan.Setting][]string{
	plan.HA:             {"ReconfigureComputeResource_Task:ha="},
	plan.DRS:            {"ReconfigureComputeResource_Task:drs="},
	plan.DPM:            {"ReconfigureComputeResource_Task:dpm="},
	plan.VCLS:           {"UpdateOptions:config.vcls.clusters."},
	plan.Maintenance:    {"ExitMaintenanceMode_Task"},
	plan.ChangeTracking: {"ReconfigVM_Task:changeTracking="},
}

// sentBy is how the calls that a step may send begin.
func sentBy(s plan.Step) []string {
	var p struct { // those of the parameters that the calls tell
		Setting plan.Setting
		Option  string
		Enabled bool
		Name    string
		Run     []string
	}
	if len(s.Params) > 0 && json.Unmarshal(s.Params, &p) != nil {
		return nil
	}
	switch s.Action {
	case plan.SuspendSetting, plan.SettleDebt:
		return bySetting[p.Setting]
	case plan.SetHostOption:
		return []string{"UpdateOptions:" + p.Option + "="}
	case plan.SetChangeTracking:
		return []string{fmt.Sprintf("ReconfigVM_Task:changeTracking=%t", p.Enabled)}
	case plan.SnapshotGuest:
		return []string{"CreateSnapshot_Task:" + p.Name}
	case plan.RunInGuest:
		return []string{"StartProgramInGuest:" + p.Run[0]}
	case plan.RunCommand:
		return []string{strings.Join(p.Run, " ")}
	case plan.ShutdownHost, plan.PowerOnHost:
		return append([]string{"Reset:"}, calls[s.Action]...)
	default:
		return calls[s.Action]
	}
}
