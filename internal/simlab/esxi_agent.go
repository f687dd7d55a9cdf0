package simlab

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/esx"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"
)

// What every ESXi calls itself and its root folder.
var (
	haHost = esx.HostSystem.Reference()
	haRoot = esx.RootFolder.Reference()
)

// A hostAgent is what an ESXi shows from one boot to the next.
type hostAgent struct {
	view
	esxi    *esxi
	boot    int // host.restarts
	once    sync.Once
	err     error // it could not be made
	made    atomic.Bool
	handler http.Handler
	members sync.Mutex // held while VMs are registered
}

func (a *hostAgent) build() error {
	h := a.esxi.host
	m, err := newHostModel(h.spec)
	if err != nil {
		return err
	}
	a.host, a.logins = h, &a.esxi.logins
	a.init(a.esxi.lab, m, a.esxi.system, esxiUser, a.esxi.password)
	reg := m.Map()
	obj, ok := reg.Any("HostSystem").(*simulator.HostSystem)
	dc, found := reg.Any("Datacenter").(*simulator.Datacenter)
	if !ok || !found {
		return fmt.Errorf("simulated ESXi %s: the simulator made no host", h.spec.Name)
	}
	a.datacenter, a.vmFolder = dc.Self, dc.VmFolder
	a.dress(obj)
	for _, d := range a.lab.spec.Datastores {
		if d.on(h.spec.Name) {
			if err := a.mount(obj, d.Name); err != nil {
				return err
			}
		}
	}
	a.serveSDK()
	return nil
}

func newHostModel(spec HostSpec) (*simulator.Model, error) {
	building.Lock()
	defer building.Unlock()
	m := simulator.ESX()
	m.Datastore, m.Machine, m.Autostart = 0, 0, false
	about := &m.ServiceContent.About
	about.Version, about.Build, about.ApiVersion = spec.Version, spec.Build, spec.Version+".0"
	about.FullName = fmt.Sprintf("VMware ESXi %s build-%s", spec.Version, spec.Build)
	if err := m.Create(); err != nil {
		return nil, fmt.Errorf("simulated ESXi %s: %w", spec.Name, err)
	}
	return m, nil
}

// dress gives the host its name, hardware and licence.
func (a *hostAgent) dress(obj *simulator.HostSystem) {
	reg, name := a.model.Map(), a.host.spec.Name
	obj.Name, obj.Summary.Config.Name = name, name
	dressHost(obj, a.host.spec)
	versionHost(obj, a.host.spec)
	a.lab.read(func() {
		booted := a.host.booted
		obj.Runtime.BootTime = &booted
	})
	a.byHost[obj.Self], a.refs[obj.Self] = a.host, name
	a.knowStorage(obj, a.host)
	if cr, ok := asComputeResource(reg.Get(*obj.Parent)); ok {
		cr.Name = name
		a.pools[a.host] = *cr.ResourcePool
	}
	a.refs[a.datacenter] = "ha-datacenter"
	if lm, ok := reg.Get(*a.model.ServiceContent.LicenseManager).(*simulator.LicenseManager); ok && a.host.spec.FreeLicense {
		lm.Licenses = []types.LicenseManagerLicenseInfo{freeESXi()}
	}
}

func (a *hostAgent) mount(obj *simulator.HostSystem, name string) error {
	path, err := makeDir(a.home(), name)
	if err != nil {
		return err
	}
	sys, ok := a.model.Map().Get(*obj.ConfigManager.DatastoreSystem).(*simulator.HostDatastoreSystem)
	if !ok {
		return fmt.Errorf("simulated ESXi %s: it has no datastore system", a.host.spec.Name)
	}
	body := sys.CreateLocalDatastore(a.fork(), &types.CreateLocalDatastore{This: sys.Self, Name: name, Path: path})
	res, ok := body.(*methods.CreateLocalDatastoreBody)
	if !ok || res.Res == nil {
		return fmt.Errorf("simulated ESXi %s: make datastore %s: %w", a.host.spec.Name, name, soapError(body))
	}
	ref := res.Res.Returnval
	a.datastores[name], a.refs[ref] = ref, name
	if ds, ok := a.model.Map().Get(ref).(*simulator.Datastore); ok {
		ds.Summary.Type = "VMFS"
	}
	return nil
}

func (a *hostAgent) serveSDK() {
	reg, svc := a.model.Map(), a.model.Service
	a.installExtension()
	at, err := url.Parse(a.esxi.url)
	if err != nil {
		at = &url.URL{}
	}
	svc.Listen = &url.URL{Scheme: "https", Host: at.Host, Path: reg.Path, User: url.UserPassword(a.user, a.password)}
	reg.SessionManager().ServiceHostName = at.Host
	reg.SessionManager().ValidLogin = func(req *types.Login) bool { return a.checkLogin(req.UserName, req.Password) }
	svc.RegisterSDK(reg, reg.Path+"/vimService")
	svc.ServeMux.HandleFunc(reg.Path+"/vimServiceVersions.xml", svc.ServiceVersions)
	a.handler = a.lab.boundary(a.system, a.identifySOAP, refuseSOAP, soapResult, a.lab.stoppable(svc.ServeMux))
}

// register makes the VMs of the guests that are on the host now, and forgets those that left it.
func (a *hostAgent) register() {
	a.members.Lock()
	defer a.members.Unlock()
	var come, left []*guest
	a.lab.read(func() {
		here := map[*guest]bool{}
		for _, g := range a.lab.guestsOn(a.host) {
			here[g] = true
			if _, ok := a.own[g]; !ok {
				come = append(come, g)
			}
		}
		for g := range a.own {
			if !here[g] {
				left = append(left, g)
			}
		}
	})
	for _, g := range left {
		a.unregister(g)
	}
	for _, g := range come {
		a.add(g)
	}
}

func (a *hostAgent) add(g *guest) {
	ctx := a.fork()
	// Files of an earlier stay would be in the way.
	_ = os.RemoveAll(filepath.Join(a.home(), "datastore-"+g.spec.Datastore, g.spec.Name))
	ref, err := a.create(ctx, a.vmFolder, g)
	if err != nil {
		return // the next change of this host tries again
	}
	ref = a.number(ctx, g, ref)
	a.dressGuest(g, ref)
	a.lab.read(func() { a.own[g], a.byGuest[ref], a.refs[ref] = ref, g, g.spec.Name })
}

// number gives a VM an id as ESXi has them: "7". The simulator makes them as vCenter does.
func (a *hostAgent) number(ctx *simulator.Context, g *guest, old types.ManagedObjectReference) types.ManagedObjectReference {
	reg := a.model.Map()
	vm, ok := reg.Get(old).(*simulator.VirtualMachine)
	folder, is := reg.Get(a.vmFolder).(*simulator.Folder)
	if !ok || !is {
		return old
	}
	a.storage.Lock()
	defer a.storage.Unlock()
	ref := types.ManagedObjectReference{Type: old.Type, Value: strconv.Itoa(a.esxi.number(g))}
	rename := func(o interface {
		Reference() types.ManagedObjectReference
	}, field *[]types.ManagedObjectReference) {
		reg.RemoveReference(ctx, o, field, old)
		reg.AppendReference(ctx, o, field, ref)
	}
	rename(folder, &folder.ChildEntity)
	for _, d := range vm.Datastore {
		if ds, ok := reg.Get(d).(*simulator.Datastore); ok {
			rename(ds, &ds.Vm)
		}
	}
	if pool, ok := reg.Get(a.pools[a.host]).(*simulator.ResourcePool); ok {
		rename(pool, &pool.Vm)
	}
	if h, ok := reg.Get(haHost).(*simulator.HostSystem); ok {
		rename(h, &h.Vm)
	}
	reg.Remove(ctx, old)
	vm.Self = ref
	reg.Put(vm)
	return ref
}

// number is the id of a guest on this host, a new one for a guest that was never here.
func (e *esxi) number(g *guest) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.numbers[g] == 0 {
		e.numbers[g] = len(e.numbers) + 1
	}
	return e.numbers[g]
}

func (a *hostAgent) unregister(g *guest) {
	ctx := a.fork()
	ref := a.guestRef(g)
	if vm, ok := ctx.Map.Get(ref).(*simulator.VirtualMachine); ok {
		ctx.WithLock(vm, func() {
			set(ctx, vm, "runtime.powerState", types.VirtualMachinePowerStatePoweredOff)
			vm.UnregisterVM(ctx, &types.UnregisterVM{This: ref})
		})
	}
	a.lab.read(func() {
		delete(a.own, g)
		delete(a.byGuest, ref)
		delete(a.refs, ref)
	})
}
