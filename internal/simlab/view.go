package simlab

import (
	"crypto/tls"
	"fmt"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// A view is one endpoint that shows the world and takes orders: a simulator behind the lab's vCenter, or behind one
// ESXi host. Each has its own references, sessions and tasks; what they change is the same world.
type view struct {
	lab            *Lab
	host           *host  // the ESXi host; nil: it is the vCenter
	system         string // "vcenter" or "esxi:HOST"
	model          *simulator.Model
	ext            *extension
	user, password string
	logins         *lockout
	sessions       sessions
	refs           map[types.ManagedObjectReference]string // names, for records; guarded by Lab.mu
	byHost         map[types.ManagedObjectReference]*host
	byGuest        map[types.ManagedObjectReference]*guest // guarded by Lab.mu
	byCluster      map[types.ManagedObjectReference]*cluster
	own            map[*guest]types.ManagedObjectReference // of an ESXi host; guarded by Lab.mu
	datastores     map[string]types.ManagedObjectReference
	vmFolder       types.ManagedObjectReference
	datacenter     types.ManagedObjectReference
	pools          map[*host]types.ManagedObjectReference
	taskCounter    int // guarded by Lab.mu
	born           int // counts restarts of the service; guarded by Lab.mu
	// storage is held while datastores are changed or VMs are made, tasks while tasks are changed or their history is
	// read: the simulator reads both without the objects' locks.
	storage, tasks sync.Mutex
}

// A vcenter is the lab's vCenter.
type vcenter struct {
	view
	cert       tls.Certificate
	url        string
	failures   lockout
	vclsFolder types.ManagedObjectReference
}

func (v *view) init(l *Lab, m *simulator.Model, system, user, password string) {
	v.lab, v.model, v.system, v.user, v.password = l, m, system, user, password
	v.refs, v.byHost = map[types.ManagedObjectReference]string{}, map[types.ManagedObjectReference]*host{}
	v.byGuest, v.byCluster = map[types.ManagedObjectReference]*guest{}, map[types.ManagedObjectReference]*cluster{}
	v.datastores, v.pools = map[string]types.ManagedObjectReference{}, map[*host]types.ManagedObjectReference{}
	v.own = map[*guest]types.ManagedObjectReference{}
	v.ownOptions()
}

// ownOptions gives a simulator option values of its own: those of vcsim are shared by the process.
func (v *view) ownOptions() {
	m := v.model.Map().OptionManager()
	own := make([]types.BaseOptionValue, len(m.Setting))
	for i, o := range m.Setting {
		c := *o.GetOptionValue()
		own[i] = &c
	}
	m.Setting = own
}

// fork is a Context of its own: object locks are re-entrant per Context, so goroutines never share one.
func (v *view) fork() *simulator.Context {
	c := *v.model.Service.Context
	return &c
}

// home is the directory where the simulator keeps what is in its datastores.
func (v *view) home() string {
	for _, o := range v.model.Map().OptionManager().Setting {
		if o := o.GetOptionValue(); o.Key == "vcsim.home" {
			home, _ := o.Value.(string)
			return home
		}
	}
	return ""
}

// guestRef is the reference by which this view knows a guest. No lock may be held.
func (v *view) guestRef(g *guest) (ref types.ManagedObjectReference) {
	if v.host == nil {
		return g.ref
	}
	v.lab.read(func() { ref = v.own[g] })
	return ref
}

// hostRef is the reference by which this view knows a host.
func (v *view) hostRef(h *host) types.ManagedObjectReference {
	if v.host == nil {
		return h.ref
	}
	return haHost
}

// hears says whether an order through this view reaches a host. The world is locked.
func (v *view) hears(h *host) bool {
	if v.host == nil {
		return h.connected && h.running
	}
	return v.host == h && h.answers()
}

// taskID is an id as vCenter ("task-17") or ESXi makes it, far above those that the simulator gives to its own.
func (v *view) taskID(entity types.ManagedObjectReference, description string, n int) string {
	if v.host == nil {
		return fmt.Sprintf("task-%d", n)
	}
	return fmt.Sprintf("haTask-%s-vim.%s-%d", entity.Value, description, n)
}
