// Package kinds tells, for the tests that break or kill each of them, which kinds of steps there are, by which calls each
// changes a system, which of those calls nobody may send twice undecided, and what the smallest lab is that has them all.
package kinds

import (
	"slices"
	"strings"

	"nightshift/internal/plan"
)

// A Kind of step: an action, through the vCenter or through a host's own API. Settings are of two kinds: those of clusters
// that others wait for, and alarms, for which nothing waits.
type Kind struct {
	Action plan.Action
	Direct bool
	Alarms bool
}

func (k Kind) String() string {
	switch {
	case k.Alarms:
		return string(k.Action) + " (alarms)"
	case k.Direct:
		return string(k.Action) + " (direct)"
	}
	return string(k.Action)
}

// Of is the kind of a step.
func Of(s plan.Step) Kind {
	k := Kind{Action: s.Action, Direct: s.Target.Direct != ""}
	if s.Action == plan.SuspendSetting || s.Action == plan.SettleDebt {
		k.Alarms = s.Minor()
	}
	return k
}

// All are all there are: every action, and those of them that may go to a host itself.
func All() (all []Kind) {
	for _, a := range plan.Actions() {
		all = append(all, Kind{Action: a})
		switch a {
		case plan.SuspendSetting, plan.SettleDebt:
			all = append(all, Kind{Action: a, Alarms: true})
		case plan.ShutdownGuest, plan.PowerOnGuest, plan.CheckGuest, plan.EnterMaintenance, plan.ExitMaintenance, plan.ShutdownHost, plan.AwaitHost, plan.AwaitDatastores:
			all = append(all, Kind{Action: a, Direct: true})
		}
	}
	return all
}

// Calls are the verbs, as the simulated lab names them, by which a step of the kind changes a system. None: it does not, or not
// one of the lab.
func (k Kind) Calls() []string {
	if k.Alarms {
		return []string{"EnableAlarmActions"}
	}
	return calls[k.Action]
}

var calls = map[plan.Action][]string{
	plan.MarkLab:          {"AddCustomFieldDef", "SetField"},
	plan.UnmarkLab:        {"SetField"},
	plan.SuspendSetting:   {"ReconfigureComputeResource_Task", "UpdateOptions"},
	plan.SettleDebt:       {"ReconfigureComputeResource_Task", "UpdateOptions"},
	plan.ShutdownGuest:    {"ShutdownGuest", "PowerOffVM_Task", "SuspendVM_Task"},
	plan.PowerOnGuest:     {"PowerOnVM_Task", "PowerOnMultiVM_Task"},
	plan.EnterMaintenance: {"EnterMaintenanceMode_Task"},
	plan.ExitMaintenance:  {"ExitMaintenanceMode_Task"},
	plan.ShutdownHost:     {"ShutdownHost_Task"},
	plan.PowerOnHost:      {"Reset:On"},
	plan.StopApplication:  {"cluster stop"},
	plan.StartApplication: {"cluster start"},

	plan.OrderLoadOff:      {"INSTCMD"}, // at the NUT server
	plan.RunCommand:        {"touch"},
	plan.RunInGuest:        {"StartProgramInGuest"},
	plan.RebootHost:        {"RebootHost_Task"},
	plan.SetHostOption:     {"UpdateOptions"},
	plan.SetChangeTracking: {"ReconfigVM_Task"},
	plan.SnapshotGuest:     {"CreateSnapshot_Task"},
	plan.RemoveSnapshot:    {"RemoveSnapshot_Task"},

	plan.MarkGroup:     {"zfs set"},
	plan.UnmarkGroup:   {"zfs inherit"},
	plan.SnapshotGroup: {"zfs snapshot"},
	plan.SendDataset:   {"zfs send"},
	plan.KeepPoint:     {"zfs bookmark"},
	plan.SaveRecord:    {"save record"},
	plan.CopyBackup:    {"save copy"},
	plan.RestoreTable:  {"nightshift-write-table"},
	plan.ReleaseHolds:  {"zfs release"},
	plan.DestroyPoints: {"zfs destroy"},
}

// Is tells whether a call that was received is one of the verb: "Reset:ForceOff" and "touch /tmp/x" are a Reset and a touch.
func Is(call, verb string) bool {
	rest, ok := strings.CutPrefix(call, verb)
	return ok && (rest == "" || rest[0] == ':' || rest[0] == ' ')
}

// Sends tells whether a call that a system of the lab has received may be one of a step of the kind.
func (k Kind) Sends(system, call string) bool {
	return k.Direct == strings.HasPrefix(system, "esxi:") && slices.ContainsFunc(k.Calls(), func(verb string) bool { return Is(call, verb) })
}
