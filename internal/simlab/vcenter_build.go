package simlab

import (
	"fmt"
	"sync"
	"time"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// building serialises the making of simulators: vcsim changes package variables of its own while it makes one.
var building sync.Mutex

// buildVCenter makes the inventory. Nothing is served yet.
func (l *Lab) buildVCenter(seed int64) error {
	building.Lock()
	defer building.Unlock()
	m := simulator.VPX()
	m.Portgroup, m.Host, m.Cluster, m.ClusterHost, m.Datastore, m.Machine = 0, 0, 0, 0, 0, 0
	about := &m.ServiceContent.About
	about.Version, about.Build, about.ApiVersion = l.spec.Version, l.spec.Build, l.spec.Version+".0"
	about.Name, about.LicenseProductVersion = "VMware vCenter Server", l.spec.Version[:1]+".0"
	about.FullName = fmt.Sprintf("VMware vCenter Server %s build-%s", l.spec.Version, l.spec.Build)
	// All simulators of a process share one otherwise.
	about.InstanceUuid = derived(seed, l.spec.Name, "vcenter", "").String()
	if err := m.Create(); err != nil {
		return fmt.Errorf("simulated lab %s: make the vCenter: %w", l.spec.Name, err)
	}
	l.vc = &vcenter{}
	l.vc.logins = &l.vc.failures
	l.vc.init(l, m, "vcenter", l.spec.User, newPassword("vcenter"))
	b := &builder{lab: l, vc: l.vc, ctx: l.vc.fork()}
	return b.build()
}

type builder struct {
	lab *Lab
	vc  *vcenter
	ctx *simulator.Context
}

func (b *builder) build() error {
	dc, ok := b.vc.model.Map().Any("Datacenter").(*simulator.Datacenter)
	if !ok {
		return fmt.Errorf("simulated lab %s: the simulator made no datacenter", b.lab.spec.Name)
	}
	dc.Name = b.lab.spec.Datacenter
	b.vc.datacenter, b.vc.vmFolder = dc.Self, dc.VmFolder
	b.vc.refs[dc.Self] = dc.Name
	folder := b.get(dc.HostFolder).(*simulator.Folder)
	for _, spec := range b.lab.spec.Clusters {
		if err := b.cluster(folder, spec); err != nil {
			return err
		}
	}
	for _, spec := range b.lab.spec.Hosts {
		if err := b.host(folder, spec); err != nil {
			return fmt.Errorf("simulated lab %s: make host %s: %w", b.lab.spec.Name, spec.Name, err)
		}
	}
	b.lab.newDatastores()
	for _, h := range b.lab.hosts {
		obj := b.get(h.ref).(*simulator.HostSystem)
		obj.AlarmActionsEnabled = types.NewBool(true)
		versionHost(obj, h.spec)
	}
	for _, spec := range b.lab.spec.Datastores {
		if err := b.datastore(spec); err != nil {
			return fmt.Errorf("simulated lab %s: make datastore %s: %w", b.lab.spec.Name, spec.Name, err)
		}
	}
	return b.guests()
}

func (b *builder) get(ref types.ManagedObjectReference) any { return b.vc.model.Map().Get(ref) }

func (b *builder) cluster(folder *simulator.Folder, spec ClusterSpec) error {
	body := folder.CreateClusterEx(b.ctx, &types.CreateClusterEx{This: folder.Self, Name: spec.Name})
	res, ok := body.(*methods.CreateClusterExBody)
	if !ok || res.Res == nil {
		return fmt.Errorf("simulated lab %s: make cluster %s: %w", b.lab.spec.Name, spec.Name, soapError(body))
	}
	c := &cluster{spec: spec, ref: res.Res.Returnval, ha: spec.HA, drs: spec.DRS, drsLevel: spec.DRSLevel, dpm: spec.DPM}
	obj := b.get(c.ref).(*simulator.ClusterComputeResource)
	obj.AlarmActionsEnabled = types.NewBool(true)
	cfg := obj.ConfigurationEx.(*types.ClusterConfigInfoEx)
	cfg.DasConfig.Enabled, cfg.DrsConfig.Enabled = &spec.HA, &spec.DRS
	cfg.DrsConfig.DefaultVmBehavior = types.DrsBehavior(spec.DRSLevel)
	cfg.DpmConfigInfo = &types.ClusterDpmConfigInfo{Enabled: &spec.DPM, DefaultDpmBehavior: types.DpmBehaviorAutomated}
	cfg.VsanConfigInfo = &types.VsanClusterConfigInfo{Enabled: &spec.VSAN, DefaultConfig: &types.VsanClusterConfigInfoHostDefaultInfo{}}
	b.lab.clusters = append(b.lab.clusters, c)
	b.vc.byCluster[c.ref], b.vc.refs[c.ref] = c, spec.Name
	return nil
}

func (b *builder) host(folder *simulator.Folder, spec HostSpec) error {
	h := &host{spec: spec, power: on, booted: time.Now().AddDate(0, 0, -30).Truncate(time.Second), running: true, connected: true, storage: true, maintenance: spec.Maintenance}
	if spec.Off {
		h.power, h.running, h.connected, h.storage = off, false, false, false
	}
	connect := types.HostConnectSpec{HostName: spec.Name}
	var task types.ManagedObjectReference
	for _, c := range b.lab.clusters {
		if c.spec.Name == spec.Cluster {
			h.cluster = c
			obj := b.get(c.ref).(*simulator.ClusterComputeResource)
			task = obj.AddHostTask(b.ctx, &types.AddHost_Task{This: c.ref, Spec: connect, AsConnected: true}).(*methods.AddHost_TaskBody).Res.Returnval
		}
	}
	if h.cluster == nil {
		task = folder.AddStandaloneHostTask(b.ctx, &types.AddStandaloneHost_Task{This: folder.Self, Spec: connect, AddConnected: true}).(*methods.AddStandaloneHost_TaskBody).Res.Returnval
	}
	ref, err := b.vc.result(task)
	if err != nil {
		return err
	}
	h.ref = ref
	obj := b.get(ref).(*simulator.HostSystem)
	dressHost(obj, spec)
	booted := h.booted
	obj.Runtime.BootTime = &booted
	b.advancedOptions(obj, spec)
	b.vc.knowStorage(obj, h)
	if pool := b.poolOf(obj); pool != nil {
		b.vc.pools[h] = *pool
	}
	if spec.FreeLicense {
		b.freeLicense(ref, spec.Name)
	}
	b.lab.hosts = append(b.lab.hosts, h)
	b.vc.byHost[ref], b.vc.refs[ref] = h, spec.Name
	return nil
}

// advancedOptions are those that step runbooks know, beside the few that the simulator has.
func (b *builder) advancedOptions(obj *simulator.HostSystem, spec HostSpec) {
	ref := obj.ConfigManager.AdvancedOption
	if ref == nil {
		return
	}
	if m, ok := b.get(*ref).(*simulator.OptionManager); ok {
		m.Setting = append(m.Setting, &types.OptionValue{Key: "VMkernel.Boot.hyperthreadingMitigation", Value: false},
			&types.OptionValue{Key: "UserVars.SuppressHyperthreadWarning", Value: int64(0)})
		b.vc.refs[*ref] = spec.Name
	}
}

// dressHost gives a host the hardware and version of the spec.
func dressHost(h *simulator.HostSystem, spec HostSpec) {
	tag := []types.HostSystemIdentificationInfo{{
		IdentifierValue: spec.Serial,
		IdentifierType:  &types.ElementDescription{Description: types.Description{Label: "Service tag", Summary: "Service tag of the system"}, Key: "ServiceTag"},
	}}
	memory := int64(spec.MemoryGB) << 30
	hw := *h.Hardware
	hw.SystemInfo = types.HostSystemInfo{Vendor: spec.Vendor, Model: spec.Model, Uuid: spec.UUID, SerialNumber: spec.Serial, OtherIdentifyingInfo: tag}
	hw.MemorySize = memory
	h.Hardware = &hw
	sum := *h.Summary.Hardware
	sum.Vendor, sum.Model, sum.Uuid, sum.OtherIdentifyingInfo, sum.MemorySize = spec.Vendor, spec.Model, spec.UUID, tag, memory
	h.Summary.Hardware = &sum
	h.Config.LockdownMode = types.HostLockdownMode(spec.Lockdown)
	if spec.WakeOnLAN {
		addressed(h, spec.MAC)
	}
}

// versionHost sets the version of ESXi: after all hosts are added, since the simulator panics at versions that it does not
// know when it adds one.
func versionHost(h *simulator.HostSystem, spec HostSpec) {
	product := h.Config.Product
	product.Version, product.Build, product.ApiVersion = spec.Version, spec.Build, spec.Version+".0"
	product.FullName = fmt.Sprintf("VMware ESXi %s build-%s", spec.Version, spec.Build)
	h.Config.Product = product
	h.Summary.Config.Product = &product
}

func (b *builder) poolOf(h *simulator.HostSystem) *types.ManagedObjectReference {
	switch p := b.get(*h.Parent).(type) {
	case *simulator.ClusterComputeResource:
		return p.ResourcePool
	default:
		if cr, ok := asComputeResource(p); ok {
			return cr.ResourcePool
		}
	}
	return nil
}

// freeESXi is the licence of the free ESXi.
func freeESXi() types.LicenseManagerLicenseInfo {
	return types.LicenseManagerLicenseInfo{
		LicenseKey: "00000-00000-00000-00000-0FREE", EditionKey: "esxBasic", Name: "VMware vSphere 7 Hypervisor",
		Properties: []types.KeyAnyValue{{Key: "feature", Value: types.KeyValue{Key: "vsmp:8", Value: "Up to 8-way virtual SMP"}}},
	}
}

// freeLicense assigns the licence of the free ESXi, whose API only reads.
func (b *builder) freeLicense(ref types.ManagedObjectReference, name string) {
	for _, o := range b.vc.model.Map().AllReference("LicenseAssignmentManager") {
		if m, ok := o.(*simulator.LicenseAssignmentManager); ok {
			all := &m.QueryAssignedLicensesResponse.Returnval
			for i := range *all {
				if (*all)[i].EntityId == ref.Value {
					(*all)[i].EntityDisplayName = name
					(*all)[i].AssignedLicense = freeESXi()
				}
			}
		}
	}
}

func (b *builder) datastore(spec DatastoreSpec) error {
	path, err := makeDir(b.vc.home(), spec.Name)
	if err != nil {
		return err
	}
	n := 0
	for _, h := range b.lab.hosts {
		if !spec.on(h.spec.Name) {
			continue
		}
		n++
		sys := b.get(*b.get(h.ref).(*simulator.HostSystem).ConfigManager.DatastoreSystem).(*simulator.HostDatastoreSystem)
		body := sys.CreateLocalDatastore(b.ctx, &types.CreateLocalDatastore{This: sys.Self, Name: spec.Name, Path: path})
		res, ok := body.(*methods.CreateLocalDatastoreBody)
		if !ok || res.Res == nil {
			return soapError(body)
		}
		if ref := res.Res.Returnval; ref.Value != "" { // empty where another host has made it already
			b.vc.datastores[spec.Name] = ref
		}
	}
	if ref, ok := b.vc.datastores[spec.Name]; ok {
		ds := b.get(ref).(*simulator.Datastore)
		ds.Summary.Type = "VMFS"
		shared := n > 1
		ds.Summary.MultipleHostAccess = &shared
		b.onLUN(ds)
		b.vc.refs[ref] = spec.Name
	}
	return nil
}

// result waits for a task of the simulator itself.
func (v *view) result(ref types.ManagedObjectReference) (types.ManagedObjectReference, error) {
	task, ok := v.model.Map().Get(ref).(*simulator.Task)
	if !ok {
		return ref, fmt.Errorf("no task %s", ref.Value)
	}
	var out types.ManagedObjectReference
	var err error
	c := v.fork()
	for done := false; !done; {
		c.WithLock(task, func() {
			done = task.Info.State == types.TaskInfoStateSuccess || task.Info.State == types.TaskInfoStateError
			if e := task.Info.Error; e != nil {
				err = fmt.Errorf("%s: %T", e.LocalizedMessage, e.Fault)
			}
			out, _ = task.Info.Result.(types.ManagedObjectReference)
		})
		if !done {
			time.Sleep(500 * time.Microsecond) //nolint:forbidigo // vcsim tells nobody; its own Task.Wait looks every 10 ms: ten times as long for a whole lab
		}
	}
	return out, err
}

func soapError(b soap.HasFault) error {
	if f := b.Fault(); f != nil {
		return fmt.Errorf("%s %T", f.String, f.VimFault())
	}
	return fmt.Errorf("unexpected answer %T", b)
}

// diskSpec is the disk of a guest, and what it hangs on.
func diskSpec(datastore, name string, multiWriter bool, more []string) ([]types.BaseVirtualDeviceConfigSpec, error) {
	var devices object.VirtualDeviceList
	scsi, err := devices.CreateSCSIController("pvscsi")
	if err != nil {
		return nil, err
	}
	ctrl, ok := scsi.(types.BaseVirtualController)
	if !ok {
		return nil, fmt.Errorf("%T is no controller", scsi)
	}
	disk := devices.CreateDisk(ctrl, types.ManagedObjectReference{}, fmt.Sprintf("[%s] %s/disk1.vmdk", datastore, name))
	disk.CapacityInKB = 10 << 20
	if multiWriter {
		if backing, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo); ok {
			backing.Sharing = string(types.VirtualDiskSharingSharingMultiWriter)
		}
	}
	devices = append(devices, scsi, disk)
	for i, other := range more {
		file := fmt.Sprintf("[%s] %s/disk%d.vmdk", other, name, i+2)
		if other != datastore {
			file = fmt.Sprintf("[%s] %s-disk%d.vmdk", other, name, i+2) // its directory would have to be there
		}
		next := devices.CreateDisk(ctrl, types.ManagedObjectReference{}, file)
		next.CapacityInKB = 10 << 20
		devices = append(devices, next)
	}
	return devices.ConfigSpec(types.VirtualDeviceConfigSpecOperationAdd)
}
