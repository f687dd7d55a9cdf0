package runbooks_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/runbooks"
)

const mailNAA = "600144f07ed404000000496ff8cd0003"

// storageLab is a lab of two storage hosts, of which one shows two LUNs.
func storageLab() *fixture {
	f := &fixture{lab: newLab(), state: &live.State{At: at, Instance: us}}
	lio := &inventory.StorageTarget{Kind: inventory.TargetLIO}
	f.lab.StorageHosts = []inventory.StorageHost{{Name: "ss2", Target: lio}, {Name: "ss1", Target: lio}, {Name: "nas"}}
	f.state.Targets = []live.Target{{Host: "ss2", Kind: "lio", Running: true}, {Host: "ss1", Kind: "lio", Running: true, LUNs: []live.LUN{
		{Name: "web", Device: "/dev/zvol/tank/web", Dataset: "tank/web", State: "online", Number: 4, NAA: "6001405f7ed404000000496ff8cd0007", Size: 1 << 30, NoVMFS: "no VMFS"},
		{Name: "mail", Device: "/dev/zvol/tank/mail", Dataset: "tank/mail", State: "online", Number: 3, NAA: mailNAA, Size: 1 << 30,
			VMFS: &live.VMFSExtent{Scheme: "MBR", First: 128, Last: 2097151, UUID: "49716cd8-ebcbbf9a-6792-000d60d46e2e", Label: "mail01", Version: "3.31", Extents: 1}}}}}
	return f
}

func TestLUNMapPlan(t *testing.T) {
	p := storageLab().plan(t, runbooks.LUNMap)
	require.Equal(t, "Map the LUNs of lab home: 2 storage hosts, 1 vCenter", p.Title)
	require.Len(t, p.Steps, 1)
	require.False(t, p.Steps[0].Changes())
	none := storageLab()
	none.lab.StorageHosts = nil
	p = none.plan(t, runbooks.LUNMap)
	require.Len(t, p.Steps, 1)
	require.Contains(t, p.Warnings[0].Text, "only what vCenters tell")
	r, _ := runbooks.Lookup(runbooks.LUNMap)
	require.True(t, r.ReadOnly)
}

func TestVMFSInspectPlan(t *testing.T) {
	f := storageLab()
	p := f.plan(t, runbooks.VMFSInspect)
	require.Equal(t, "Inspect the volumes on 2 LUNs of lab home", p.Title)
	require.Equal(t, []string{"inspect:ss1/mail", "inspect:ss1/web"}, ids(p.Steps))
	require.Equal(t, plan.Skip, p.Steps[0].OnFailure, "the lab is not held up by what cannot be read")
	require.Equal(t, "Inspect tank/mail on ss1", p.Steps[0].Title)
	require.Equal(t, plan.Target{Kind: plan.LUN, Name: "mail", Endpoint: "ss1", UUID: mailNAA}, p.Steps[0].Target)
	for _, word := range []string{"mail", "tank/mail", "naa." + mailNAA, mailNAA, "/dev/zvol/tank/mail"} {
		f.params = map[string]string{"lun": word, "dump": "true"}
		p = f.plan(t, runbooks.VMFSInspect)
		require.Equal(t, []string{"inspect:ss1/mail"}, ids(p.Steps), word)
		var got plan.VolumeParams
		require.NoError(t, json.Unmarshal(p.Steps[0].Params, &got))
		require.Equal(t, plan.VolumeParams{Host: "ss1", Device: "/dev/zvol/tank/mail", Dataset: "tank/mail", LUN: "mail", Dump: true}, got)
	}
	f.params = map[string]string{"lun": "none"}
	require.Contains(t, f.plan(t, runbooks.VMFSInspect).Blockers[0].Text, "no storage host shows it")
	f.state.Targets[0].Err = "no route to host"
	p = f.plan(t, runbooks.VMFSInspect)
	require.Contains(t, p.Blockers[0].Text, "not every storage host could be read")
	require.Contains(t, p.Warnings[0].Text, "no route to host")
	f.state.Targets = nil
	require.Contains(t, f.plan(t, runbooks.VMFSInspect).Blockers[0].Text, "no storage host of the lab file has a target")
	f.state.Targets, f.params = []live.Target{{Host: "ss1", Running: true}}, nil
	p = f.plan(t, runbooks.VMFSInspect)
	require.Equal(t, "Nothing to do: the storage hosts of lab home show no LUN", p.Title)
	require.Empty(t, p.Steps)
}

func TestVMFSInspectOfADevice(t *testing.T) {
	f := storageLab()
	f.params = map[string]string{"device": "/dev/zvol/tank/old", "on": "ss1"}
	p := f.plan(t, runbooks.VMFSInspect)
	require.Equal(t, "Inspect /dev/zvol/tank/old on storage host ss1", p.Title)
	require.JSONEq(t, `{"host": "ss1", "device": "/dev/zvol/tank/old", "dataset": "tank/old"}`, string(p.Steps[0].Params))
	r, _ := runbooks.Lookup(runbooks.VMFSInspect)
	require.Empty(t, r.Reads.LUNs(f.lab, f.params), "no target is asked")
	require.Equal(t, []string{"ss1", "ss2"}, r.Reads.LUNs(f.lab, nil))
	require.Equal(t, []string{"ss2"}, r.Reads.LUNs(f.lab, map[string]string{"on": "ss2"}))
	for _, wrong := range []map[string]string{{"device": "/dev/sdb"}, {"device": "sdb", "on": "ss1"}, {"device": "/x/../y", "on": "ss1"}, {"device": "/dev/sdb", "on": "ss1", "lun": "mail"},
		{"device": "/dev/sdb", "on": "ss1", "guard": "true"}, {"on": "ss9"}} {
		f.params = wrong
		_, err := r.Plan(f.input())
		require.True(t, errors.As(err, new(*runbooks.ParameterError)), "%v: %v", wrong, err)
	}
	f.lab.StorageHosts = f.lab.StorageHosts[:1]
	f.params = map[string]string{"device": "/dev/sdb"}
	require.Equal(t, []string{"inspect:ss2//dev/sdb"}, ids(f.plan(t, runbooks.VMFSInspect).Steps), "there is only one that can be meant")
}

func TestVMFSBackupPlan(t *testing.T) {
	f := storageLab()
	p := f.plan(t, runbooks.VMFSBackup)
	require.Equal(t, "Save the headers and metadata of the volumes on 1 LUN of lab home", p.Title)
	require.Equal(t, []string{"save:ss1/mail"}, ids(p.Steps))
	require.JSONEq(t, `{"host": "ss1", "device": "/dev/zvol/tank/mail", "dataset": "tank/mail", "lun": "mail", "keep": 30}`, string(p.Steps[0].Params))
	require.False(t, p.Steps[0].Changes())
	require.Equal(t, []plan.Finding{{Subject: "LUN tank/web on ss1", Text: "no VMFS"}}, p.Untouched)
	f.state.Targets[1].LUNs[0].Saved = []live.SavedVolume{{File: "x", Taken: at}}
	p = f.plan(t, runbooks.VMFSBackup)
	require.Equal(t, "it had a VMFS volume, of which the newest backup is of 2026-11-20 22:00:00 UTC, and now: no VMFS", p.Warnings[0].Text)

	f.lab.StorageHosts[1].VMFSCopies = &inventory.VMFSCopies{To: "ss2", Keep: 90}
	p = f.plan(t, runbooks.VMFSBackup)
	require.Equal(t, []string{"save:ss1/mail", "copy:ss1/mail"}, ids(p.Steps))
	copied := p.Steps[1]
	require.Equal(t, "Copy the newest backup of tank/mail on ss1 to ss2", copied.Title)
	require.JSONEq(t, `{"host": "ss1", "lun": "mail", "to": "ss2", "keep": 90}`, string(copied.Params))
	require.Equal(t, []string{"save:ss1/mail"}, copied.Needs)
	require.Equal(t, plan.Skip, copied.OnFailure, "one that fails does not hold the others up")
	require.Equal(t, "ss1", copied.Target.Endpoint)
	require.False(t, copied.Changes())

	f.params = map[string]string{"keep": "7", "lun": "mail", "on": "ss1"}
	require.Contains(t, string(f.plan(t, runbooks.VMFSBackup).Steps[0].Params), `"keep":7`)
	r, _ := runbooks.Lookup(runbooks.VMFSBackup)
	f.lab.StorageHosts[0].Site = "away"
	require.Equal(t, []string{"ss2"}, r.Reads.LUNs(f.lab, map[string]string{"site": "away"}))
	for _, wrong := range []map[string]string{{"keep": "0"}, {"keep": "10001"}, {"site": "moon"}, {"on": "ss9"}} {
		f.params = wrong
		_, err := r.Plan(f.input())
		require.True(t, errors.As(err, new(*runbooks.ParameterError)), "%v: %v", wrong, err)
	}
	f.params, f.state.Targets[1].LUNs = nil, f.state.Targets[1].LUNs[:1]
	f.state.Targets[1].LUNs[0].Saved = nil
	p = f.plan(t, runbooks.VMFSBackup)
	require.Equal(t, "Nothing to do: no LUN of lab home has a VMFS volume", p.Title)
}
