package kinds

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
	"nightshift/internal/simlab"
)

func TestCallsThatCameTwice(t *testing.T) {
	web, box := plan.Target{Kind: plan.Guest, Name: "web01"}, plan.Target{Kind: plan.Host, Name: "esx21"}
	itself := plan.Target{Kind: plan.Host, Name: "esx21", Direct: "esx21"}
	steps := []plan.Step{
		{ID: "reset:web01/off", Action: plan.SetChangeTracking, Target: web, Params: plan.Encode(plan.TrackingParams{})},
		{ID: "reset:web01/stun", Action: plan.SnapshotGuest, Target: web, Params: plan.Encode(plan.SnapshotParams{Name: "off"})},
		{ID: "reset:web01/unstun", Action: plan.RemoveSnapshot, Target: web, Params: plan.Encode(plan.SnapshotParams{Name: "off"})},
		{ID: "reset:web01/stun-again", Action: plan.SnapshotGuest, Target: web, Params: plan.Encode(plan.SnapshotParams{Name: "on"})},
		{ID: "reset:web01/unstun-again", Action: plan.RemoveSnapshot, Target: web, Params: plan.Encode(plan.SnapshotParams{Name: "on"})},
		{ID: "suspend:Lab/ha", Action: plan.SuspendSetting, Target: plan.Target{Kind: plan.Cluster, Name: "Lab"}, Params: plan.Encode(plan.SettingParams{Setting: plan.HA})},
		{ID: "shutdown-host:esx21", Action: plan.ShutdownHost, Target: itself, Params: plan.Encode(plan.ShutdownHostParams{Host: "esx21"})},
		{ID: "destroy:1", Action: plan.DestroyPoints, Target: plan.Target{Kind: plan.Dataset, Name: "tank/mail", Endpoint: "ss1"}},
		{ID: "destroy:2", Action: plan.DestroyPoints, Target: plan.Target{Kind: plan.Dataset, Name: "tank/mail", Endpoint: "ss1"}},
		{ID: "set", Action: plan.SetHostOption, Target: box, Params: plan.Encode(plan.OptionParams{Host: "esx21", Option: "UserVars.X", Value: "1"})},
	}
	call := func(system, verb, target string) simlab.Record {
		return simlab.Record{System: system, Verb: verb, Target: target, Result: "ok"}
	}
	off, stun := call("vcenter", "ReconfigVM_Task:changeTracking=false", "web01"), call("vcenter", "CreateSnapshot_Task:off", "web01")
	gone, ha := call("vcenter", "RemoveSnapshot_Task", "snapshot-5"), call("vcenter", "ReconfigureComputeResource_Task:ha=false", "Lab")
	down, cut := call("esxi:esx21", "ShutdownHost_Task", "esx21"), call("bmc:esx21", "Reset:ForceOff", "esx21")
	destroy := call("ssh:ss1", "zfs destroy:tank/mail@a,b", "ss1")
	refused := off
	refused.Result = "injected HostCommunication"
	for name, c := range map[string]struct {
		calls   []simlab.Record
		decided []string
		wrong   int
	}{
		"each once":                          {calls: []simlab.Record{off, stun, gone, ha, down, cut}},
		"refused by a fault":                 {calls: []simlab.Record{refused, off}},
		"twice":                              {calls: []simlab.Record{off, off}, wrong: 1},
		"two of them":                        {calls: []simlab.Record{ha, down, ha, down}, wrong: 2},
		"decided":                            {calls: []simlab.Record{off, off}, decided: []string{"reset:web01/off"}},
		"decided for another step":           {calls: []simlab.Record{stun, stun}, decided: []string{"reset:web01/stun-again", "reset:web01/off"}, wrong: 1},
		"a snapshot removed twice":           {calls: []simlab.Record{gone, gone}, wrong: 1},
		"another setting":                    {calls: []simlab.Record{call("vcenter", "ReconfigureComputeResource_Task:drs=manual", "Lab")}, wrong: 1},
		"another guest":                      {calls: []simlab.Record{call("vcenter", "ReconfigVM_Task:changeTracking=false", "db01")}, wrong: 1},
		"through the vCenter, not direct":    {calls: []simlab.Record{call("vcenter", "ShutdownHost_Task", "esx21")}, wrong: 1},
		"two steps that destroy":             {calls: []simlab.Record{destroy, destroy}},
		"one that destroys twice":            {calls: []simlab.Record{destroy, destroy, destroy}, wrong: 1},
		"one that destroys, decided":         {calls: []simlab.Record{destroy, destroy, destroy}, decided: []string{"destroy:2"}},
		"one that destroys elsewhere":        {calls: []simlab.Record{call("ssh:ss2", "zfs destroy:backup/mail@a", "ss2")}, wrong: 1},
		"a bookmark":                         {calls: []simlab.Record{call("ssh:ss1", "zfs destroy:tank/mail#a", "ss1"), call("ssh:ss1", "zfs destroy:tank/mail#a", "ss1")}},
		"what may come again":                {calls: []simlab.Record{call("esxi:esx21", "RescanVmfs", "esx21"), call("esxi:esx21", "RescanVmfs", "esx21")}},
		"a host's option, decided":           {calls: []simlab.Record{call("vcenter", "UpdateOptions:UserVars.X=1", "esx21"), call("vcenter", "UpdateOptions:UserVars.X=1", "esx21")}, decided: []string{"set"}},
		"a host's option, decided elsewhere": {calls: []simlab.Record{call("vcenter", "UpdateOptions:UserVars.X=1", "esx21"), call("vcenter", "UpdateOptions:UserVars.X=1", "esx21")}, decided: []string{"shutdown-host:esx21"}, wrong: 1},
	} {
		t.Run(name, func(t *testing.T) {
			var decisions []runapi.Decision
			for _, step := range c.decided {
				decisions = append(decisions, runapi.Decision{Step: step})
			}
			require.Len(t, Twice(c.calls, steps, decisions), c.wrong)
		})
	}
}

// A new action that acts must say by which call the lab hears of it.
func TestEveryActionThatActsHasItsCalls(t *testing.T) {
	beside := []plan.Action{plan.SilenceMonitoring, plan.ResumeMonitoring, plan.RestoreTable} // heard by what Lab does not have
	for _, k := range All() {
		if (plan.Step{Action: k.Action}).Changes() && !slices.Contains(beside, k.Action) {
			require.NotEmpty(t, k.Calls(), k.String())
		}
	}
}
