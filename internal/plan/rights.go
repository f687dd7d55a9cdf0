package plan

import (
	"cmp"
	"slices"
)

// What a right must be held on.
const (
	OnGuest   = "guest"
	OnHost    = "host"
	OnCluster = "cluster"
	OnRoot    = "vCenter" // its root folder
)

// A Right is a privilege that nightshift's account in a vCenter needs.
type Right struct {
	ID  string // as vSphere names it: "VirtualMachine.Interact.PowerOff"
	On  string // OnGuest …
	For string // what it is for, after "to"
	// Optional ones are for what only some lab files, or labs, ask for; without them the rest works.
	Optional bool
}

// Inspecting is what every plan begins with, before any action.
const Inspecting Action = MakePlan

// Silencing is SuspendSetting and SettleDebt where they are about alarms alone.
const Silencing Action = "Silencing"

// RightsOf lists what actions need in a vCenter, each once for what it is held on; nil, false: nobody has written down what
// the action needs. Reading the inventory goes before every action.
func RightsOf(actions []Action) (list []Right, ok bool) {
	table := rights()
	for _, a := range append([]Action{Inspecting}, actions...) {
		of, known := table[a]
		if !known {
			return nil, false
		}
		for _, r := range of {
			if i := slices.IndexFunc(list, func(x Right) bool { return x.ID == r.ID && x.On == r.On }); i < 0 {
				list = append(list, r)
			} else if list[i].Optional && !r.Optional { // what one action can do without, another cannot
				list[i] = r
			}
		}
	}
	slices.SortFunc(list, func(a, b Right) int { return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.On, b.On)) })
	return list, true
}

// rights is the one table of what actions need, as the vSphere Web Services API Reference lists it for their calls. An action
// without entries needs nothing in a vCenter but to read.
func rights() map[Action][]Right {
	mark := []Right{
		{ID: "Global.ManageCustomFields", On: OnRoot, For: "make the custom attribute that marks the vCenter while a run works on it"},
		{ID: "Global.SetCustomField", On: OnRoot, For: "set that mark, and take it off"},
	}
	settings := []Right{
		{ID: "Host.Inventory.EditCluster", On: OnCluster, For: "take HA, DRS and DPM of a cluster out of the way, and give them back"},
		{ID: "Global.Settings", On: OnRoot, For: "ask vCLS to retreat from a cluster, and to come back"},
		{ID: "Global.ManageCustomFields", On: OnRoot, Optional: true, For: "note a cluster's old settings in its custom attribute"},
		{ID: "Global.SetCustomField", On: OnCluster, Optional: true, For: "note a cluster's old settings in its custom attribute"},
		{ID: "Alarm.DisableActions", On: OnCluster, Optional: true, For: "keep a cluster's alarms from acting while a scheduled run works on it"},
	}
	alarms := []Right{{ID: "Alarm.DisableActions", On: OnHost, Optional: true, For: "keep hosts' alarms from acting while a scheduled run works on them"}}
	settings = append(settings, alarms...)
	maintenance := []Right{{ID: "Host.Config.Maintenance", On: OnHost, For: "put hosts into maintenance mode, take them out of it, and shut them down"}}
	return map[Action][]Right{
		Inspecting: {
			{ID: "System.View", On: OnRoot, For: "see the inventory"},
			{ID: "System.Read", On: OnRoot, For: "read the inventory"},
		},
		RememberRunning: nil, ForgetRunning: nil, RecordLab: nil, CheckMains: nil, OrderLoadOff: nil, Join: nil,
		MarkGroup: nil, UnmarkGroup: nil, SnapshotGroup: nil, SendDataset: nil, VerifyReplicas: nil, KeepPoint: nil, MeasureGroup: nil, ReleaseHolds: nil, DestroyPoints: nil,
		SaveRecord: {{ID: "StorageProfile.View", On: OnRoot, Optional: true, For: "note the storage policies of guests that are replicated"}},
		MarkLab:    mark, UnmarkLab: mark,
		SuspendSetting: settings, SettleDebt: settings, Silencing: alarms,
		SilenceMonitoring: nil, ResumeMonitoring: nil,
		ShutdownGuest: {
			{ID: "VirtualMachine.Interact.PowerOff", On: OnGuest, For: "shut guests down, or power them off"},
			{ID: "VirtualMachine.Interact.Suspend", On: OnGuest, Optional: true, For: "suspend guests, where a policy says so"},
		},
		PowerOnGuest:     {{ID: "VirtualMachine.Interact.PowerOn", On: OnGuest, For: "start guests"}},
		CheckGuest:       nil,
		EnterMaintenance: maintenance, ExitMaintenance: maintenance, ShutdownHost: maintenance,
		PowerOnHost: nil, AwaitHost: nil, AwaitVCenter: nil,
		AwaitDatastores: {{ID: "Host.Config.Storage", On: OnHost, Optional: true, For: "have hosts look for storage that came up after them"}},
		StopApplication: nil, StartApplication: nil,
		MapLUNs: nil, InspectVolume: nil, SaveVolume: nil, CopyBackup: nil, RestoreTable: nil,
		RunCommand: nil, ProbeHTTP: nil, Wait: nil, Confirm: nil, SendMessage: nil, ReadHostOption: nil,
		RunInGuest: {
			{ID: "VirtualMachine.GuestOperations.Execute", On: OnGuest, For: "start programs in guests, through their Tools"},
			{ID: "VirtualMachine.GuestOperations.Query", On: OnGuest, For: "see how these programs ended"},
		},
		RebootHost:        maintenance,
		SetHostOption:     {{ID: "Host.Config.AdvancedConfig", On: OnHost, For: "set advanced options of hosts"}},
		SetChangeTracking: {{ID: "VirtualMachine.Config.ChangeTracking", On: OnGuest, Optional: true, For: "switch Changed Block Tracking of guests off and on"}},
		SnapshotGuest:     {{ID: "VirtualMachine.State.CreateSnapshot", On: OnGuest, For: "make snapshots of guests"}},
		RemoveSnapshot:    {{ID: "VirtualMachine.State.RemoveSnapshot", On: OnGuest, For: "remove the snapshots that it made"}},
	}
}
