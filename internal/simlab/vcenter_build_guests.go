package simlab

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

func makeDir(home, name string) (string, error) {
	p := filepath.Join(home, "datastore-"+name)
	return p, os.Mkdir(p, 0o700)
}

func asComputeResource(o any) (*mo.ComputeResource, bool) {
	cr, ok := o.(*mo.ComputeResource)
	return cr, ok
}

// guests makes all of them: first every task, then the waiting, which is what takes long.
func (b *builder) guests() error {
	type made struct {
		g    *guest
		task types.ManagedObjectReference
	}
	folders := map[string]types.ManagedObjectReference{"": b.vc.vmFolder}
	var all []made
	for _, spec := range b.lab.spec.Guests {
		folder, err := b.folder(folders, spec.Folder)
		if err != nil {
			return err
		}
		g := &guest{spec: spec, host: b.lab.hostNamed(spec.Host), power: guestOff, known: guestOff}
		task, err := b.vc.create(b.vc.fork(), folder, g)
		if err != nil {
			return fmt.Errorf("simulated lab %s: make guest %s: %w", b.lab.spec.Name, spec.Name, err)
		}
		all = append(all, made{g, task})
	}
	for _, m := range all {
		ref, err := b.vc.result(m.task)
		if err != nil {
			return fmt.Errorf("simulated lab %s: make guest %s: %w", b.lab.spec.Name, m.g.spec.Name, err)
		}
		m.g.ref = ref
		b.lab.guests = append(b.lab.guests, m.g)
		b.vc.byGuest[ref], b.vc.refs[ref] = m.g, m.g.spec.Name
		b.dressGuest(m.g)
	}
	var err error
	b.vc.vclsFolder, err = b.folder(folders, "vCLS")
	b.lab.startGuests()
	return err
}

func (b *builder) folder(known map[string]types.ManagedObjectReference, name string) (types.ManagedObjectReference, error) {
	if ref, ok := known[name]; ok {
		return ref, nil
	}
	parent := b.get(b.vc.vmFolder).(*simulator.Folder)
	body := parent.CreateFolder(b.ctx, &types.CreateFolder{This: parent.Self, Name: name})
	res, ok := body.(*methods.CreateFolderBody)
	if !ok || res.Res == nil {
		return types.ManagedObjectReference{}, fmt.Errorf("simulated lab %s: make folder %s: %w", b.lab.spec.Name, name, soapError(body))
	}
	known[name] = res.Res.Returnval
	return res.Res.Returnval, nil
}

// create begins to make a VM.
func (v *vcenter) create(ctx *simulator.Context, folder types.ManagedObjectReference, g *guest) (types.ManagedObjectReference, error) {
	config := types.VirtualMachineConfigSpec{
		Name: g.spec.Name, GuestId: string(types.VirtualMachineGuestOsIdentifierOtherGuest),
		Uuid: g.spec.BIOSUUID, InstanceUuid: g.spec.UUID, MemoryMB: g.spec.MemoryMB, NumCPUs: 2,
		Files: &types.VirtualMachineFileInfo{VmPathName: "[" + g.spec.Datastore + "]"},
	}
	if g.vcls != nil {
		config.ManagedBy = &types.ManagedByInfo{ExtensionKey: "com.vmware.vim.eam", Type: "cluster-agent"}
		config.ExtraConfig = []types.BaseOptionValue{&types.OptionValue{Key: "HDCS.agent", Value: "TRUE"}}
	}
	var err error
	if config.DeviceChange, err = diskSpec(g.spec.Datastore, g.spec.Name, g.spec.MultiWriter); err != nil {
		return types.ManagedObjectReference{}, err
	}
	f, ok := v.model.Map().Get(folder).(*simulator.Folder)
	if !ok {
		return types.ManagedObjectReference{}, fmt.Errorf("folder %s is gone", folder.Value)
	}
	req := &types.CreateVM_Task{This: folder, Config: config, Pool: v.pools[g.host], Host: &g.host.ref}
	var task types.ManagedObjectReference
	ctx.WithLock(f, func() {
		task = f.CreateVMTask(ctx, req).(*methods.CreateVM_TaskBody).Res.Returnval
	})
	return task, nil
}

// dressGuest gives a VM what a spec says and a CreateVM cannot.
func (b *builder) dressGuest(g *guest) {
	vm := b.get(g.ref).(*simulator.VirtualMachine)
	if g.spec.FT {
		vm.Config.FtInfo = &types.FaultToleranceConfigInfo{Role: 1, InstanceUuids: []string{g.spec.UUID}}
		vm.Runtime.FaultToleranceState = types.VirtualMachineFaultToleranceStateRunning
		vm.Summary.Runtime.FaultToleranceState = vm.Runtime.FaultToleranceState
	}
	if g.spec.KeyProvider != "" {
		vm.Config.KeyId = &types.CryptoKeyId{KeyId: "key-" + g.spec.Name, ProviderId: &types.KeyProviderId{Id: g.spec.KeyProvider}}
	}
}

// startGuests has the guests run, as if they had for a long time.
func (l *Lab) startGuests() {
	l.change(func(t *touched) {
		for _, g := range l.guests {
			if !g.spec.Off && g.host.running {
				g.begin(guestOn)
				g.tools, g.ready = !g.spec.NoTools, true
				if g.spec.Question != "" {
					g.question = question(g.spec.Question)
				}
			}
			t.guest(g)
		}
		for _, h := range l.hosts {
			t.host(h)
		}
	})
}
