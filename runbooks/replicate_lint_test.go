package runbooks_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/ledger"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/runbooks"
)

const (
	logNAA   = "600144f07ed404000000496ff8cd0004"
	otherNAA = "6001405000000000000000000000beef"
)

// protectedLab is mailLab, whose two volumes carry the datastores mail and log, with the VM web01 wholly on them.
func protectedLab() (*fixture, *live.Occupants) {
	f := mailLab()
	lun := func(name, naa string) live.LUN { return live.LUN{Name: name, Dataset: "tank/" + name, NAA: naa} }
	store := func(name string, naas ...string) live.OccupiedStore {
		s := live.OccupiedStore{Name: name, Type: "VMFS"}
		for _, naa := range naas {
			s.Disks = append(s.Disks, "naa."+naa+":1")
		}
		return s
	}
	f.state.Protected = &live.Protected{Target: &live.Target{Host: "ss1", LUNs: []live.LUN{lun("mail", mailNAA), lun("mail-log", logNAA)}},
		VCenters: []live.Occupants{{VCenter: "vc1", Stores: []live.OccupiedStore{store("mail", mailNAA), store("log", logNAA)}, Guests: []live.Occupant{{Name: "web01", Path: "[mail] web01/web01.vmx",
			Disks: []live.OccupantDisk{{Label: "Hard disk 1", Path: "[mail] web01/web01-000001.vmdk"}, {Label: "Hard disk 2", Path: "[log] web01/log.vmdk"}},
			Files: []live.OccupantFile{{Path: "[mail] web01/web01.vmdk", Kind: live.FileDisk}, {Path: "[mail] web01/web01-000001.vmdk", Kind: live.FileDelta}, {Path: "[mail] web01/web01.vswp", Kind: live.FileSwap, Size: 4 << 30}}}}}}}
	return f, &f.state.Protected.VCenters[0]
}

func TestLintOfAGroup(t *testing.T) {
	for name, c := range map[string]struct {
		change func(f *fixture, o *live.Occupants)
		want   string // empty: nothing is said
	}{
		"all is inside": {func(*fixture, *live.Occupants) {}, ""},
		"a spanned datastore": {func(_ *fixture, o *live.Occupants) {
			o.Stores[0].Disks = append(o.Stores[0].Disks, "naa."+otherNAA+":1")
		},
			"datastore mail: spans 2 extents, of which naa." + otherNAA + ":1 is not in the group: its replica cannot be mounted whole"},
		"a spanned datastore, all of it inside": {func(_ *fixture, o *live.Occupants) {
			o.Stores = o.Stores[:1]
			o.Stores[0].Disks = append(o.Stores[0].Disks, "NAA."+logNAA+":1")
			o.Guests[0].Disks = o.Guests[0].Disks[:1]
		}, ""},
		"a disk elsewhere": {func(_ *fixture, o *live.Occupants) {
			o.Guests[0].Disks = append(o.Guests[0].Disks, live.OccupantDisk{Path: "[shared] web01/data.vmdk"})
			o.Guests[0].Files = append(o.Guests[0].Files, live.OccupantFile{Path: "[shared] web01/data.vmdk", Kind: live.FileDisk}, live.OccupantFile{Path: "[shared] web01/data-flat.vmdk", Kind: live.FileDisk})
		}, "guest web01: has parts that are not in the group: disk [shared] web01/data.vmdk"},
		"its configuration elsewhere": {func(_ *fixture, o *live.Occupants) { o.Guests[0].Path = "[shared] web01/web01.vmx" }, "guest web01: has parts that are not in the group: configuration [shared] web01/web01.vmx"},
		"a swap file elsewhere": {func(_ *fixture, o *live.Occupants) { o.Guests[0].Files[2].Path = "[local] web01.vswp" },
			"guest web01: has parts that are not in the group: swap file [local] web01.vswp"},
		"a snapshot delta elsewhere": {func(_ *fixture, o *live.Occupants) { o.Guests[0].Files[1].Path = "[shared] web01/web01-000001.vmdk" },
			"guest web01: has parts that are not in the group: snapshot delta [shared] web01/web01-000001.vmdk"},
		"a raw device elsewhere": {func(_ *fixture, o *live.Occupants) {
			o.Guests[0].Disks = append(o.Guests[0].Disks, live.OccupantDisk{Path: "[mail] web01/raw.vmdk", LUN: "0200090000" + otherNAA + "4c494f2d4f52"})
		}, "guest web01: has parts that are not in the group: raw device vml.0200090000" + otherNAA + "4c494f2d4f52"},
		"a raw device inside": {func(_ *fixture, o *live.Occupants) {
			o.Guests[0].Disks = append(o.Guests[0].Disks, live.OccupantDisk{Path: "[mail] web01/raw.vmdk", LUN: "0200040000" + logNAA + "434f4d535441"})
		}, ""},
		"a disk for swap": {func(_ *fixture, o *live.Occupants) { o.Guests[0].Disks[1].Path = "[log] web01/web01_swap.vmdk" },
			"guest web01: its disk [log] web01/web01_swap.vmdk looks like one for swap or temporary files: all that is written to it is sent, and kept"},
		"a disk of a template": {func(_ *fixture, o *live.Occupants) { o.Guests[0].Disks[1].Path = "[log] web01/template.vmdk" }, ""},
		"swap files where little changes": {func(f *fixture, _ *live.Occupants) {
			f.ledger.Groups = []ledger.Group{{Measured: ledger.Measured{Group: "mail", Volumes: []ledger.Volume{{Dataset: "tank/mail", PerDay: 1 << 20}}}}}
		}, ""},
		"swap files where much changes": {func(f *fixture, _ *live.Occupants) {
			f.ledger.Groups = []ledger.Group{{Measured: ledger.Measured{Group: "mail", Volumes: []ledger.Volume{{Dataset: "tank/mail", PerDay: 9 << 30, Noisy: true}}}}}
		}, "protection group mail: changes more than it should, and has the swap files of web01 in it (4 GiB)"},
		"a vCenter that is down": {func(_ *fixture, o *live.Occupants) { *o = live.Occupants{VCenter: "vc1", Err: "no answer"} },
			"protection group mail: whether all of its VMs is in it is not known, as vCenter vc1 cannot be read: no answer"},
		"a target that is down": {func(f *fixture, _ *live.Occupants) {
			f.state.Protected.Target = &live.Target{Host: "ss1", Err: "no answer"}
		},
			"protection group mail: what lies on its volumes is not known, as the target of ss1 cannot be read: no answer"},
		"no target": {func(f *fixture, _ *live.Occupants) { f.state.Protected = &live.Protected{} }, ""},
		"a replica that reserves": {func(f *fixture, _ *live.Occupants) { f.storage("ss2", "backup/ss1/mail").RefReservation = 64 << 30 },
			"dataset backup/ss1/mail: has a refreservation: it takes 64 GiB on ss2 whatever is in it"},
		"no room for clones": {func(f *fixture, _ *live.Occupants) {
			f.storage("ss1", "tank/mail").VolSize = 1 << 40
			f.storage("ss2", "backup/ss1").Available = 50 << 30
		}, "dataset backup/ss1: will have about 50 GiB left: little room for what is written to clones of the replicas, in a test or a failover"},
	} {
		t.Run(name, func(t *testing.T) {
			f, o := protectedLab()
			c.change(f, o)
			p := f.plan(t, runbooks.Replicate)
			require.Empty(t, p.Blockers, "nothing of it blocks")
			if c.want == "" {
				require.Empty(t, p.Warnings)
				return
			}
			require.Equal(t, []string{c.want}, warned(p.Warnings))
		})
	}
}

func warned(list []plan.Finding) (out []string) {
	for _, w := range list {
		out = append(out, w.Subject+": "+w.Text)
	}
	return out
}

func TestReplicateLooksAtWhatLiesOnItsGroup(t *testing.T) {
	r, _ := runbooks.Lookup(runbooks.Replicate)
	require.True(t, r.AsksVCenters())
	f := mailLab()
	g, ok := r.Reads.Protected(f.lab, f.params)
	require.True(t, ok)
	require.Equal(t, "mail", g.Name)
	_, ok = r.Reads.Protected(f.lab, map[string]string{"group": "none"})
	require.False(t, ok)
}
