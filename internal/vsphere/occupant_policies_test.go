package vsphere

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmware/govmomi/pbm"
	"github.com/vmware/govmomi/pbm/methods"
	pbmsim "github.com/vmware/govmomi/pbm/simulator"
	pbmtypes "github.com/vmware/govmomi/pbm/types"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/live"
)

// Two policies that the simulated service has from the beginning.
const (
	gold   = "VM Encryption Policy"
	silver = "vSAN Default Storage Policy"
)

// policies is the simulator's policy service, which has policies but gives none to anything: here it does.
type policies struct {
	*pbmsim.ProfileManager

	mu      sync.Mutex
	of      map[pbmtypes.PbmServerObjectRef][]string // names
	refused map[pbmtypes.PbmServerObjectRef]types.BaseMethodFault
	asked   [][]pbmtypes.PbmServerObjectRef // by call
	ids     map[string]pbmtypes.PbmProfileId
}

// policies puts it in the place of the simulator's own.
func (s *sim) policies(t *testing.T) *policies {
	t.Helper()
	reg := pbmsim.New()
	all := reg.AllReference("PbmProfileProfileManager")
	require.Len(t, all, 1)
	p := &policies{ProfileManager: all[0].(*pbmsim.ProfileManager), of: map[pbmtypes.PbmServerObjectRef][]string{}, refused: map[pbmtypes.PbmServerObjectRef]types.BaseMethodFault{},
		ids: map[string]pbmtypes.PbmProfileId{}}
	reg.Put(p)
	s.model.Service.RegisterSDK(reg)
	api, err := pbm.NewClient(t.Context(), s.connect(t).vim)
	require.NoError(t, err)
	for _, name := range []string{gold, silver} {
		id, err := api.ProfileIDByName(t.Context(), name)
		require.NoError(t, err)
		p.ids[name] = pbmtypes.PbmProfileId{UniqueId: id}
	}
	return p
}

func (p *policies) PbmQueryAssociatedProfiles(req *pbmtypes.PbmQueryAssociatedProfiles) soap.HasFault {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, req.Entities)
	var out []pbmtypes.PbmQueryProfileResult
	for _, e := range req.Entities {
		r := pbmtypes.PbmQueryProfileResult{Object: e}
		r.Object.ServerUuid = "as a vCenter says it, whether it was asked with it or not"
		for _, name := range p.of[e] {
			r.ProfileId = append(r.ProfileId, p.ids[name])
		}
		if f := p.refused[e]; f != nil {
			r.Fault = &types.LocalizedMethodFault{Fault: f, LocalizedMessage: "said so"}
		}
		out = append(out, r)
	}
	return &methods.PbmQueryAssociatedProfilesBody{Res: &pbmtypes.PbmQueryAssociatedProfilesResponse{Returnval: out}}
}

func homeOf(vm string) pbmtypes.PbmServerObjectRef {
	return pbmtypes.PbmServerObjectRef{ObjectType: "virtualMachine", Key: vm}
}

func diskOf(vm string, key int) pbmtypes.PbmServerObjectRef {
	return pbmtypes.PbmServerObjectRef{ObjectType: "virtualDiskId", Key: fmt.Sprintf("%s:%d", vm, key)}
}

func TestOccupantsHaveThePoliciesOfTheirHomeAndOfEachDisk(t *testing.T) {
	s := startSim(t, oneVM())
	p := s.policies(t)
	c := s.connect(t)
	store, vm := s.any("Datastore"), s.any("VirtualMachine")
	onVMFS(s, store, "naa."+mailNAA)
	device := s.model.Map().Get(vm).(*simulator.VirtualMachine).Config.Hardware.Device
	for key := int32(2001); key <= 2002; key++ {
		device = append(device, &types.VirtualDisk{VirtualDevice: types.VirtualDevice{Key: key, DeviceInfo: &types.Description{Label: fmt.Sprintf("Hard disk %d", key-1999)}}})
	}
	s.change(vm, "config.hardware.device", device)
	p.of[homeOf(vm.Value)] = []string{gold}
	p.of[diskOf(vm.Value, 2001)] = []string{silver}
	p.of[diskOf(vm.Value, 2002)] = []string{silver, gold, silver}

	got, err := c.Occupants(t.Context(), []string{mailNAA})
	require.NoError(t, err)
	require.Empty(t, got.NotRead)
	require.Len(t, got.Guests, 1)
	g := got.Guests[0]
	require.Equal(t, []string{gold}, g.Policies)
	require.Len(t, g.Disks, 3)
	require.Empty(t, g.Disks[0].Policies, "it has none, whatever its home has")
	require.Equal(t, []string{silver}, g.Disks[1].Policies)
	require.Equal(t, []string{gold, silver}, g.Disks[2].Policies)
	require.Equal(t, [][]pbmtypes.PbmServerObjectRef{{homeOf(vm.Value), diskOf(vm.Value, g.Disks[0].Key), diskOf(vm.Value, 2001), diskOf(vm.Value, 2002)}}, p.asked)

	// What is not told of one disk is a gap, and takes nothing from the others.
	p.refused[diskOf(vm.Value, 2001)] = new(types.NotFound)
	p.of[diskOf(vm.Value, 2001)] = nil
	got, err = c.Occupants(t.Context(), []string{mailNAA})
	require.NoError(t, err)
	require.Equal(t, []live.Gap{{What: "storage policies", Why: "read storage policies at vc1: Hard disk 2 of DC0_C0_RP0_VM0: not found (NotFound): said so"}}, got.NotRead)
	require.Empty(t, got.Guests[0].Disks[1].Policies)
	require.Equal(t, []string{gold}, got.Guests[0].Policies)
	require.Equal(t, []string{gold, silver}, got.Guests[0].Disks[2].Policies)
}

func TestPoliciesOfManyDisksAreAskedInFewCalls(t *testing.T) {
	s := startSim(t, oneVM())
	p := s.policies(t)
	c := s.connect(t)
	guests := make([]live.Occupant, 2000)
	for i := range guests {
		g := &guests[i]
		g.Ref = fmt.Sprintf("vm-%d", i)
		for key := 2000; key < 2004; key++ {
			g.Disks = append(g.Disks, live.OccupantDisk{Key: key})
			p.of[diskOf(g.Ref, key)] = []string{silver}
		}
		p.of[homeOf(g.Ref)] = []string{gold}
	}
	require.NoError(t, c.addPolicies(t.Context(), guests))
	require.Len(t, p.asked, 20)
	for _, call := range p.asked {
		require.Len(t, call, 500)
	}
	for _, g := range guests {
		require.Equal(t, []string{gold}, g.Policies)
		for _, d := range g.Disks {
			require.Equal(t, []string{silver}, d.Policies)
		}
	}
}
