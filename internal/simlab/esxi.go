package simlab

import (
	"crypto/tls"
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

// esxiUser is the account of an ESXi host.
const esxiUser = "root"

// An esxi is a host's own API, as it is without a vCenter: HostAgent. What it shows is made when somebody connects for
// the first time after a boot, as a lab has many hosts and few need it; it dies with ESXi, sessions and tasks with it.
type esxi struct {
	lab      *Lab
	host     *host
	system   string // "esxi:HOST"
	url      string
	password string
	cert     tls.Certificate
	logins   lockout

	mu      sync.Mutex
	now     *hostAgent // nil: nobody has connected since the boot
	past    []*hostAgent
	numbers map[*guest]int // ids of VMs outlive a boot
}

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

// esxis are the hosts' own endpoints.
type esxis struct {
	mu  sync.Mutex
	all map[*host]*esxi
}

func (s *esxis) of(h *host) *esxi {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[h]
}

func (s *esxis) list() []*esxi {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*esxi, 0, len(s.all))
	for _, e := range s.all {
		out = append(out, e)
	}
	return out
}

// agents are those that somebody connected to.
func (s *esxis) agents() []*hostAgent {
	var out []*hostAgent
	for _, e := range s.list() {
		e.mu.Lock()
		if e.now != nil && e.now.made.Load() {
			out = append(out, e.now)
		}
		e.mu.Unlock()
	}
	return out
}

func (s *esxis) named(system string) *esxi {
	for _, e := range s.list() {
		if e.system == system {
			return e
		}
	}
	return nil
}

// startESXi gives a host an endpoint of its own, if it has none yet.
func (l *Lab) startESXi(h *host, port int) (*esxi, error) {
	l.esxis.mu.Lock()
	defer l.esxis.mu.Unlock()
	if e := l.esxis.all[h]; e != nil {
		return e, nil
	}
	e := &esxi{lab: l, host: h, system: "esxi:" + h.spec.Name, password: newPassword(h.spec.Name + "-esxi"), numbers: map[*guest]int{}}
	var err error
	if e.cert, err = selfSigned(h.spec.Name); err != nil {
		return nil, err
	}
	addr, err := l.listen(e.system, port, &e.cert, http.HandlerFunc(e.serve))
	if err != nil {
		return nil, err
	}
	e.url = "https://" + addr + "/sdk"
	l.esxis.all[h] = e
	return e, nil
}

// startESXis serves those that the spec asks for.
func (l *Lab) startESXis(port int) error {
	for _, h := range l.hosts {
		if !h.spec.Direct {
			continue
		}
		if _, err := l.startESXi(h, port); err != nil {
			return err
		}
		if port != 0 {
			port++
		}
	}
	l.read(l.doors)
	return nil
}

// current is the agent of this boot.
func (e *esxi) current() *hostAgent {
	boot := 0
	e.lab.read(func() { boot = e.host.restarts })
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.now != nil && e.now.boot != boot {
		e.drop()
	}
	if e.now == nil {
		e.now = &hostAgent{esxi: e, boot: boot}
	}
	return e.now
}

// drop forgets the agent of an earlier boot. Its files go when the lab is closed: something may still be under way in it.
func (e *esxi) drop() {
	if e.now != nil {
		e.past = append(e.past, e.now)
		e.now = nil
	}
}

// remove deletes the files of all agents.
func (e *esxi) remove() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.drop()
	for _, a := range e.past {
		if a.model != nil {
			a.model.Remove()
		}
	}
	e.past = nil
}

// serve makes the agent at the first request. Who comes meanwhile waits.
func (e *esxi) serve(w http.ResponseWriter, r *http.Request) {
	a := e.current()
	a.once.Do(func() {
		if a.err = a.build(); a.err == nil {
			a.made.Store(true)
			e.lab.change(func(t *touched) { t.host(e.host) })
		}
	})
	if a.err != nil {
		http.Error(w, a.err.Error(), http.StatusInternalServerError)
		return
	}
	a.handler.ServeHTTP(w, r)
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

// ESXi is how to reach a host's own API.
type ESXi struct{ URL, User, Password, Fingerprint string }

// ESXi returns how to reach a host's own API; a host whose spec does not ask for it gets it now. Its zero value: there
// is no such host, or no port.
func (l *Lab) ESXi(hostName string) ESXi {
	h := l.hostNamed(hostName)
	if h == nil {
		return ESXi{}
	}
	e, err := l.startESXi(h, 0)
	if err != nil {
		return ESXi{}
	}
	l.read(l.doors)
	return ESXi{e.url, esxiUser, e.password, fingerprint(e.cert)}
}

// ESXiRef is the id by which a host's own API knows a guest ("7"); empty: it is not there, or nobody has connected yet.
func (l *Lab) ESXiRef(guestName string) string {
	var ref types.ManagedObjectReference
	for _, a := range l.esxis.agents() {
		l.read(func() {
			if g := l.guestNamed(guestName); g != nil && g.host == a.host {
				ref = a.own[g]
			}
		})
	}
	return ref.Value
}
