package iscsi_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/iscsi"
)

// recorded is a record of a LUN of COMSTAR, published for a host that has to prove itself.
func recorded() iscsi.Record {
	return iscsi.Record{Version: 1, Kind: iscsi.COMSTAR, Name: "vol1", Identity: comstar(), Paths: []iscsi.RecordPath{{Target: iqn, Group: 1, LUN: 3, ACLs: []iscsi.RecordACL{
		{Initiator: esx1, LUN: 3, CHAP: true, User: "labuser", Secret: "file:chap"}}}}}
}

func TestARecordIsPlannedWithoutItsSecrets(t *testing.T) {
	r := newRig(t)
	at := inventory.StorageTarget{Kind: "lio", Portal: "10.0.0.2", CHAP: []inventory.TargetCHAP{{Initiators: []string{esx1}, User: "labuser", Secret: "env:OTHER", MutualUser: "ss2", MutualSecret: "env:SS2"}}}
	planned, err := recorded().Plan(t.Context(), r.target, at, "backup/vol1-copy")
	require.NoError(t, err)
	require.Len(t, planned.Commands, 1)
	require.Equal(t, "sudo -n /usr/local/sbin/nightshift-lio publish vol1", planned.Commands[0].Line())
	for _, line := range []string{"device /dev/zvol/backup/vol1-copy\n", "portal 10.0.0.2:3260\n", "user labuser\nsecret (the CHAP secret of " + esx1 + ")\n",
		"mutual-user ss2\nmutual-secret (the target's CHAP secret for " + esx1 + ")\n"} {
		require.Contains(t, planned.Commands[0].Input, line)
	}
	require.Equal(t, inventory.SecretRef("file:chap"), planned.Initiators[0].Secret, "the record's own comes first")
	require.Equal(t, inventory.SecretRef("env:SS2"), planned.Initiators[0].MutualSecret, "the lab file adds what it has not")
	require.Empty(t, r.list().LUs, "nothing is changed")
}

func TestWhatARecordCannotBePlannedFor(t *testing.T) {
	at := inventory.StorageTarget{Kind: "comstar", Portal: "10.0.0.2:3260"}
	for name, c := range map[string]struct {
		change func(r *iscsi.Record, at *inventory.StorageTarget)
		cannot string
		says   string // of what is otherwise
	}{
		"no NAA of that form": {func(r *iscsi.Record, _ *inventory.StorageTarget) { r.Identity.NAA = "2000000000000001" }, "COMSTAR shows no NAA but", ""},
		"nobody's":            {func(r *iscsi.Record, _ *inventory.StorageTarget) { r.Paths = nil }, "it was in no portal group", ""},
		"everybody's": {func(r *iscsi.Record, _ *inventory.StorageTarget) { r.Paths[0].Open, r.Paths[0].ACLs = true, nil }, "there is no initiator that may use it",
			"all that logged in could use it"},
		"an unknown user": {func(r *iscsi.Record, _ *inventory.StorageTarget) { r.Paths[0].ACLs[0].User = "" }, "say so in storageHosts[].target.chap", ""},
		"no portal":       {func(_ *iscsi.Record, at *inventory.StorageTarget) { at.Portal = "" }, "add target: {portal: …}", ""},
		"two groups":      {func(r *iscsi.Record, _ *inventory.StorageTarget) { r.Paths = append(r.Paths, r.Paths[0]) }, "", "it was in 2, and is planned for group 1"},
		"two numbers":     {func(r *iscsi.Record, _ *inventory.StorageTarget) { r.Paths[0].ACLs[0].LUN = 9 }, "", "it was 9 for " + esx1 + ", and is 3 for all"},
	} {
		r, at := recorded(), at
		c.change(&r, &at)
		planned, err := r.Plan(t.Context(), iscsi.NewCOMSTAR(comstarHost(t, nil), pfexec, true), at, "pool1/copy")
		if c.says != "" {
			require.Contains(t, planned.Otherwise[len(planned.Otherwise)-1], c.says, name)
		}
		if c.cannot == "" {
			require.NoError(t, err, name)
			require.NotEmpty(t, planned.Commands, name)
			continue
		}
		require.ErrorContains(t, err, c.cannot, name)
		require.ErrorIs(t, err, fault.NotDone, name)
		require.Empty(t, planned.Commands, name)
	}
}

// What is shown can be typed.
func TestALineIsQuoted(t *testing.T) {
	c := iscsi.Command{Argv: []string{"stmfadm", "create-lu", "-p", "pid=Virtual Disk", "-p", "vid=it's", ""}}
	require.Equal(t, `stmfadm create-lu -p 'pid=Virtual Disk' -p 'vid=it'\''s' ''`, c.Line())
}
