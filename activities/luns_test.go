package activities

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/iscsi"
	"nightshift/internal/iscsi/liosim"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/sshexec"
	"nightshift/internal/storagesetup"
	"nightshift/internal/vmfs"
	"nightshift/internal/vmfs/vmfsimage"
	"nightshift/runbooks"
)

const (
	mailNAA  = "600144f07ed404000000496ff8cd0003"
	mailUUID = "49716cd8-ebcbbf9a-6792-000d60d46e2e"
	mailSize = 64 << 20
	esxIQN   = "iqn.1998-01.com.vmware:esx1"
)

// A lunRig is a storage host ss1 whose LIO shows tank/mail as LUN 3, with a VMFS volume on it.
type lunRig struct {
	*testing.T
	*Activities
	*liosim.Host
	world *world

	mu   sync.Mutex
	away bool // it does not answer
	cut  error
	read int // commands that read a device

	writes int    // calls that write a partition table
	copies int    // calls that write a copy of a backup
	loses  string // what of them is lost: the "call", the "answer", or the "rest" after so many parts
	part   int
}

func newLUNRig(t *testing.T) *lunRig {
	t.Helper()
	h, err := liosim.New(t.TempDir(), "10.0.0.1:3260")
	require.NoError(t, err)
	w := newWorld()
	r := &lunRig{T: t, Host: h, world: w, Activities: newActivities(w)}
	r.lab.StorageHosts = []inventory.StorageHost{{Name: "ss1", Elevate: inventory.ElevateSudo, Target: &inventory.StorageTarget{Kind: inventory.TargetLIO}},
		{Name: "ss2", Elevate: inventory.ElevateSudo}}
	r.storage.target = func(string) iscsi.Runner { return r }
	r.publish("mail", vmfs.LU{LUN: 3, NAA: mailNAA, Vendor: "SUN", Product: "COMSTAR"})
	return r
}

func (r *lunRig) publish(name string, lu vmfs.LU) {
	r.Helper()
	device, err := r.AddVolume("tank/"+name, mailSize, 16384)
	require.NoError(r, err)
	uuid, err := vmfs.ParseUUID(mailUUID)
	require.NoError(r, err)
	f, err := os.OpenFile(r.Path(device), os.O_RDWR, 0)
	require.NoError(r, err)
	defer f.Close()
	require.NoError(r, f.Truncate(mailSize))
	require.NoError(r, vmfsimage.Write(f, vmfsimage.Volume{Label: name + "01", UUID: uuid, LUN: lu, Size: mailSize}))
	target := iscsi.NewLIO(r.Host, func(argv []string) []string { return argv })
	_, err = target.Publish(r.Context(), iscsi.Publication{Name: name, Device: device, Target: "iqn.2026-01.lab.storage:ds1", Group: 1, Portals: []string{"10.0.0.1:3260"},
		Identity: iscsi.Identity{LUN: lu.LUN, NAA: lu.NAA, Vendor: lu.Vendor, Product: lu.Product}, Grants: []iscsi.Grant{{Initiator: esxIQN}}})
	require.NoError(r, err)
}

// Query is that of the host; zvols are read by the program that is installed there.
func (r *lunRig) Query(ctx context.Context, argv []string) (sshexec.Result, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away {
		return sshexec.Result{}, fault.As(fault.Unreachable, errors.New("no route to host"))
	}
	if len(argv) == 6 && argv[2] == storagesetup.ReadPath {
		argv = []string{"dd", "if=/dev/zvol/" + argv[3], "bs=512", "skip=" + argv[4], "count=" + argv[5]}
	}
	if ofCopies(argv) {
		return r.inHome(ctx, argv, nil)
	}
	if argv[0] == "dd" && r.cut != nil {
		return sshexec.Result{}, fault.As(fault.Unreachable, r.cut)
	}
	if argv[0] == "dd" {
		r.read++
		path := r.Path(strings.TrimPrefix(argv[1], "if="))
		cmd := exec.CommandContext(ctx, "dd", append([]string{"if=" + path, "status=none"}, argv[2:]...)...)
		out, err := cmd.Output()
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			return sshexec.Result{Status: exit.ExitCode(), Stderr: exit.Stderr}, nil
		}
		return sshexec.Result{Stdout: out}, err
	}
	return r.Host.Query(ctx, argv)
}

func (r *lunRig) step(action plan.Action, params any) (plan.Outcome, error) {
	r.Helper()
	c := plan.Call{Run: "run-1", Lab: "home", Step: "s", Target: plan.Target{Kind: plan.LUN, Name: "mail", Endpoint: "ss1", UUID: mailNAA}}
	if params != nil {
		c.Params = plan.Encode(params)
	}
	return attemptOf(r.T, r.Activities, action, c, nil)
}

func mailParams() plan.VolumeParams {
	return plan.VolumeParams{Host: "ss1", Device: "/dev/zvol/tank/mail", Dataset: "tank/mail", LUN: "mail"}
}

// A number that nobody tells is neither right nor wrong: a map leaves it out, who asks the guard is refused.
func TestTheNumberOfALUNIsNotTold(t *testing.T) {
	lu := iscsi.LU{Name: "mail", Identity: iscsi.Identity{NAA: mailNAA, Vendor: "SUN", Product: "COMSTAR"}, Paths: []iscsi.Path{{NoLUN: true}}}
	var v vmfs.Volume
	v.LVM.Disk = vmfs.LU{LUN: 3, NAA: mailNAA, Vendor: "SUN", Product: "COMSTAR"}.DiskID()
	l := newLUN(lu)
	require.Empty(t, newExtent(v, l, true).Differs)
	require.ErrorContains(t, guard(v, l, nil), "its target does not tell its LUN number")
	var b bytes.Buffer
	describe(&b, plan.VolumeParams{}, 0, v, &l, nil)
	require.Contains(t, b.String(), "number not known, mail")
	require.Contains(t, b.String(), "as far as its target tells")
	lu.Paths[0].NoLUN = false
	l = newLUN(lu)
	require.Len(t, newExtent(v, l, true).Differs, 1)
	require.ErrorContains(t, guard(v, l, nil), "ESXi would take")
}

// ESXi compares the number that it sees itself: one host may mount the volume that another takes for a snapshot.
func TestTheNumberOfALUNIsNotTheSameForAll(t *testing.T) {
	lu := iscsi.LU{Name: "mail", Identity: iscsi.Identity{NAA: mailNAA, Vendor: "SUN", Product: "COMSTAR"}, Paths: []iscsi.Path{
		{LUN: 3, ACLs: []iscsi.ACL{{Initiator: "a", LUN: 3}, {Initiator: "b", LUN: 3}}}, {LUN: 9}}}
	var v vmfs.Volume
	v.LVM.Disk = vmfs.LU{LUN: 3, NAA: mailNAA, Vendor: "SUN", Product: "COMSTAR"}.DiskID()
	require.NoError(t, guard(v, newLUN(lu), nil), "a portal group without initiators shows it to nobody")
	lu.Paths[1].Open = true
	require.ErrorContains(t, guard(v, newLUN(lu), nil), "LUN number for some initiators: the volume expects 3, the LUN would be 9")
	lu.Paths[1].Open, lu.Paths[0].ACLs[1].LUN = false, 4
	require.ErrorContains(t, guard(v, newLUN(lu), nil), "LUN number for some initiators: the volume expects 3, the LUN would be 4")
	v.LVM.Disk.LUN = 4
	require.Equal(t, []string{"LUN number: the volume expects 4, the LUN would be 3"}, newExtent(v, newLUN(lu), true).Differs)
}

func TestMapLUNs(t *testing.T) {
	r := newLUNRig(t)
	r.world.fabric = live.Fabric{Hosts: []live.FabricHost{{Ref: "host-1", Name: "esx21.lab", MACs: []string{"00:0d:60:d4:6e:2e"}, Disks: []live.HostDisk{
		{Name: "naa." + mailNAA, VML: "vml.0200030000600144f07ed404000000496ff8cd0003434f4d535441", Paths: []string{"vmhba64:C0:T0:L3"}}}}},
		Stores: []live.VMFSStore{{Name: "mail01", UUID: mailUUID, Version: "3.31", Disks: []string{"naa." + mailNAA + ":1"}, Hosts: []string{"host-1"}, Guests: []string{"web01"}}}}
	out, err := r.step(plan.MapLUNs, nil)
	require.NoError(t, err)
	require.Equal(t, "1 LUN", out.Note, out.Found)
	require.Equal(t, `1 LUN; read: 1 storage host, 1 host, 1 VMFS datastore

naa.600144f07ed404000000496ff8cd0003, 64 MiB
  zvol       tank/mail on ss1 (logical unit mail, LUN 3, online)
  VMFS       "mail01", VMFS 3.31, 49716cd8-ebcbbf9a-6792-000d60d46e2e, made 2009-01-17 by host esx21.lab (00:0d:60:d4:6e:2e)
  datastore  mail01 in vc1, mounted by esx21.lab
  path       esx21.lab: vmhba64:C0:T0:L3
  VMs        web01
`, out.Found)

	r.world.readErr = fault.As(fault.Unreachable, errors.New("vc1 is down"))
	out, err = r.step(plan.MapLUNs, nil)
	require.NoError(t, err, "what can be read is told")
	require.Contains(t, out.Found, "! vCenter vc1 could not be read: vc1 is down")
	r.away = true
	_, err = r.step(plan.MapLUNs, nil)
	requireType(t, err, Precondition)
	require.ErrorContains(t, err, "nothing could be read")
}

func TestInspectVolume(t *testing.T) {
	r := newLUNRig(t)
	out, err := r.step(plan.InspectVolume, mailParams())
	require.NoError(t, err)
	require.Equal(t, `"mail01", VMFS 3.31, `+mailUUID, out.Note)
	for _, line := range []string{"device               /dev/zvol/tank/mail on ss1\n", "LUN                  3, mail, online\n",
		"partition table      MBR, 1 partition\n", "  partition 1        sectors 128 to 131071 (63.9 MiB), type fb, VMFS\n",
		`made for LUN         3, naa.` + mailNAA + `, vendor "SUN", product "COMSTAR"`, "identity guard       ESXi mounts it",
		"made                 2009-01-17 05:30:00 UTC by the host with the MAC 00:0d:60:d4:6e:2e\n"} {
		require.Contains(t, out.Found, line)
	}
	require.NotContains(t, out.Found, "magic")
	require.LessOrEqual(t, r.read, 4)

	p := mailParams()
	p.Dump = true
	out, err = r.step(plan.InspectVolume, p)
	require.NoError(t, err)
	require.Contains(t, out.Found, "000000110000  0d d0 01 c0                                      magic: c001d00d")
	p.Device = "/dev/zvol/tank/other"
	_, err = r.step(plan.InspectVolume, p)
	requireType(t, err, Unsafe)
	p.LUN = "gone"
	_, err = r.step(plan.InspectVolume, p)
	requireType(t, err, NotFound)
	r.away = true
	_, err = r.step(plan.InspectVolume, mailParams())
	requireType(t, err, Transient)
}

// A LUN that is shown as another than its volume was made on.
func TestInspectASnapshot(t *testing.T) {
	r := newLUNRig(t)
	r.publish("web", vmfs.LU{LUN: 7, NAA: "6001405f7ed404000000496ff8cd0007", Vendor: "LIO-ORG", Product: "web"})
	f, err := os.OpenFile(r.Path("/dev/zvol/tank/web"), os.O_RDWR, 0)
	require.NoError(t, err)
	defer f.Close()
	require.NoError(t, vmfsimage.Write(f, vmfsimage.Volume{Label: "web01", LUN: vmfs.LU{LUN: 9, NAA: mailNAA, Product: "COMSTAR"}, Size: mailSize, UUID: vmfs.UUID{1}}))
	p := plan.VolumeParams{Host: "ss1", Device: "/dev/zvol/tank/web", Dataset: "tank/web", LUN: "web"}
	out, err := r.step(plan.InspectVolume, p)
	require.NoError(t, err)
	require.Contains(t, out.Found, "! identity guard     LUN number: the volume expects 9, the LUN would be 7: ESXi takes it for a snapshot\n")
	require.Contains(t, out.Found, "! identity guard     NAA: the volume expects "+mailNAA)

	p.Guard = true
	_, err = r.step(plan.InspectVolume, p)
	requireType(t, err, Unsafe)
	require.ErrorContains(t, err, "the identity guard refuses logical unit web, which ESXi would take for a snapshot's: LUN number: the volume expects 9, the LUN would be 7; NAA: ")
	require.ErrorContains(t, err, "Next: let no host see it before")
	good := mailParams()
	good.Guard = true
	_, err = r.step(plan.InspectVolume, good)
	require.NoError(t, err)
	r.overwriteOf("web", 0x110000, make([]byte, vmfs.Sector)) // its LVM header
	_, err = r.step(plan.InspectVolume, p)
	require.ErrorContains(t, err, "no volume is found that it could be held against")
}

// Any file of the host, whether it is a LUN or not; the account reads it by itself.
func TestInspectAFile(t *testing.T) {
	r := newLUNRig(t)
	path := filepath.Join("/srv", "image")
	require.NoError(t, os.MkdirAll(filepath.Dir(r.Path(path)), 0o755))
	require.NoError(t, os.WriteFile(r.Path(path), make([]byte, 1<<20), 0o600))
	out, err := r.step(plan.InspectVolume, plan.VolumeParams{Host: "ss2", Device: path})
	require.NoError(t, err)
	require.Contains(t, out.Note, "the device ends at byte 1048576")
	require.Contains(t, out.Found, "size                 1 MiB (1048576 bytes)\n")
	require.Contains(t, out.Found, "!                    ")
	_, err = r.step(plan.InspectVolume, plan.VolumeParams{Host: "ss2", Device: "/srv/none"})
	requireType(t, err, NotFound)
	_, err = r.step(plan.InspectVolume, plan.VolumeParams{Host: "ss3", Device: path})
	requireType(t, err, InvalidInput)
}

// The planner gets what is live, over the same way.
func TestPlansOfLUNs(t *testing.T) {
	r := newLUNRig(t)
	st, err := r.inspectFor(t.Context(), r.world.book, runbooks.Reads{OnlyStorage: true, LUNs: func(*inventory.Lab, map[string]string) []string { return []string{"ss1", "ss2"} }}, nil)
	require.NoError(t, err)
	require.Len(t, st.Targets, 2)
	require.Contains(t, st.Targets[1].Err, "does not say which iSCSI target")
	require.Len(t, st.Targets[0].LUNs, 1)
	l := st.Targets[0].LUNs[0]
	require.Equal(t, mailUUID, l.VMFS.UUID)
	require.Empty(t, l.VMFS.Differs)
	require.Empty(t, l.Sessions)
	require.NoError(t, r.Login(esxIQN, true))
	st, err = r.inspectFor(t.Context(), r.world.book, runbooks.Reads{OnlyStorage: true, LUNs: func(*inventory.Lab, map[string]string) []string { return []string{"ss1"} }}, nil)
	require.NoError(t, err)
	require.Equal(t, []string{esxIQN}, st.Targets[0].LUNs[0].Sessions)
}

// What is too long for a run's history is in the state directory.
func TestLongTexts(t *testing.T) {
	a := newActivities(newWorld())
	text := strings.Repeat(strings.Repeat("x", 99)+"\n", 1000)
	got, err := a.bounded("lun-map.txt", text)
	require.NoError(t, err)
	require.LessOrEqual(t, len(got), plan.MostFound)
	require.True(t, strings.HasSuffix(got, "lines more\n"))
	a.papers = t.TempDir()
	got, err = a.bounded("lun-map.txt", text)
	require.NoError(t, err)
	path := filepath.Join(a.papers, "lun-map.txt")
	require.True(t, strings.HasSuffix(got, fmt.Sprintf("lines more, in %s\n", path)))
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, text, string(b))
}
