package main

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/plan"
)

func TestLabRole(t *testing.T) {
	c := newConsole(t, &fakeLab{})
	require.Equal(t, exitDone, c.run("lab", "role"), c.stderr)
	golden(t, "lab-role.text", c.stdout.String())

	require.Equal(t, exitDone, c.run("lab", "role", "power-up", "power-up", "--principal", `LAB\o'neil`, "--name", "night shift", "-o", "json"))
	var got struct {
		Role           string
		Privileges     []rolePrivilege
		Govc, Powercli []string
	}
	require.NoError(t, json.Unmarshal(c.stdout.Bytes(), &got))
	var ids []string
	for _, p := range got.Privileges {
		require.Equal(t, []string{"power-up"}, p.Runbooks)
		ids = append(ids, p.ID)
	}
	require.Contains(t, ids, "VirtualMachine.Interact.PowerOn")
	require.NotContains(t, ids, "VirtualMachine.Interact.PowerOff", "it switches nothing off")
	require.Equal(t, `govc permissions.set -principal 'LAB\o'\''neil' -role 'night shift' -propagate=true /`, got.Govc[1])
	require.Contains(t, got.Powercli[1], `-Principal 'LAB\o''neil' -Role 'night shift'`)

	require.Equal(t, exitDone, c.run("lab", "role", "--all"), c.stderr)
	require.Contains(t, c.stdout.String(), "Host.Config.AdvancedConfig", "of l1tf-options")
	require.NotContains(t, c.stdout.String(), "or --all")
	require.Equal(t, exitUsage, c.run("lab", "role", "--all", "power-up"))

	require.Equal(t, exitUsage, c.run("lab", "role", "make-coffee"))
	require.Contains(t, c.stderr.String(), "power-down")
}

// lab check asks for the rights of step runbooks where the lab file schedules them, or says how they run.
func TestRightsOfStepRunbooksInUse(t *testing.T) {
	names := func(lab *inventory.Lab) (out []string) {
		for _, rb := range inUse(lab) {
			out = append(out, rb.Name)
		}
		return out
	}
	three := names(&inventory.Lab{})
	require.Subset(t, three, []string{"power-down", "power-up", "settle"})
	lab := &inventory.Lab{Dir: t.TempDir()}
	lab.Schedules = []inventory.Schedule{{Name: "weekly", Runbook: "l1tf-options"}, {Name: "nightly", Runbook: "power-down"}, {Name: "x", Runbook: "no-such"}}
	lab.Runbooks = map[string]inventory.Runbook{"cbt-reset": {}}
	require.ElementsMatch(t, append(slices.Clone(three), "l1tf-options", "cbt-reset"), names(lab))
	var of []string
	for _, p := range rolePrivileges(inUse(lab)) {
		if p.ID == "Host.Config.AdvancedConfig" {
			of = p.Runbooks
		}
	}
	require.Equal(t, []string{"l1tf-options"}, of)
}

// lab check says which runbook cannot do what.
func TestMissingRightsAreToldByRunbook(t *testing.T) {
	needed := rolePrivileges(everyday())
	on := map[string][]string{plan.OnGuest: {"vm-1", "vm-2"}, plan.OnHost: {"host-1"}, plan.OnCluster: {"domain-c1"}, plan.OnRoot: {"group-d1"}}
	name := map[string]string{"vm-1": "guest web01", "vm-2": "guest db01", "host-1": "host esx21", "domain-c1": "cluster Lab", "group-d1": "the vCenter"}
	c := &checks{subject: "vCenter vc1"}
	c.missing(needed, on, map[string][]string{"vm-1": {"VirtualMachine.Interact.PowerOn", "VirtualMachine.Interact.Suspend"}, "vm-2": {"VirtualMachine.Interact.PowerOn"},
		"domain-c1": {"Global.SetCustomField"}}, name, "night")
	require.Equal(t, []checkRow{
		{"vCenter vc1", "rights", checkWarn, "Global.SetCustomField is missing on cluster Lab: without it power-down, power-up, settle could not note a cluster's old settings in its custom attribute",
			"give the role of night the privilege Global.SetCustomField (nightshift lab role)"},
		{"vCenter vc1", "rights", checkFail, "VirtualMachine.Interact.PowerOn is missing on guest db01, guest web01: without it power-up cannot start guests",
			"give the role of night the privilege VirtualMachine.Interact.PowerOn (nightshift lab role)"},
		{"vCenter vc1", "rights", checkWarn, "VirtualMachine.Interact.Suspend is missing on guest web01: without it power-down could not suspend guests, where a policy says so",
			"give the role of night the privilege VirtualMachine.Interact.Suspend (nightshift lab role)"},
	}, c.rows)

	c = &checks{subject: "vCenter vc1"}
	c.missing(needed, on, nil, name, "night")
	require.Len(t, c.rows, 1)
	require.Equal(t, checkOK, c.rows[0].State)
}
