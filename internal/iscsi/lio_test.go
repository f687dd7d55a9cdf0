package iscsi_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/iscsi"
	"nightshift/internal/iscsi/liosim"
	"nightshift/internal/vmfs"
)

const (
	portal   = "10.0.0.1:3260"
	iqn      = "iqn.2026-01.lab.storage:ds1"
	esx1     = "iqn.1998-01.com.vmware:esx1"
	esx2     = "iqn.1998-01.com.vmware:esx2"
	secret   = "correct horse 1"
	sunGUID  = "600144f07ed404000000496ff8cd0003" // of the document's VMFS header
	mebibyte = 1 << 20
)

func yes() *bool { b := true; return &b }

// comstar is the identity of a LUN of COMSTAR, as the document's header has it.
func comstar() iscsi.Identity {
	return iscsi.Identity{LUN: 3, NAA: sunGUID, Vendor: "SUN", Product: "COMSTAR", Revision: "1.0", LogicalBlock: 512, CompareAndWrite: yes()}
}

func publication(device string) iscsi.Publication {
	return iscsi.Publication{Name: "vol1", Device: device, Identity: comstar(), Target: iqn, Group: 1, Portals: []string{portal},
		Grants: []iscsi.Grant{{Initiator: esx1, CHAP: &iscsi.CHAP{User: "labuser", Secret: inventory.NewSecret(secret)}}}}
}

func sudo(argv []string) []string { return append([]string{"sudo", "-n"}, argv...) }

type rig struct {
	*testing.T
	host   *liosim.Host
	target *iscsi.LIOTarget
}

func newRig(t *testing.T) rig {
	t.Helper()
	h, err := liosim.New(t.TempDir(), portal)
	require.NoError(t, err)
	return rig{t, h, iscsi.NewLIO(h, sudo)}
}

func (r rig) volume(name string) string {
	r.Helper()
	device, err := r.host.AddVolume(name, 64*mebibyte, 16384)
	require.NoError(r, err)
	return device
}

func (r rig) list() iscsi.Listing {
	r.Helper()
	l, err := r.target.List(r.Context())
	require.NoError(r, err)
	return l
}

// shut closes the portal group to all initiators, as an administrator does.
func (r rig) shut() {
	r.Helper()
	require.NoError(r, os.WriteFile(r.host.Path("/sys/kernel/config/target/iscsi/"+iqn+"/tpgt_1/enable"), []byte("0\n"), 0o600))
}

func (r rig) ensure(p iscsi.Publication) []string {
	r.Helper()
	done, err := iscsi.Ensure(r.Context(), r.target, p)
	require.NoError(r, err, "%v", done)
	return done
}

func TestPublishedAsAnotherMakersLUN(t *testing.T) {
	r := newRig(t)
	require.Equal(t, iscsi.Listing{Kind: iscsi.LIO}, r.list(), "no modules, no configfs")
	device := r.volume("tank/vol1")
	done := r.ensure(publication(device))
	require.Contains(t, done, "LUN 3 for "+esx1)
	require.NotContains(t, strings.Join(done, "\n"), secret)

	l := r.list()
	require.True(t, l.Running)
	require.Len(t, l.LUs, 1)
	lu := l.LUs[0]
	require.Equal(t, iscsi.Path{Target: iqn, Group: 1, Enabled: true, LUN: 3, Portals: []string{portal}, Unlisted: []string{},
		ACLs: []iscsi.ACL{{Initiator: esx1, LUN: 3, CHAP: true, Session: &iscsi.Session{}}}}, lu.Paths[0])
	require.Equal(t, iscsi.Online, lu.State)
	require.True(t, lu.Saved)
	id := lu.Seen()
	require.Equal(t, sunGUID, id.NAA)
	require.Equal(t, []any{"SUN", "COMSTAR", "1.0", "07ed404000000496ff8cd0003"}, []any{id.Vendor, id.Product, id.Revision, id.Serial})
	require.Equal(t, "naa."+sunGUID, id.Designators[0].String())
	require.Equal(t, "t10.SUN     COMSTAR:07ed404000000496ff8cd0003", id.Designators[1].String())
	require.Equal(t, []any{uint32(512), uint32(16384), uint64(64 * mebibyte), true}, []any{id.LogicalBlock, id.PhysicalBlock, id.Size, *id.WriteCache})
	require.Empty(t, iscsi.Diff(comstar(), id))

	require.Empty(t, r.ensure(publication(device)), "a second time there is nothing to do")
	again, err := r.target.Publish(t.Context(), publication(device))
	require.NoError(t, err)
	require.Empty(t, again, "the program itself does only what differs, too")
}

// What is kept for the next boot holds secrets: nobody else reads it.
func TestSecretsAreNowhereElse(t *testing.T) {
	r := newRig(t)
	require.NoError(t, os.MkdirAll(r.host.Path("/etc/nightshift-lio"), 0o755))
	require.NoError(t, os.WriteFile(r.host.Path("/etc/nightshift-lio/.vol1.99"), []byte("secret of one that was killed"), 0o600))
	r.ensure(publication(r.volume("tank/vol1")))
	kept := r.host.Path("/etc/nightshift-lio/vol1.lu")
	info, err := os.Stat(kept)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	text, err := os.ReadFile(kept)
	require.NoError(t, err)
	require.Contains(t, string(text), "secret "+secret)
	entries, err := os.ReadDir(r.host.Path("/etc/nightshift-lio"))
	require.NoError(t, err)
	require.Len(t, entries, 1, "no other file stays")

	out, err := r.host.Query(t.Context(), append([]string{"sh", "-c", iscsi.LIOReadScript(), "sh"}, iscsi.LIOPlaces()...))
	require.NoError(t, err)
	require.NotContains(t, string(out.Stdout), "correct")
}

// Root is told who proves itself by CHAP, and no more: the script gives names, and neither what it prints nor a record has a secret.
func TestUsersOfCHAPAreRecordedWithoutTheirSecrets(t *testing.T) {
	r := newRig(t)
	p := publication(r.volume("tank/vol1"))
	p.Grants[0].CHAP.MutualUser, p.Grants[0].CHAP.MutualSecret = "ds1", inventory.NewSecret("the targets own 3")
	p.Grants = append(p.Grants, iscsi.Grant{Initiator: esx2, CHAP: &iscsi.CHAP{User: "u2", Secret: inventory.NewSecret("another secret 2")}})
	r.ensure(p)
	asRoot := strings.ReplaceAll(iscsi.LIOReadScript(), `[ "$(id -u)" = 0 ]`, "true")
	out, err := r.host.Query(t.Context(), append([]string{"sh", "-c", asRoot, "sh"}, iscsi.LIOPlaces()...))
	require.NoError(t, err)
	l, err := iscsi.ParseLIO(out.Stdout)
	require.NoError(t, err)
	target := &inventory.StorageTarget{CHAP: []inventory.TargetCHAP{{Initiators: []string{esx1}, User: "labuser", Secret: "file:chap"}}}
	record := iscsi.NewRecord(iscsi.LIO, l.LUs[0], target)
	require.Equal(t, []iscsi.RecordACL{{Initiator: esx1, LUN: 3, CHAP: true, User: "labuser", Secret: "file:chap", Mutual: yes(), MutualUser: "ds1"},
		{Initiator: esx2, LUN: 3, CHAP: true, User: "u2", Mutual: no()}}, record.Paths[0].ACLs)
	b, err := record.Marshal()
	require.NoError(t, err)
	for _, hidden := range []string{secret, "the targets own 3", "another secret 2"} {
		require.NotContains(t, string(out.Stdout), hidden)
		require.NotContains(t, string(b), hidden)
	}
	require.Empty(t, r.list().LUs[0].Paths[0].ACLs[0].User, "the service account is told nothing")
}

func TestItComesBackAtBoot(t *testing.T) {
	r := newRig(t)
	p := publication(r.volume("tank/vol1"))
	r.ensure(p)
	before := r.list()
	res, err := r.host.Boot(t.Context())
	require.NoError(t, err)
	require.Zero(t, res.Status, "%s", res.Summary())
	require.Equal(t, before, r.list())

	// targetcli's own restore ran before, and knows no company id.
	store := r.host.Path("/sys/kernel/config/target/core/iblock_0/vol1/wwn")
	require.NoError(t, os.WriteFile(filepath.Join(store, "company_id"), []byte("0x001405\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(store, "vendor_id"), []byte("LIO-ORG\n"), 0o600))
	require.NotEqual(t, before, r.list())
	res, err = r.host.Act(t.Context(), []string{iscsi.LIOProgramPath, "boot"}, nil)
	require.NoError(t, err)
	require.Zero(t, res.Status, "%s", res.Summary())
	require.Equal(t, before, r.list())
}

func TestUnpublish(t *testing.T) {
	r := newRig(t)
	p := publication(r.volume("tank/vol1"))
	other := publication(r.volume("tank/vol2"))
	other.Name, other.Identity.NAA, other.Identity.LUN = "vol2", "600144f07ed404000000496ff8cd0004", 4
	r.ensure(p)
	r.ensure(other)
	require.NoError(t, r.host.Login(esx1, true))

	refused := func(who string) {
		_, err := r.target.Unpublish(t.Context(), "vol1", false)
		require.ErrorIs(t, err, fault.State)
		require.ErrorIs(t, err, fault.NotDone)
		require.ErrorContains(t, err, who)
		require.Len(t, r.list().LUs, 2)
	}
	refused(esx1)
	require.NoError(t, r.host.Login(esx1, false))
	unlisted := r.host.Path("/sys/kernel/config/target/iscsi/" + iqn + "/tpgt_1/dynamic_sessions")
	require.NoError(t, os.WriteFile(unlisted, []byte(esx2+"\n\x00"), 0o600))
	refused(esx2)
	require.NoError(t, os.Remove(unlisted))
	refused(iqn + "/tpgt_1") // who is logged in cannot be read
	require.NoError(t, os.WriteFile(unlisted, nil, 0o600))
	require.NoError(t, r.host.Login(esx1, true))

	done, err := r.target.Unpublish(t.Context(), "vol1", true)
	require.NoError(t, err)
	require.NotEmpty(t, done)
	l := r.list()
	require.Len(t, l.LUs, 1)
	require.Equal(t, "vol2", l.LUs[0].Name)
	loggedIn, unknown := l.LUs[0].Sessions()
	require.Equal(t, []string{esx1}, loggedIn, "the session to the group's other LUN is left alone")
	require.Zero(t, unknown)
	require.NoFileExists(t, r.host.Path("/etc/nightshift-lio/vol1.lu"))

	done, err = r.target.Unpublish(t.Context(), "vol1", false)
	require.NoError(t, err)
	require.Empty(t, done, "none of that name is no error")

	_, err = r.target.Unpublish(t.Context(), "vol2", true)
	require.NoError(t, err)
	require.Empty(t, r.list().LUs)
	require.NoDirExists(t, r.host.Path("/sys/kernel/config/target/iscsi/"+iqn), "an empty target goes, too")
}

// Whoever is logged in to a group that lets everybody in uses all of its LUNs.
func TestInitiatorsThatAreNotListed(t *testing.T) {
	r := newRig(t)
	r.ensure(publication(r.volume("tank/vol1")))
	group := r.host.Path("/sys/kernel/config/target/iscsi/"+iqn+"/tpgt_1") + "/"
	sessions := func(text string) (loggedIn []string, unknown int) {
		require.NoError(t, os.RemoveAll(group+"dynamic_sessions"))
		if text == "unreadable" {
			require.NoError(t, os.Mkdir(group+"dynamic_sessions", 0o755))
		} else {
			require.NoError(t, os.WriteFile(group+"dynamic_sessions", []byte(text), 0o600))
		}
		return r.list().LUs[0].Sessions()
	}
	both := "iqn.x\n\x00iqn.y\n\x00"          // as the kernel writes them
	for _, open := range []string{"1", "0"} { // closing the group ends no session
		require.NoError(t, os.WriteFile(group+"attrib/generate_node_acls", []byte(open+"\n"), 0o600))
		in, unknown := sessions(both)
		require.Equal(t, []string{"iqn.x", "iqn.y"}, in)
		require.Zero(t, unknown)
		in, unknown = sessions("")
		require.Empty(t, in)
		require.Zero(t, unknown)
		in, unknown = sessions("unreadable")
		require.Empty(t, in)
		require.Equal(t, open, fmt.Sprint(unknown))
	}
}

// What is otherwise than wanted is put right, and only that.
func TestOnlyWhatDiffersIsDone(t *testing.T) {
	r := newRig(t)
	p := publication(r.volume("tank/vol1"))
	r.ensure(p)
	p.Grants = append(p.Grants, iscsi.Grant{Initiator: esx2, ReadOnly: true, CHAP: &iscsi.CHAP{User: "u2", Secret: inventory.NewSecret("another secret 2"),
		MutualUser: "t", MutualSecret: inventory.NewSecret("the targets own 3")}})
	done := r.ensure(p)
	require.NotContains(t, strings.Join(done, "\n"), esx1)
	acls := r.list().LUs[0].Paths[0].ACLs
	require.Equal(t, iscsi.ACL{Initiator: esx2, LUN: 3, ReadOnly: true, CHAP: true, Session: &iscsi.Session{}}, acls[1])

	r.shut()
	require.Equal(t, []string{iqn + ", group 1, is open to its initiators"}, r.ensure(p))

	p.Grants = p.Grants[1:]
	require.Contains(t, r.ensure(p), "LUN 3 is taken from "+esx1)
	require.Len(t, r.list().LUs[0].Paths[0].ACLs, 1)
}

func TestWhatIsInTheWay(t *testing.T) {
	for name, c := range map[string]struct {
		change func(r rig, p *iscsi.Publication)
		kind   error
		says   string
	}{
		"no such device": {func(_ rig, p *iscsi.Publication) { p.Device = "/dev/zvol/tank/none" }, fault.State, "there is no block device /dev/zvol/tank/none"},
		"the device is published as another": {func(r rig, p *iscsi.Publication) {
			p.Name, p.Identity.NAA, p.Identity.LUN = "other", "600144f07ed404000000496ff8cd0009", 9
		}, fault.State, "the device is in use by"},
		"the NAA is another's": {func(r rig, p *iscsi.Publication) {
			p.Name, p.Device, p.Identity.LUN = "other", r.volume("tank/vol9"), 9
		}, fault.State, "naa." + sunGUID + " is shown already"},
		"published with another identity": {func(_ rig, p *iscsi.Publication) { p.Identity.Product = "OTHER" }, fault.State,
			"vol1 is published as something else: its product is COMSTAR"},
		"published as another LUN": {func(_ rig, p *iscsi.Publication) { p.Identity.LUN = 8 }, fault.State, "lun/lun_3, too"},
		"the LUN number is another's": {func(r rig, p *iscsi.Publication) {
			p.Name, p.Device, p.Identity.NAA = "other", r.volume("tank/vol9"), "600144f07ed404000000496ff8cd0009"
		}, fault.State, "LUN 3 of " + iqn},
		"no CHAP where others have it": {func(r rig, p *iscsi.Publication) {
			p.Name, p.Device, p.Identity.NAA, p.Identity.LUN = "other", r.volume("tank/vol9"), "600144f07ed404000000496ff8cd0009", 9
			p.Grants = []iscsi.Grant{{Initiator: esx1}}
		}, fault.State, "has other LUNs, and CHAP is 1 there, not 0"},
		"others are behind a closed door": {func(r rig, p *iscsi.Publication) {
			r.shut()
			p.Name, p.Device, p.Identity.NAA, p.Identity.LUN = "other", r.volume("tank/vol9"), "600144f07ed404000000496ff8cd0009", 9
		}, fault.State, "group 1 of " + iqn + " is closed, and has other LUNs"},
		"NAA of eight bytes": {func(_ rig, p *iscsi.Publication) { p.Identity.NAA = "5005076719d163d8" }, fault.Unsupported, "LIO shows no NAA but"},
		"no name":            {func(_ rig, p *iscsi.Publication) { p.Name = "../x" }, fault.Invalid, "no name of a backstore"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			p := publication(r.volume("tank/vol1"))
			r.ensure(p)
			c.change(r, &p)
			before := r.list()
			_, err := iscsi.Ensure(t.Context(), r.target, p)
			require.ErrorIs(t, err, c.kind)
			require.ErrorIs(t, err, fault.NotDone)
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), secret)
			require.Equal(t, before, r.list(), "nothing was changed")
		})
	}
}

// A backstore that was made read-only stays so until it is made anew, whatever its initiators are granted.
func TestABackstoreThatIsReadOnly(t *testing.T) {
	r := newRig(t)
	p := publication(r.volume("tank/vol1"))
	p.ReadOnly = true
	r.ensure(p)
	info := r.host.Path("/sys/kernel/config/target/core/iblock_0/vol1/info")
	asKernel := []byte("Status: ACTIVATED  Max Queue Depth: 0  SectorSize: 512  HwMaxSectors: 32768\n        iBlock device: zd0  UDEV PATH: /dev/zvol/tank/vol1  readonly: 1\n")
	require.NoError(t, os.WriteFile(info, asKernel, 0o600))
	require.Empty(t, r.ensure(p))
	p.ReadOnly = false
	_, err := iscsi.Ensure(t.Context(), r.target, p)
	require.ErrorIs(t, err, fault.NotDone)
	require.ErrorContains(t, err, "vol1 is published as something else: its backstore is read-only")
	_, err = r.target.Unpublish(t.Context(), "vol1", false)
	require.NoError(t, err)
	require.Contains(t, r.ensure(p), "LUN 3 for "+esx1)
}

// The same guard against two with one NAA is in the program: between two readings another may have published.
func TestTheProgramRefusesASecondNAA(t *testing.T) {
	r := newRig(t)
	r.ensure(publication(r.volume("tank/vol1")))
	p := publication(r.volume("tank/vol2"))
	p.Name, p.Identity.LUN = "vol2", 4
	p.Identity.Serial = "07ED-4040-0000-0496-FF8C-D000-3999" // differs, but only behind the 25th digit
	_, err := r.target.Publish(t.Context(), p)
	require.ErrorIs(t, err, fault.State)
	require.ErrorContains(t, err, "the NAA is shown by")
	require.Len(t, r.list().LUs, 1)
}

// A short serial number makes the same NAA as one with zeros behind it.
func TestTheProgramRefusesASecondNAAOfAShortSerialNumber(t *testing.T) {
	r := newRig(t)
	p := publication(r.volume("tank/vol1"))
	p.Identity.NAA, p.Identity.Serial = "60014051234"+strings.Repeat("0", 21), "1234"
	r.ensure(p)
	p.Name, p.Device, p.Identity.LUN, p.Identity.Serial = "vol2", r.volume("tank/vol2"), 4, "12340"
	_, err := r.target.Publish(t.Context(), p)
	require.ErrorIs(t, err, fault.State)
	require.ErrorContains(t, err, "the NAA is shown by")
	require.Len(t, r.list().LUs, 1)
}

// An administrator may have given an initiator another LUN under that number: neither is it shown twice, nor does the other lose its write protection.
func TestALUNNumberThatIsAnothersForAnInitiator(t *testing.T) {
	r := newRig(t)
	r.ensure(publication(r.volume("tank/vol1")))
	group := r.host.Path("/sys/kernel/config/target/iscsi/" + iqn + "/tpgt_1")
	mapped := group + "/acls/" + esx1 + "/lun_4"
	require.NoError(t, os.Mkdir(mapped, 0o755))
	require.NoError(t, os.Symlink(group+"/lun/lun_3", mapped+"/byhand"))
	require.NoError(t, os.WriteFile(mapped+"/write_protect", []byte("1\n"), 0o600))
	before := r.list()
	p := publication(r.volume("tank/vol2"))
	p.Name, p.Identity.LUN, p.Identity.NAA = "vol2", 4, vm109
	_, err := iscsi.Ensure(t.Context(), r.target, p)
	require.ErrorIs(t, err, fault.State)
	require.ErrorIs(t, err, fault.NotDone)
	require.ErrorContains(t, err, esx1+" sees another as LUN 4")
	require.Equal(t, before, r.list(), "nothing was changed")

	require.NoError(t, os.RemoveAll(mapped))
	r.ensure(p)
}

// What could not be done ends as such, and the next try goes on from there.
func TestAPortalThatIsNotThere(t *testing.T) {
	r := newRig(t)
	p := publication(r.volume("tank/vol1"))
	p.Portals = []string{"10.9.9.9:3260"}
	_, err := iscsi.Ensure(t.Context(), r.target, p)
	require.ErrorContains(t, err, "no portal at 10.9.9.9:3260: is it an address of this host?")
	require.NotErrorIs(t, err, fault.NotDone)
	require.NoFileExists(t, r.host.Path("/etc/nightshift-lio/vol1.lu"), "what failed does not come back at boot")
	p.Portals = []string{portal}
	r.ensure(p)
	require.Equal(t, iscsi.Online, r.list().LUs[0].State)
}

// targetcli writes what it sees into its own saved configuration, where a logical unit of ours would come back as another.
func TestTargetclisOwnConfigurationForgetsIt(t *testing.T) {
	r := newRig(t)
	file := r.host.Path("/etc/rtslib-fb-target/saveconfig.json")
	require.NoError(t, os.MkdirAll(r.host.Path("/etc/rtslib-fb-target"), 0o755))
	require.NoError(t, os.WriteFile(file, fixture(t, "saveconfig.json"), 0o644))
	r.ensure(publication(r.volume("tank/vol1")))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NotContains(t, string(text), `"vol1"`)
	require.NotContains(t, string(text), "ds1")
	require.Contains(t, string(text), `"other"`)
	require.Contains(t, string(text), "not ours, 12 characters", "what others need stays as it is")
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestWithoutTheProgram(t *testing.T) {
	target := iscsi.NewLIO(answer{status: 1, stderr: "sudo: /usr/local/sbin/nightshift-lio: command not found\n"}, sudo)
	_, err := target.Publish(t.Context(), publication("/dev/zvol/tank/vol1"))
	require.ErrorIs(t, err, fault.NotFound)
	require.ErrorIs(t, err, fault.NotDone)
	require.ErrorContains(t, err, "nightshift lab prepare-storage")
	target = iscsi.NewLIO(answer{status: 1, stderr: "sudo: a password is required\n"}, sudo)
	_, err = target.Unpublish(t.Context(), "vol1", false)
	require.ErrorIs(t, err, fault.Permission)
	require.ErrorIs(t, err, fault.NotDone)
	// What the program itself does not find, it misses when all is published; and some sudo say something of their own before each command.
	for _, said := range []string{"/usr/local/sbin/nightshift-lio: line 435: python3: command not found\n/etc/target/saveconfig.json names vol1, and it cannot be taken out\n",
		"sudo: unable to resolve host ss2: Name or service not known\nno portal at 10.0.0.9:3260: is it an address of this host?\n"} {
		target = iscsi.NewLIO(answer{status: 1, stdout: "backstore vol1 on /dev/zvol/tank/vol1\n", stderr: said}, sudo)
		_, err = target.Publish(t.Context(), publication("/dev/zvol/tank/vol1"))
		require.Error(t, err)
		for _, kind := range []error{fault.NotDone, fault.NotFound, fault.Permission} {
			require.NotErrorIs(t, err, kind)
		}
	}
	require.NoError(t, iscsi.NewLIO(answer{stdout: "nightshift-lio 1\n"}, sudo).Version(t.Context()))
	require.ErrorIs(t, iscsi.NewLIO(answer{stdout: "nightshift-lio 2\n"}, sudo).Version(t.Context()), fault.Unsupported)
	require.ErrorIs(t, iscsi.NewLIO(answer{status: 127}, sudo).Version(t.Context()), fault.NotFound)
}

// What the header of the document's volume asks for is what LIO shows; under LIO's own name for the product it is not.
func TestTheDocumentsVolumeWouldBeMounted(t *testing.T) {
	header := vmfs.DiskID{Type: 2, Length: 22, LUN: 3, Identity: []byte("\x60\x01\x44\xf0\x7e\xd4\x04\x00\x00\x00\x49\x6f\xf8\xcd\x00\x03COMSTA")}
	r := newRig(t)
	p := publication(r.volume("tank/vol1"))
	r.ensure(p)
	id := r.list().LUs[0].Seen()
	lu := vmfs.LU{LUN: id.LUN, DeviceType: id.DeviceType, NAA: id.NAA, Vendor: id.Vendor, Product: id.Product}
	require.Empty(t, vmfs.Guard(header, lu))
	lu.Product = "vol1"
	require.Len(t, vmfs.Guard(header, lu), 1)
}

func TestPublicationsThatMakeNoSense(t *testing.T) {
	target := iscsi.NewLIO(probeRunner(func([]string) { t.Error("nothing is sent") }), sudo)
	chap := func(user, one, mutual, other string) *iscsi.CHAP {
		return &iscsi.CHAP{User: user, Secret: inventory.NewSecret(one), MutualUser: mutual, MutualSecret: inventory.NewSecret(other)}
	}
	for says, change := range map[string]func(p *iscsi.Publication){
		"is no name of a backstore":               func(p *iscsi.Publication) { p.Name = "a b" },
		"is no device of a zvol":                  func(p *iscsi.Publication) { p.Device = "/dev/sda" },
		`"/dev/zvol/a/../../sda" is no device`:    func(p *iscsi.Publication) { p.Device = "/dev/zvol/a/../../sda" },
		`"/dev/zvol/a/.." is no device`:           func(p *iscsi.Publication) { p.Device = "/dev/zvol/a/.." },
		`"[fe80::1%a/b]:3260" is no portal`:       func(p *iscsi.Publication) { p.Portals = []string{"[fe80::1%a/b]:3260"} },
		"is no iSCSI name":                        func(p *iscsi.Publication) { p.Target = "iqn.2026-01.lab:a/../b" },
		"a portal group's tag is 1":               func(p *iscsi.Publication) { p.Group = 0 },
		"there is no portal":                      func(p *iscsi.Publication) { p.Portals = nil },
		`"storage1:3260" is no portal`:            func(p *iscsi.Publication) { p.Portals = []string{"storage1:3260"} },
		"there is no initiator":                   func(p *iscsi.Publication) { p.Grants = nil },
		"the initiator \"esx\" is no iSCSI name":  func(p *iscsi.Publication) { p.Grants[0].Initiator = "esx" },
		esx1 + " is there twice":                  func(p *iscsi.Publication) { p.Grants = append(p.Grants, p.Grants[0]) },
		"either all initiators":                   func(p *iscsi.Publication) { p.Grants = append(p.Grants, iscsi.Grant{Initiator: esx2}) },
		"the secret of CHAP is not 12 to 255":     func(p *iscsi.Publication) { p.Grants[0].CHAP = chap("u", "hunter2", "", "") },
		"the user of CHAP is not":                 func(p *iscsi.Publication) { p.Grants[0].CHAP = chap("NULL", secret, "", "") },
		"the secret of mutual CHAP is not":        func(p *iscsi.Publication) { p.Grants[0].CHAP = chap("u", secret, "t", "hunter2 \nx 123456") },
		"are the same in both directions":         func(p *iscsi.Publication) { p.Grants[0].CHAP = chap("u", secret, "t", secret) },
		"the user of mutual CHAP is not":          func(p *iscsi.Publication) { p.Grants[0].CHAP = chap("u", secret, "", "the targets own 3") },
		"is not made of ASCII without a blank at": func(p *iscsi.Publication) { p.Identity.Serial = "a\nchap 0" },
	} {
		p := publication("/dev/zvol/tank/vol1")
		change(&p)
		_, err := target.Publish(t.Context(), p)
		require.ErrorContains(t, err, says)
		require.ErrorIs(t, err, fault.NotDone, says)
		require.NotContains(t, err.Error(), "hunter2")
		require.NotContains(t, err.Error(), secret)
	}
}
