package lunmap_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/live"
	"nightshift/internal/lunmap"
)

const (
	naa  = "600144f07ed404000000496ff8cd0003"
	vml  = "vml.0200030000600144f07ed404000000496ff8cd0003434f4d535441"
	uuid = "49716cd8-ebcbbf9a-6792-000d60d46e2e"
)

func extent() *live.VMFSExtent {
	return &live.VMFSExtent{Scheme: "MBR", First: 128, Last: 1000, NAA: "naa." + naa, Expects: vml, Volume: "49716cd8-6075899a-ad1c-000d60d46e2e", Extents: 1,
		UUID: uuid, Label: "mail01", Version: "3.31", MadeBy: "00:0d:60:d4:6e:2e", Made: time.Date(2009, 1, 17, 5, 30, 0, 0, time.UTC)}
}

func targets() []live.Target {
	return []live.Target{{Host: "ss1", Kind: "lio", Running: true, LUNs: []live.LUN{
		{Name: "mail", Device: "/dev/zvol/tank/mail", Dataset: "tank/mail", State: "online", Number: 3, NAA: naa, Size: 100 << 30, VMFS: extent()},
		{Name: "iso", Device: "/srv/iso.img", State: "online", Number: 1, Size: 1536 << 20, NoVMFS: "no VMFS: the first sector is no partition table"}}}}
}

func fabrics() []live.Fabric {
	disk := []live.HostDisk{{Name: "naa." + naa, VML: vml, State: "ok", Paths: []string{"vmhba64:C0:T0:L3", "vmhba64:C1:T0:L3"}}}
	return []live.Fabric{{VCenter: "vc1", Hosts: []live.FabricHost{{Ref: "host-1", Name: "esx21", MACs: []string{"00:0d:60:d4:6e:2e"}, Disks: disk}, {Ref: "host-2", Name: "esx22", Disks: disk}},
		Stores: []live.VMFSStore{{Ref: "datastore-1", Name: "mail01", UUID: uuid, Version: "3.31", Disks: []string{"naa." + naa + ":1"}, Hosts: []string{"host-2", "host-1"}, Guests: []string{"pg01", "web01"}},
			{Ref: "datastore-2", Name: "local21", UUID: "5", Version: "6.82", Local: true, Disks: []string{"t10.ATA:3"}, Hosts: []string{"host-1"}}}}}
}

func TestAMapWithoutProblems(t *testing.T) {
	m := lunmap.New(targets(), fabrics())
	require.Equal(t, `3 LUNs; read: 1 storage host, 2 hosts, 2 VMFS datastores

logical unit iso of ss1, 1.5 GiB
  device     /srv/iso.img on ss1 (logical unit iso, LUN 1, online)
  VMFS       no VMFS: the first sector is no partition table

naa.600144f07ed404000000496ff8cd0003, 100 GiB
  zvol       tank/mail on ss1 (logical unit mail, LUN 3, online)
  VMFS       "mail01", VMFS 3.31, 49716cd8-ebcbbf9a-6792-000d60d46e2e, made 2009-01-17 by host esx21 (00:0d:60:d4:6e:2e)
  datastore  mail01 in vc1, mounted by esx21, esx22
  path       esx21: vmhba64:C0:T0:L3, vmhba64:C1:T0:L3
  path       esx22: vmhba64:C0:T0:L3, vmhba64:C1:T0:L3
  VMs        pg01, web01

t10.ATA
  device     of no storage host of the lab file
  datastore  local21 in vc1, mounted by esx21
  VMFS       1 extent, VMFS 6.82, 5
  VMs        none
`, m.Text())
	require.Zero(t, m.Wrong())
}

func TestWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		change func(t []live.Target, f []live.Fabric)
		want   string
	}{
		"another header": {func(t []live.Target, _ []live.Fabric) {
			t[0].LUNs[0].VMFS.Differs = []string{"LUN number: the volume expects 3, the LUN would be 4"}
		}, "ESXi takes the volume for a snapshot: LUN number"},
		"another vml":     {func(_ []live.Target, f []live.Fabric) { f[0].Hosts[0].Disks[0].VML = "vml.02000400" }, "host esx21 sees it as vml.02000400, the volume expects " + vml},
		"another UUID":    {func(_ []live.Target, f []live.Fabric) { f[0].Stores[0].UUID = "4" }, "with the UUID 4 on it, the volume on ss1 says " + uuid},
		"not mounted":     {func(_ []live.Target, f []live.Fabric) { f[0].Stores = nil }, "it is not mounted"},
		"a dead path":     {func(_ []live.Target, f []live.Fabric) { f[0].Hosts[0].Disks[0].Paths[1] += " dead" }, "host esx21: its path vmhba64:C1:T0:L3 is dead"},
		"a damaged table": {func(t []live.Target, _ []live.Fabric) { t[0].LUNs[0].VMFS.Problems = []string{"backup: gone"} }, "ss1: partition table: backup: gone"},
		"not running":     {func(t []live.Target, _ []live.Fabric) { t[0].Running = false }, "storage host ss1: its iSCSI target does not run"},
		"a remark":        {func(t []live.Target, _ []live.Fabric) { t[0].Remarks = []string{"everybody may log in"} }, "storage host ss1: everybody may log in"},
		"nobody sees it":  {func(_ []live.Target, f []live.Fabric) { f[0].Hosts[0].Disks, f[0].Hosts[1].Disks = nil, nil }, "no host sees it"},
		"no storage host": {func(t []live.Target, _ []live.Fabric) { t[0] = live.Target{Host: "ss1", Err: "no route"} }, "storage host ss1 could not be read: no route"},
		"no vCenter":      {func(_ []live.Target, f []live.Fabric) { f[0] = live.Fabric{VCenter: "vc1", Err: "no route"} }, "vCenter vc1 could not be read: no route"},
	} {
		ts, fs := targets(), fabrics()
		c.change(ts, fs)
		m := lunmap.New(ts, fs)
		require.Contains(t, m.Text(), c.want, name)
		require.Positive(t, m.Wrong(), name)
	}
}

// Nobody knows who sees a LUN that is not on the vCenters that answer.
func TestAVCenterThatIsNotReadSaysNothingOfLUNs(t *testing.T) {
	down := live.Fabric{VCenter: "vc2", Err: "no route"}
	blind := fabrics()
	for i := range blind[0].Hosts {
		blind[0].Hosts[i].Disks = nil
	}
	for name, fs := range map[string][]live.Fabric{"the only one": {down}, "one of two": append(blind, down)} {
		text := lunmap.New(targets(), fs).Text()
		require.Contains(t, text, "vCenter vc2 could not be read: no route", name)
		require.NotContains(t, text, "no host sees it", name)
	}
}

// One NAA that two storage hosts show: the worst that there is.
func TestTwoOfOneNAA(t *testing.T) {
	ts := targets()
	other := targets()[0]
	other.Host, other.LUNs = "ss2", other.LUNs[:1]
	m := lunmap.New(append(ts, other), fabrics())
	require.Contains(t, m.Text(), "it is shown more than once, by ss1 (mail) and ss2 (mail)")
}

func TestFurtherExtentsAndUnknowns(t *testing.T) {
	ts := targets()
	ts[0].LUNs[0].VMFS.UUID, ts[0].LUNs[0].VMFS.Extents, ts[0].LUNs[0].VMFS.Nth = "", 2, 400
	ts[0].LUNs[1].Device, ts[0].LUNs[1].NoVMFS = "", ""
	text := lunmap.New(ts, nil).Text()
	require.Contains(t, text, "a further extent of the volume 49716cd8-6075899a-ad1c-000d60d46e2e, which has 2")
	require.Contains(t, text, "a device that is not known on ss1")
	require.NotContains(t, text, "no host sees it", "no vCenter was asked")
	ts[0].LUNs[0].NoNumber = true
	require.Contains(t, lunmap.New(ts, nil).Text(), "LUN number not known, ")
	require.Equal(t, "700 bytes", lunmap.Size(700))
	require.Equal(t, "1.5 TiB", lunmap.Size(3<<39))
	require.Equal(t, "no VMFS", lunmap.VMFS(live.LUN{NoVMFS: "no VMFS"}, ""))
	v := extent()
	v.Extents = 2
	require.Contains(t, lunmap.VMFS(live.LUN{VMFS: v}, ""), "made 2009-01-17 by the host with the MAC 00:0d:60:d4:6e:2e, 2 extents")
}
