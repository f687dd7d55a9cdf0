package identity

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/homefile"
	"nightshift/internal/inventory"
	"nightshift/internal/iscsi"
	"nightshift/internal/live"
	"nightshift/internal/sshexec"
	"nightshift/internal/zfs"
)

var moment = time.Date(2026, 11, 21, 13, 40, 19, 0, time.UTC)

const naa = "600144f07ed404000000496ff8cd0003"

// sample is a record with something of everything.
func sample() Record {
	yes := true
	return Record{Lab: "home", Group: "mail", Run: "replicate-1", Made: moment,
		Protection: inventory.ProtectionGroup{Name: "mail", Source: inventory.ProtectionSource{Host: "ss1", Datasets: []string{"tank/mail", "tank/files"}},
			Target: inventory.ProtectionTarget{Host: "ss2", Under: "backup/ss1"}, Every: 3600e9, Noise: "1GiB", Send: inventory.Send{Compressed: &yes, LargeBlocks: &yes, Via: "direct"}},
		Source: inventory.StorageHost{Name: "ss1", SSH: inventory.SSH{Address: "ss1.lab:22", User: "zfsadm", Key: "keys/zfsadm"}, Elevate: "sudo", Target: &inventory.StorageTarget{Kind: "lio", Portal: "10.0.0.1:3260"}},
		Target: inventory.StorageHost{Name: "ss2", SSH: inventory.SSH{Address: "ss2.lab:22", User: "zfsadm"}},
		Datasets: []Dataset{{Name: "tank/mail", GUID: 1 << 63, Replica: "backup/ss1/mail", Volume: true, Size: 64 << 30, Block: 16384, Read: moment, LUNs: []LUN{{
			Record: iscsi.Record{Version: 1, Kind: iscsi.LIO, Name: "mail", Device: "/dev/zvol/tank/mail", Identity: iscsi.Identity{LUN: 3, NAA: naa, Serial: "s1", Vendor: "SUN", Product: "COMSTAR", LogicalBlock: 512, PhysicalBlock: 4096,
				Size: 64 << 30, CompareAndWrite: &yes, ExtendedCopy: &yes, WriteCache: new(bool)},
				Paths: []iscsi.RecordPath{{Target: "iqn.2026-01.lab:ds1", Group: 1, LUN: 3, Portals: []string{"10.0.0.1:3260"}, ACLs: []iscsi.RecordACL{{Initiator: "iqn.1998-01.com.vmware:esx1", LUN: 3, CHAP: true, User: "esx1", Secret: "file:chap-esx1",
					Mutual: &yes, MutualUser: "ds1", MutualSecret: "exec:op read op://lab/ds1"}}}}},
			VMFS: &VMFS{Expects: "vml.0200030000600144f07ed404000000496ff8cd0003434f4d535441", NAA: naa, Volume: "v", Extents: 1, UUID: "49716cd8-ebcbbf9a-6792-000d60d46e2e", Label: "mail01", Version: "6.82", MadeBy: "00:0d:60:d4:6e:2e"}}}},
			{Name: "tank/files", GUID: 7, Replica: "backup/ss1/files", Read: moment}},
		VCenters: []VCenter{{URL: "https://vc1", Occupants: live.Occupants{VCenter: "vc1", Version: "8.0.3", Read: moment, Stores: []live.OccupiedStore{{Name: "mail01", Type: "VMFS", Disks: []string{"naa." + naa + ":1"}}},
			Guests: []live.Occupant{{Name: "mail <01> \u2028", UUID: "u-1", BIOSUUID: "b-1", Path: "[mail01] mail01/mail01.vmx", Folder: "/Home/vm", Pool: "Prod", VApp: "Mail", VAppStart: 2, Cluster: "Lab", Host: "esx22", Power: "poweredOn",
				Notes: "two\nlines", NICs: []live.OccupantNIC{{MAC: "00:50:56:aa:bb:cc", Network: "LAN", VLAN: "12", Type: "Vmxnet3"}}, Disks: []live.OccupantDisk{{Label: "Hard disk 1", Path: "[mail01] mail01/mail01.vmdk", Size: 10 << 30, Policies: []string{"Silver"}}},
				Tags: []string{"StartUp"}, Attributes: map[string]string{"Owner": "ops"}, Rights: []live.OccupantRight{{Principal: `LAB\mail`, Group: true, Role: "Admin"}}, Policies: []string{"Gold"},
				Restart: "high", DRS: "disabled", DRSLevel: "manual", HA: &live.OccupantHA{RestartTimeout: 300, Ready: "guestHbStatusGreen", ReadyDelay: 30, Isolation: "shutdown",
					Monitoring:  &live.OccupantMonitoring{Kind: "vmAndAppMonitoring", Enabled: &yes, ClusterSettings: new(bool), FailureInterval: 31, MinUpTime: 121, MaxFailures: 4, MaxWindow: -1},
					StorageLoss: &live.OccupantStorageLoss{APD: "restartConservative", APDDelay: 181, APDCleared: "reset", PDL: "restartAggressive"}},
				Rules: []string{"apart: a, b (rule r)"}, Encrypted: true, KeyProvider: "kms1", KeyID: "k1"}}}}},
		Guests:  []inventory.Guest{{Name: "mail01", After: []string{"group:base"}}},
		Groups:  []inventory.Group{{Name: "base", Guests: []string{"dns"}}},
		NotRead: []live.Gap{{What: "VMs on tank/files", Why: "it is a file system"}},
	}
}

func TestWhatIsSealedIsOpened(t *testing.T) {
	r := sample()
	text, sum, err := Seal(r)
	require.NoError(t, err)
	got, again, err := Open(text)
	require.NoError(t, err)
	require.Equal(t, r, got)
	require.Equal(t, sum, again)

	var laidOut map[string]any // by somebody's tool: other blanks, other order of keys
	require.NoError(t, json.Unmarshal(text, &laidOut))
	guid := laidOut["record"].(map[string]any)["datasets"].([]any)[0].(map[string]any)["guid"]
	require.Equal(t, "9223372036854775808", guid, "a number of 64 bits is no number to many tools")
	pretty, err := json.MarshalIndent(laidOut, "", "\t")
	require.NoError(t, err)
	got, _, err = Open(pretty)
	require.NoError(t, err)
	require.Equal(t, r, got)
}

// What was written before some fields came is of the same version: they are empty, and all else is as it was.
func TestAnOlderRecordIsRead(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "older.json"))
	require.NoError(t, err)
	r, _, err := Open(text)
	require.NoError(t, err)
	want := sample()
	g := &want.VCenters[0].Guests[0]
	g.DRS, g.DRSLevel, g.HA, g.Disks[0].Policies = "manual", "", nil, nil
	acl := &want.Datasets[0].LUNs[0].Paths[0].ACLs[0]
	*acl = iscsi.RecordACL{Initiator: acl.Initiator, LUN: 3, CHAP: true}
	require.Equal(t, want, r)
	require.Contains(t, r.Text(), "esx1, LUN 3, by CHAP as an unknown user (secret: the lab file did not say where it is kept)\n")
	require.Contains(t, r.Text(), "  overrides   HA restart priority high, DRS manual\n  rules ")
	lun := &r.Datasets[0].LUNs[0]
	lun.Identity.NoLUN, lun.Paths[0].NoLUN = true, true
	require.Contains(t, r.Text(), "  LUN         number not known, naa."+naa)
	require.Contains(t, r.Text(), "esx1, LUN number not known, by CHAP")
}

func TestWhatIsNotAsItWasWrittenIsRefused(t *testing.T) {
	text, sum, err := Seal(sample())
	require.NoError(t, err)
	whole := string(text)
	for name, c := range map[string]struct {
		text string
		kind error
		says string
	}{
		"a changed byte":   {strings.Replace(whole, "00:50:56:aa:bb:cc", "00:50:56:aa:bb:cd", 1), ErrDamaged, "its SHA-256 is"},
		"another checksum": {strings.Replace(whole, sum, strings.Repeat("0", 64), 1), ErrDamaged, "and it says 0000"},
		"cut off":          {whole[:len(whole)-10], ErrDamaged, "unexpected EOF"},
		"something behind": {whole + "{}", ErrDamaged, "something behind it"},
		"empty":            {"", ErrDamaged, "EOF"},
		"something else":   {`{"format":"x"}`, ErrDamaged, `it says that it is "x"`},
		"version 0":        {strings.Replace(whole, `"version":1,"sha256"`, `"version":0,"sha256"`, 1), ErrDamaged, "its version is 0"},
		"a later version":  {strings.Replace(whole, `"version":1,"sha256"`, `"version":2,"sha256"`, 1), ErrNewer, "has version 2, this nightshift knows 1 to 1: read it with a later one"},
		"too long":         {strings.Repeat(" ", MostRecord+1), ErrDamaged, "more than 1000000 bytes"},
	} {
		_, _, err := Open([]byte(c.text))
		require.ErrorIs(t, err, fault.Unsupported, name)
		require.ErrorIs(t, err, c.kind, name)
		require.ErrorContains(t, err, c.says, name)
	}
	later := sample()
	later.Datasets[0].LUNs[0].Version = 9
	text, _, err = Seal(later)
	require.NoError(t, err)
	_, _, err = Open(text)
	require.ErrorContains(t, err, "record of the logical unit has version 9")
	empty, _, err := Seal(Record{Group: "mail"})
	require.NoError(t, err)
	_, _, err = Open(empty)
	require.ErrorIs(t, err, ErrDamaged)
}

func TestProperties(t *testing.T) {
	r := sample()
	for i := range 300 { // long enough for several parts
		g := r.VCenters[0].Guests[0]
		g.UUID = checksum([]byte{byte(i), byte(i >> 8)})
		r.VCenters[0].Guests = append(r.VCenters[0].Guests, g)
	}
	values, err := Properties(r)
	require.NoError(t, err)
	stamp, err := ParseStamp(values[Property])
	require.NoError(t, err)
	require.Greater(t, stamp.Parts, 1)
	require.Len(t, values, stamp.Parts+1)
	require.True(t, stamp.By("replicate-1"))
	require.True(t, Stamp{Run: "a_b"}.By("a b"))
	for _, v := range values {
		require.LessOrEqual(t, len(v), zfs.MaxValue)
	}
	got, err := FromProperties(values)
	require.NoError(t, err)
	require.Equal(t, r, got)

	for name, spoil := range map[string]func(map[string]string){
		"a part is missing":     func(v map[string]string) { delete(v, Property+".2") },
		"a part is of another":  func(v map[string]string) { v[Property+".2"] = v[Property+".1"] },
		"a part is no base64":   func(v map[string]string) { v[Property+".1"] = "%" + v[Property+".1"] },
		"the stamp is no stamp": func(v map[string]string) { v[Property] = "yes" },
		"the stamp has another checksum": func(v map[string]string) {
			v[Property] = strings.Replace(v[Property], stamp.SHA256, strings.Repeat("0", 64), 1)
		},
		"a thousand parts": func(v map[string]string) {
			v[Property] = strings.Replace(v[Property], "parts="+string(rune('0'+stamp.Parts)), "parts=999", 1)
		},
	} {
		values, err := Properties(r)
		require.NoError(t, err)
		spoil(values)
		_, err = FromProperties(values)
		require.ErrorIs(t, err, ErrDamaged, name)
	}
	_, err = FromProperties(map[string]string{Property: "version=2 something=else"})
	require.ErrorIs(t, err, ErrNewer)
}

func TestKeep(t *testing.T) {
	before := sample()
	now := sample()
	now.NotRead, now.Run = nil, "replicate-2"
	now.Datasets[0].Read, now.Datasets[0].LUNs = time.Time{}, nil
	now.VCenters = []VCenter{{URL: "https://vc1", Occupants: live.Occupants{VCenter: "vc1", Err: "no answer"}}, {Occupants: live.Occupants{VCenter: "new", Err: "no answer"}}}
	require.True(t, now.Lacks())
	got := now
	got.Keep(&before)
	require.Equal(t, before.Datasets, got.Datasets)
	require.Equal(t, before.VCenters, got.VCenters)
	require.Len(t, got.NotRead, 2)

	unread := func() Record {
		r := sample()
		r.Made, r.Datasets[0].Read = moment.Add(time.Hour), moment.Add(time.Hour)
		l := &r.Datasets[0].LUNs[0]
		l.Unread, l.VMFS, l.NoVMFS = true, nil, "not known: no answer"
		return r
	}
	now, third := unread(), unread()
	require.True(t, now.Lacks())
	now.Keep(&before)
	third.Keep(&now)
	for _, r := range []Record{now, third} {
		l := r.Datasets[0].LUNs[0]
		require.Equal(t, before.Datasets[0].LUNs[0].VMFS, l.VMFS)
		require.Empty(t, l.NoVMFS)
		require.Equal(t, moment, l.VMFSRead, "when it was read, however often it was kept")
		require.Contains(t, r.NotRead, live.Gap{What: "VMFS header of LUN mail", Why: "what is here is of " + moment.UTC().Format(time.RFC3339)})
		require.Contains(t, r.Text(), "of "+utc(moment)+": it could not be read later")
	}
	now = unread()
	now.Datasets[0].LUNs[0].Identity.NAA = "6001405"
	now.Keep(&before)
	require.Nil(t, now.Datasets[0].LUNs[0].VMFS, "it is another LUN")
	now = sample()
	now.Datasets[0].LUNs[0].VMFS, now.Datasets[0].LUNs[0].NoVMFS = nil, "no VMFS"
	now.Keep(&before)
	require.Nil(t, now.Datasets[0].LUNs[0].VMFS, "it was read, and there is none any more")

	moved := sample()
	moved.Datasets[0].Read, moved.Datasets[0].LUNs = time.Time{}, nil
	moved.Datasets[1].Volume, moved.Datasets[1].LUNs = true, before.Datasets[0].LUNs
	moved.Keep(&before)
	require.Empty(t, moved.Datasets[0].LUNs, "it is on another volume now: there are no two of one NAA")
	require.Zero(t, moved.Datasets[0].Read)
	never := sample()
	never.Datasets[1].Volume, never.Datasets[1].Read = true, time.Time{}
	gaps := len(never.NotRead)
	never.Keep(&before)
	require.Len(t, never.NotRead, gaps, "a volume that was never shown has nothing to keep")

	other := sample()
	other.Datasets[0].GUID = 5
	got = sample()
	got.Datasets[0].Read, got.Datasets[0].LUNs = time.Time{}, nil
	got.Keep(&other)
	require.Empty(t, got.Datasets[0].LUNs, "it is another dataset")
	got.VCenters = []VCenter{{Occupants: live.Occupants{VCenter: "vc1", Err: "no answer"}}}
	got.Keep(nil)
	require.Empty(t, got.VCenters)
	require.False(t, func() bool { r := sample(); return r.Lacks() }())
}

func TestSort(t *testing.T) {
	old, now, other := sample(), sample(), sample()
	now.Made = moment.Add(time.Hour)
	other.Group = "files"
	bad := Copy{Where: "z", Err: ErrDamaged}
	found, wrong := Sort([]Copy{{Where: "a", Record: &old}, bad, {Where: "b", Record: &now}, {Where: "c", Record: &other}, {Where: "d", Record: &now}})
	require.Equal(t, []Copy{bad}, wrong)
	require.Len(t, found, 2)
	require.Equal(t, "files", found[0].Group)
	require.Equal(t, now, found[1].Record)
	require.Equal(t, []string{"b", "d"}, found[1].Newest)
	require.Equal(t, []string{"a"}, found[1].Older)
}

// A shell runs scripts on this machine, in a home directory of its own.
type shell struct{ home string }

func (s shell) Query(ctx context.Context, argv []string) (sshexec.Result, error) {
	return s.Act(ctx, argv, nil)
}

func (s shell) Act(ctx context.Context, argv []string, stdin io.Reader) (sshexec.Result, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env, cmd.Dir, cmd.Stdin = []string{"HOME=" + s.home, "PATH=" + os.Getenv("PATH")}, "/", stdin
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if cmd.ProcessState != nil {
		err = nil
	}
	return sshexec.Result{Status: cmd.ProcessState.ExitCode(), Stdout: []byte(out.String()), Stderr: []byte(errs.String())}, err
}

func TestFiles(t *testing.T) {
	home := t.TempDir()
	s := NewStore(zfs.New("ss2", nil), shell{home})
	names, err := s.Files(t.Context())
	require.NoError(t, err)
	require.Empty(t, names)
	_, err = s.File(t.Context(), "home.mail.json")
	require.ErrorIs(t, err, fault.NotFound)
	_, err = s.File(t.Context(), "../x.json")
	require.ErrorIs(t, err, fault.Invalid)

	r := sample()
	require.NoError(t, s.SaveFile(t.Context(), r))
	r.Run = "replicate-2"
	require.NoError(t, s.SaveFile(t.Context(), r), "over the older one")
	got, err := s.File(t.Context(), "home.mail.json")
	require.NoError(t, err)
	require.Equal(t, r, got)
	names, err = s.Files(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"home.mail.json"}, names)

	path := filepath.Join(home, Dir, "home.mail.json")
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	dir, err := os.Stat(filepath.Dir(path))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), dir.Mode().Perm())

	res, err := shell{home}.Act(t.Context(), homefile.Save(Dir, "home.mail.json", 99), strings.NewReader("half"))
	require.NoError(t, err)
	require.Equal(t, 1, res.Status)
	require.Contains(t, res.Summary(), "not all of it arrived")
	got, err = s.File(t.Context(), "home.mail.json")
	require.NoError(t, err)
	require.Equal(t, r, got, "what broke off leaves the older one")
	left, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, left, 1)
	require.NoError(t, os.WriteFile(filepath.Join(home, Dir, "x y.json"), nil, 0o600))
	names, err = s.Files(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"home.mail.json"}, names, "what nightshift did not name is not its own")
}
