package labimport_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/identity"
	"nightshift/internal/inventory"
	"nightshift/internal/iscsi"
	"nightshift/internal/labimport"
	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// fromRecord is what one record of one group says.
func fromRecord() labimport.Records {
	yes, made := true, time.Date(2026, 11, 21, 13, 40, 19, 0, time.UTC)
	key := "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIHrbsAkfcn2Ib0Sa4STRTJKnaq0zgTJGDVnIZ5yAk1u"
	r := identity.Record{Lab: "home", Group: "mail", Run: "replicate-home-1", Made: made,
		Protection: inventory.ProtectionGroup{Name: "mail", Source: inventory.ProtectionSource{Host: "ss1", Datasets: []string{"tank/mail", "tank/mail-log"}},
			Target: inventory.ProtectionTarget{Host: "ss2", Under: "backup/ss1"}, Every: plan.Duration(time.Hour), Noise: "1GiB", Send: inventory.Send{Compressed: &yes, Via: "direct"},
			Hooks: inventory.SnapshotHooks{Before: &inventory.SnapshotHook{Command: []string{"fsfreeze", "-f", "/mail"}, At: "mailbox", Timeout: plan.Duration(time.Minute)}},
			Keep:  inventory.Retentions{Zone: "UTC", Source: &inventory.Retention{All: plan.Duration(48 * time.Hour), Daily: 7}}},
		Source: inventory.StorageHost{Name: "ss1", Site: "home", Elevate: "sudo", SSH: inventory.SSH{Address: "ss1.lab:22", User: "zfsadm", Key: "keys/zfsadm", HostKey: key}, Target: &inventory.StorageTarget{Kind: "lio", Portal: "10.0.0.1:3260",
			CHAP: []inventory.TargetCHAP{{Initiators: []string{"iqn.1998-01.com.vmware:esx21"}, User: "esx", Secret: "file:chap", MutualUser: "ss1", MutualSecret: "env:SS1"}}}},
		Target:   inventory.StorageHost{Name: "ss2", Elevate: "sudo", SSH: inventory.SSH{Address: "ss2.lab:22", User: "zfsadm", Key: "keys/zfsadm", HostKey: key}},
		Datasets: []identity.Dataset{{Name: "tank/mail", GUID: 1, Replica: "backup/ss1/mail", Volume: true, LUNs: []identity.LUN{{Record: iscsi.Record{Identity: iscsi.Identity{LUN: 3, NAA: "600144f07ed404000000496ff8cd0003", Vendor: "SUN", Product: "COMSTAR"}}, VMFS: &identity.VMFS{Label: "mail01"}}}}, {Name: "tank/mail-log", GUID: 2, Replica: "backup/ss1/mail-log", Volume: true}},
		VCenters: []identity.VCenter{{URL: "https://vc1.lab", Occupants: live.Occupants{VCenter: "vc1", Version: "8.0.3", Guests: []live.Occupant{
			{Name: "mail01", UUID: "u-1", Path: "[mail01] mail01/mail01.vmx", Power: "poweredOn", Restart: "high", NICs: []live.OccupantNIC{{MAC: "00:50:56:aa:bb:cc", Network: "LAN", VLAN: "12"}}},
			{Name: "web: # [x]\n  - evil", Power: "poweredOff", VApp: "Mail", VAppStart: 2}}}}},
		Guests:  []inventory.Guest{{Name: "mail01", VCenter: "vc1", After: []string{"group:base"}, Health: &inventory.Health{TCP: []string{"mail01:25"}}}},
		Groups:  []inventory.Group{{Name: "base", Guests: []string{"dns01"}}},
		NotRead: []live.Gap{{What: "LUN of tank/mail-log", Why: "the target of ss1 shows none"}}}
	host := inventory.SSH{Address: "10.9.0.2", User: "zfsadm", Key: "/keys/dr", HostKey: key}
	return labimport.Records{Found: []identity.Found{{Record: r, Newest: []string{"~/.nightshift/records/home.mail.json", "properties of backup/ss1/mail"}, Older: []string{"properties of backup/ss1/mail-log"}}},
		Bad: []identity.Copy{{Where: "~/.nightshift/records/home.x.json", Err: errors.New("the identity record is damaged: its SHA-256 is other")}}, Host: &host}
}

func TestALabFileFromRecords(t *testing.T) {
	in := fromRecord()
	text, err := labimport.WriteRecords(in)
	require.NoError(t, err)
	lab, err := inventory.Parse("lab.yaml", text)
	require.NoError(t, err, "%s", text)
	require.Equal(t, "home", lab.Lab)
	ss2, ok := lab.StorageHost("ss2")
	require.True(t, ok)
	require.Equal(t, *in.Host, ss2.SSH, "as it was reached")
	ss1, ok := lab.StorageHost("ss1")
	require.True(t, ok)
	require.Equal(t, in.Found[0].Source.Target, ss1.Target, "also where the secrets of CHAP are kept")
	got, ok := lab.ProtectionGroup("mail")
	require.True(t, ok)
	want := in.Found[0].Protection
	require.Nil(t, got.Hooks.Before, "they run where nobody knows the way to")
	require.Equal(t, want.Source, got.Source)
	require.Equal(t, want.Target, got.Target)
	require.Equal(t, want.Every, got.Every)
	require.Equal(t, want.Keep, got.Keep)
	require.Equal(t, "backup/ss1/mail", got.Replica("tank/mail"))
	require.Empty(t, lab.VCenters, "no record knows what is on this side")
	require.Empty(t, lab.Hosts)
	require.Empty(t, lab.Guests, "they are proposals")
	golden(t, "records.yaml", text)
}

// Whoever can write to a storage account can write a record. What it says runs no command here, and sends no secret anywhere, unless a
// person has taken the # away.
func TestARecordIsNotObeyedUnseen(t *testing.T) {
	in := fromRecord()
	evil := &in.Found[0].Source
	evil.SSH.Password = "exec:sh -c 'touch /tmp/evil'"
	evil.SSH.Jump = &inventory.Jump{Address: "jump.lab", User: "x", HostKey: evil.SSH.HostKey, Password: "env:VC_PASSWORD"}
	evil.RestorePartitions = true
	evil.Target.CHAP = append(evil.Target.CHAP, inventory.TargetCHAP{Initiators: []string{"iqn.1998-01.com.vmware:esx22"}, User: "esx", Secret: "exec:evil\n  now"})
	in.Found[0].Target.Target = &inventory.StorageTarget{Kind: "comstar", Portal: "10.0.0.2", Unproven: "accept"}
	text, err := labimport.WriteRecords(in)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		for _, word := range []string{"exec:", "evil", "env:VC_PASSWORD", "unproven", "restorePartitions", "esx22"} {
			if strings.Contains(line, word) {
				require.True(t, strings.HasPrefix(strings.TrimSpace(line), "#"), line)
			}
		}
	}
	_, err = inventory.Parse("lab.yaml", text)
	require.NoError(t, err, "%s", text)
	golden(t, "records-unseen.yaml", text)
}

// Who takes the # away from what is proposed of this side has a valid file.
func TestTheProposedVCenterIsValid(t *testing.T) {
	text, err := labimport.WriteRecords(fromRecord())
	require.NoError(t, err)
	var lines []string
	proposed := false
	for line := range strings.Lines(string(text)) {
		proposed = proposed && line != "\n" || line == "# vcenters:\n"
		if proposed {
			line = strings.TrimPrefix(line, "# ")
		}
		lines = append(lines, line)
	}
	lab, err := inventory.Parse("lab.yaml", []byte(strings.Join(lines, "")))
	require.NoError(t, err)
	require.Equal(t, "vc", lab.VCenters[0].Name)
	require.Equal(t, "vc", lab.Hosts[0].VCenter)
	require.True(t, lab.Hosts[0].Keep)
}

// What is behind # of guests is what a person may take it away from.
func TestFromFilesAndWithoutVMs(t *testing.T) {
	in := fromRecord()
	in.Host, in.Lab, in.Bad = nil, "dr", nil
	in.Found[0].VCenters, in.Found[0].Protection.Hooks = nil, inventory.SnapshotHooks{}
	other := in.Found[0]
	other.Lab = "away"
	other.Source.SSH.Address = "10.8.0.1"
	in.Found = append(in.Found, other)
	text, err := labimport.WriteRecords(in)
	require.NoError(t, err)
	lab, err := inventory.Parse("lab.yaml", text)
	require.NoError(t, err, "%s", text)
	require.Equal(t, "dr", lab.Lab)
	require.Contains(t, string(text), "there are records of the labs home, away")
	require.Contains(t, string(text), "# ? Lab away has a group mail, too")
	require.Contains(t, string(text), "# ? A storage host ss1 is at 10.8.0.1 in another record: a lab file has only one of a name.")
	require.Equal(t, 1, strings.Count(string(text), "in another record"), "the other host is the same")
	require.Contains(t, string(text), "# ? Which VMs lie on the replicas of group mail? Its record has none.")
	_, err = labimport.WriteRecords(labimport.Records{})
	require.ErrorContains(t, err, "there is no identity record")
}

// A LUN number that nobody told is not 0.
func TestALUNOfARecordWithoutItsNumber(t *testing.T) {
	in := fromRecord()
	id := &in.Found[0].Datasets[0].LUNs[0].Identity
	id.LUN, id.NoLUN, id.NAA = 0, true, ""
	text, err := labimport.WriteRecords(in)
	require.NoError(t, err)
	require.Contains(t, flat(string(text)), `which was shown as LUN number not known, no NAA, vendor "SUN"`)
}

// A group that was renamed or merged leaves its record on the target for ever: the newest one is written, the others are told.
func TestTheRecordOfAGroupThatWasRenamed(t *testing.T) {
	in := fromRecord()
	in.Host = nil
	older := func(group string, hours int, datasets ...string) identity.Found {
		f := in.Found[0]
		f.Group, f.Made = group, f.Made.Add(-time.Duration(hours)*time.Hour)
		f.Protection.Name, f.Protection.Source.Datasets, f.Datasets = group, datasets, nil
		for _, d := range datasets {
			f.Datasets = append(f.Datasets, identity.Dataset{Name: d, Replica: f.Protection.Replica(d)})
		}
		f.Source.Name = "gone" // as its host was called then
		f.Protection.Source.Host = "gone"
		return f
	}
	in.Found = append([]identity.Found{older("all", 2, "tank/mail", "tank/web"), older("aaa", 1, "tank/mail-log")}, in.Found...)
	text, err := labimport.WriteRecords(in)
	require.NoError(t, err)
	lab, err := inventory.Parse("lab.yaml", text)
	require.NoError(t, err, "%s", text)
	require.Len(t, lab.ProtectionGroups, 1)
	require.Equal(t, "mail", lab.ProtectionGroups[0].Name)
	require.Len(t, lab.StorageHosts, 2)
	said := flat(string(text))
	require.Contains(t, said, "? Group aaa of lab home, as of 2026-11-21T12:40:19Z, has replicas that group mail has, too, which is newer: not used.")
	require.Contains(t, said, "? These it had alone; are they to be protected still?")
	require.Contains(t, said, "- backup/ss1/web is the replica of tank/web")
	require.Equal(t, 1, strings.Count(said, "- backup/ss1/mail is the replica of"))
	require.Equal(t, 1, strings.Count(said, "- backup/ss1/mail-log is the replica of"))

	slices.Reverse(in.Found)
	again, err := labimport.WriteRecords(in)
	require.NoError(t, err)
	require.Equal(t, string(text), string(again))
}

// golden compares with a file in testdata, or with -update writes it.
func golden(t *testing.T, name string, text []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, text, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(text))
}
