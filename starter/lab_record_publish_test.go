package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/identity"
	"nightshift/internal/inventory"
	"nightshift/internal/iscsi"
	"nightshift/internal/live"
	"nightshift/internal/sshexec"
)

// A capturedTarget is a storage host whose tools say what internal/iscsi/testdata has of them. Nothing may be changed on it.
type capturedTarget map[string]string // the end of a command: file

func (c capturedTarget) Query(_ context.Context, argv []string) (sshexec.Result, error) {
	line := strings.Join(argv, " ")
	for command, file := range c {
		if strings.HasSuffix(line, command) {
			_, here, _, _ := runtime.Caller(0) // tests change their directory
			b, err := os.ReadFile(filepath.Join(filepath.Dir(here), "..", "internal", "iscsi", "testdata", file))
			return sshexec.Result{Stdout: b}, err
		}
	}
	return sshexec.Result{Status: 1, Stderr: []byte("no capture of " + line)}, nil
}

func (c capturedTarget) Act(context.Context, []string, io.Reader) (sshexec.Result, error) {
	return sshexec.Result{}, errors.New("only what reads may be run")
}

var captured = map[string]capturedTarget{
	inventory.TargetLIO: {"/etc/nightshift-lio": "lio/listing.txt"},
	inventory.TargetCOMSTAR: {"stmfadm list-lu -v": "comstar/list-lu.txt", "stmfadm list-view -l 600144F721DCA2888BA402E411EE3AF1": "comstar/list-view.txt", "stmfadm list-hg -v": "comstar/list-hg.txt",
		"stmfadm list-tg -v": "comstar/list-tg.txt", "stmfadm list-target -v": "comstar/list-target.txt", "itadm list-target -v": "comstar/itadm-list-target.txt",
		"itadm list-tpg -v": "comstar/itadm-list-tpg.txt", "itadm list-initiator -v": "comstar/itadm-list-initiator.txt"},
	inventory.TargetIscsitgt: {"svccfg export iscsitgt": "iscsitgt/export.xml", "iscsitadm list target -v": "iscsitgt/list-target.txt"},
}

// capturedHost is a storage host of the kind, and its target.
func capturedHost(t *testing.T, name, kind string) (inventory.StorageHost, iscsi.Target) {
	t.Helper()
	h := inventory.StorageHost{Name: name, Elevate: "sudo", Target: &inventory.StorageTarget{Kind: kind, Portal: "10.0.0.2"}}
	if kind != inventory.TargetLIO {
		h.Elevate = "pfexec"
	}
	target, err := iscsi.OpenWith(h, captured[kind])
	require.NoError(t, err)
	return h, target
}

// capturedRecord has a LUN of each kind of target, as a replication would have written it down.
func capturedRecord(t *testing.T) identity.Found {
	t.Helper()
	f := identity.Found{Record: identity.Record{Lab: "home", Group: "mail", Made: time.Date(2026, 11, 21, 13, 40, 19, 0, time.UTC), Source: inventory.StorageHost{Name: "ss1"}}}
	for _, kind := range []string{inventory.TargetLIO, inventory.TargetCOMSTAR, inventory.TargetIscsitgt} {
		_, target := capturedHost(t, "ss1", kind)
		l, err := target.List(t.Context())
		require.NoError(t, err)
		of := &inventory.StorageTarget{Kind: kind, CHAP: []inventory.TargetCHAP{{Initiators: []string{"iqn.2026-01.lab.ss2:initiator"}, User: "ss2", Secret: "exec:pass show ss2"}}}
		f.Datasets = append(f.Datasets, identity.Dataset{Name: "tank/" + kind, Replica: "backup/ss1/" + kind, Volume: true, LUNs: []identity.LUN{{Record: iscsi.NewRecord(l.Kind, l.LUs[0], of)}}})
	}
	old := f.Datasets[2].LUNs[0]
	old.Name, old.Identity.NAA = "dr-zstore9/0", "600144f07ed404000000496ff8cd0009"
	old.Paths = []iscsi.RecordPath{{Target: "iqn.1986-03.com.sun:02:dr-zstore9", Group: 2, ACLs: []iscsi.RecordACL{{Initiator: "iqn.1998-01.com.vmware:vh0.0"}}}}
	f.Datasets = append(f.Datasets, identity.Dataset{Name: "tank/old", Replica: "backup/ss1/old", Volume: true, LUNs: []identity.LUN{old}})
	f.NotRead = []live.Gap{{What: "LUNs of tank/more", Why: "ss1 could not be read"}}
	return f
}

func TestHowTheLUNsOfARecordWouldBePublished(t *testing.T) {
	f := capturedRecord(t)
	for kind := range captured {
		t.Run(kind, func(t *testing.T) {
			h, target := capturedHost(t, "ss2", kind)
			golden(t, "publish-"+kind+".txt", publicationOf(t.Context(), f, h, target).text())
		})
	}
}

// Whoever can write to a storage account can write a record. Its names are words of a command, and no commands.
func TestNamesOfARecordAreNoCommands(t *testing.T) {
	f := capturedRecord(t)
	f.Datasets = f.Datasets[:1]
	f.Datasets[0].Replica = "backup/$(id); touch x"
	h, target := capturedHost(t, "ss2", inventory.TargetLIO)
	p := publicationOf(t.Context(), f, h, target)
	require.Equal(t, "zfs clone -o volmode=dev 'backup/$(id); touch x@RECOVERY-POINT' 'backup/$(id); touch x-copy'", p.LUNs[0].Make)
	require.Contains(t, p.LUNs[0].Cannot, "is no device of a zvol")
}

// On the host that the record was made of, nothing has to be made first; what is shown as it was takes no command.
func TestAtTheSourceItIsPublished(t *testing.T) {
	f := capturedRecord(t)
	f.Datasets, f.NotRead = f.Datasets[:1], nil
	f.Datasets[0].Name = "t1-11b02fe9/a"
	f.Copies = []identity.Copy{{OnSource: true}}
	h, target := capturedHost(t, "ss1", inventory.TargetLIO)
	h.Target.Portal = "10.99.0.1:3260"
	p := publicationOf(t.Context(), f, h, target)
	require.Empty(t, p.LUNs[0].Cannot)
	require.Contains(t, p.text(), "  on          t1-11b02fe9/a\n  initiator   iqn.2026-01.lab.ss2:initiator, LUN 7, by CHAP as ss2 (secret: exec:pass)\n  commands    none: it is published so\n")
}

func TestPublicationsAreShownByCommand(t *testing.T) {
	r := newRecordRig(t)
	newer := r.record
	newer.Made, newer.Datasets = r.record.Made.Add(time.Hour), capturedRecord(t).Datasets[:2]
	newer.Target.Target = &inventory.StorageTarget{Kind: inventory.TargetLIO, Portal: "10.0.0.2"}
	require.NoError(t, r.store.SaveFile(t.Context(), newer))
	require.Equal(t, exitDone, r.run(append([]string{"lab", "record", "--publish"}, r.at()...)...), r.stderr)
	require.Contains(t, r.stdout.String(), "how ss2 (lio) would publish its LUNs. Nothing is changed")
	require.Contains(t, r.stdout.String(), "nightshift-lio publish ns-8defb89c <<'END'")
	require.Contains(t, r.stdout.String(), "device /dev/zvol/backup/ss1/lio-copy\n")
	require.Contains(t, r.stdout.String(), "secret (the CHAP secret of iqn.2026-01.lab.ss2:initiator)\n")

	var list []publication
	require.Equal(t, exitDone, r.run(append([]string{"lab", "record", "--publish", "-o", "json", "--group", "mail"}, r.at()...)...), r.stderr)
	require.NoError(t, json.Unmarshal(r.stdout.Bytes(), &list))
	require.Len(t, list[0].LUNs, 2)
	require.Len(t, list[0].LUNs[0].Commands, 1)

	for args, want := range map[string]string{"lab record --publish a@b c@d": "name one storage host", "lab record --publish mail.json": "name the storage host, not a file"} {
		whole, _, err := identity.Seal(newer)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile("mail.json", whole, 0o600))
		require.Equal(t, exitUsage, r.run(strings.Fields(args)...), args)
		require.Contains(t, r.stderr.String(), want)
	}
}
