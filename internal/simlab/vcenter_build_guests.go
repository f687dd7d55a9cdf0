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

// guests makes all of them, one after the other.
func (b *builder) guests() error {
	folders := map[string]types.ManagedObjectReference{"": b.vc.vmFolder}
	for _, spec := range b.lab.spec.Guests {
		folder, err := b.folder(folders, spec.Folder)
		if err != nil {
			return err
		}
		g := &guest{spec: spec, host: b.lab.hostNamed(spec.Host), power: guestOff, datastore: b.lab.datastores[spec.Datastore]}
		if spec.Login {
			g.password = newPassword(spec.Name + "-login")
		}
		if g.ref, err = b.vc.create(b.vc.fork(), folder, g); err != nil {
			return fmt.Errorf("simulated lab %s: make guest %s: %w", b.lab.spec.Name, spec.Name, err)
		}
		b.lab.guests = append(b.lab.guests, g)
		b.vc.byGuest[g.ref], b.vc.refs[g.ref] = g, g.spec.Name
		b.vc.dressGuest(g, g.ref)
	}
	var err error
	b.vc.vclsFolder, err = b.folder(folders, "vCLS")
	b.lab.findProviders()
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

// create makes a VM: one at a time, and never while a datastore is changed, which the simulator reads without its lock.
func (v *view) create(ctx *simulator.Context, folder types.ManagedObjectReference, g *guest) (types.ManagedObjectReference, error) {
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
	if config.DeviceChange, err = diskSpec(g.spec.Datastore, g.spec.Name, g.spec.MultiWriter, g.spec.Disks); err != nil {
		return types.ManagedObjectReference{}, err
	}
	f, ok := v.model.Map().Get(folder).(*simulator.Folder)
	if !ok {
		return types.ManagedObjectReference{}, fmt.Errorf("folder %s is gone", folder.Value)
	}
	at := v.hostRef(g.host)
	pool := v.pools[g.host]
	if v.host != nil {
		pool = v.pools[v.host]
	}
	req := &types.CreateVM_Task{This: folder, Config: config, Pool: pool, Host: &at}
	v.storage.Lock()
	defer v.storage.Unlock()
	var task types.ManagedObjectReference
	ctx.WithLock(f, func() {
		task = f.CreateVMTask(ctx, req).(*methods.CreateVM_TaskBody).Res.Returnval
	})
	return v.result(task)
}

// dressGuest gives a VM what a spec says and a CreateVM cannot.
func (v *view) dressGuest(g *guest, ref types.ManagedObjectReference) {
	vm, ok := v.model.Map().Get(ref).(*simulator.VirtualMachine)
	if !ok {
		return
	}
	if g.spec.FT {
		vm.Config.FtInfo = &types.FaultToleranceConfigInfo{Role: 1, InstanceUuids: []string{g.spec.UUID}}
		vm.Runtime.FaultToleranceState = types.VirtualMachineFaultToleranceStateRunning
		vm.Summary.Runtime.FaultToleranceState = vm.Runtime.FaultToleranceState
	}
	if g.spec.Tracked {
		vm.Config.ChangeTrackingEnabled = types.NewBool(true)
	}
	if g.spec.KeyProvider != "" {
		vm.Config.KeyId = &types.CryptoKeyId{KeyId: "key-" + g.spec.Name, ProviderId: &types.KeyProviderId{Id: g.spec.KeyProvider}}
	}
}

// startGuests has the guests run, as if they had for a long time.
func (l *Lab) startGuests() {
	l.change(func(t *touched) {
		for _, g := range l.guests {
			if l.startsOn(g) {
				g.begin(guestOn)
				g.tools, g.ready = !g.spec.NoTools, true
				if g.spec.Question != "" {
					g.question = question(g.spec.Question)
				}
			}
			t.guest(g)
		}
		l.vcGuest = l.guestNamed(l.spec.VCenterGuest)
		if l.vcGuest != nil && l.vcGuest.power == guestOn {
			l.vcEpoch = l.vcGuest.epoch // it has been up for a long time, too
		}
	})
	l.change(func(t *touched) {
		for _, h := range l.hosts {
			if h.running {
				l.rescan(h)
			}
			t.host(h)
		}
	})
}

// startsOn says whether a guest runs at the start: no guest runs on a datastore that nobody serves.
func (l *Lab) startsOn(g *guest) bool {
	p := g.datastore.provider
	return !g.spec.Off && g.host.running && (p == nil || l.startsOn(p))
}

// newDatastores makes the datastores of the world.
func (l *Lab) newDatastores() {
	for _, spec := range l.spec.Datastores {
		l.datastores[spec.Name] = &datastore{spec: spec, found: map[*host]bool{}, seen: map[*host]bool{}}
	}
}

// findProviders ties datastores to the guests that serve them.
func (l *Lab) findProviders() {
	for _, d := range l.datastores {
		if d.spec.ProvidedBy != "" {
			d.provider = l.guestNamed(d.spec.ProvidedBy)
		}
	}
}
