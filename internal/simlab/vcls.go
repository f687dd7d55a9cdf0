package simlab

import (
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// tendVCLS is vCenter looking after its vCLS VMs: it starts those that are off and makes those that are missing, until
// retreat mode, in which it deletes them.
func (l *Lab) tendVCLS() {
	for {
		for _, c := range l.clusters {
			if c.spec.VCLS > 0 && l.VCenterUp() {
				l.tendCluster(c)
			}
		}
		if !sleep(l.ctx, l.scaled(l.about(vclsPeriod))) {
			return
		}
	}
}

// firstVCLS makes the vCLS VMs of a lab that runs already.
func (l *Lab) firstVCLS() {
	for _, c := range l.clusters {
		if c.spec.VCLS > 0 {
			l.tendCluster(c)
		}
	}
}

func (l *Lab) tendCluster(c *cluster) {
	var retreat bool
	var have []*guest
	var hosts []*host
	l.read(func() {
		retreat = c.retreat
		for _, g := range l.guests {
			if g.vcls == c && !g.deleted {
				have = append(have, g)
			}
		}
		for _, h := range l.hosts {
			if h.cluster == c && h.usable() && h.reads(l.vclsDatastore(h)) && h.entering == 0 {
				hosts = append(hosts, h)
			}
		}
	})
	if retreat {
		l.retreatVCLS(c, have)
		return
	}
	want := min(c.spec.VCLS, len(hosts))
	l.change(func(t *touched) {
		for _, g := range have {
			if g.power == guestOn || g.busy {
				continue
			}
			if !g.host.usable() && !l.moveVCLS(t, g) || !g.host.reads(g.datastore) {
				continue
			}
			l.powerOn(t, g)
		}
	})
	for i := len(have); i < want; i++ {
		l.makeVCLS(c, hosts[i%len(hosts)])
	}
}

// vclsDatastore is where vCenter puts them: on shared storage, if there is any.
func (l *Lab) vclsDatastore(h *host) *datastore {
	for _, spec := range l.spec.Datastores {
		shared := true
		for _, o := range l.hosts {
			shared = shared && (o.cluster != h.cluster || spec.on(o.spec.Name))
		}
		if shared {
			return l.datastores[spec.Name]
		}
	}
	return l.datastores[l.spec.datastoreOf(h.spec.Name)]
}

// moveVCLS registers a vCLS VM on another host of its cluster, if there is one.
func (l *Lab) moveVCLS(t *touched, g *guest) bool {
	to := l.other(g)
	if to == nil {
		return false
	}
	t.host(g.host)
	t.host(to)
	g.host = to
	return true
}

func (l *Lab) retreatVCLS(c *cluster, have []*guest) {
	var doomed []*guest
	l.read(func() {
		for _, g := range have {
			if g.host.usable() || g.power != guestOn && g.host.connected {
				doomed = append(doomed, g)
			}
		}
	})
	if len(doomed) == 0 || !sleep(l.ctx, l.scaled(l.about(vclsGoes))) {
		return
	}
	l.change(func(t *touched) {
		if !c.retreat {
			doomed = nil
		}
		for _, g := range doomed {
			if g.power == guestOn {
				l.powerOff(t, g)
			}
		}
	})
	for _, g := range doomed {
		l.deleteVCLS(g)
	}
}

func (l *Lab) makeVCLS(c *cluster, h *host) {
	id := uuid.New()
	g := &guest{
		spec: GuestSpec{Name: "vCLS-" + id.String(), Host: h.spec.Name, Datastore: l.vclsDatastore(h).spec.Name, MemoryMB: 128},
		host: h, power: guestOff, vcls: c,
	}
	g.spec.complete(l.spec.Name, 0)
	g.datastore = l.datastores[g.spec.Datastore]
	g.spec.UUID = uuid.NewString()
	var err error
	if g.ref, err = l.vc.create(l.vc.fork(), l.vc.vclsFolder, g); err != nil {
		return // the next round tries again, as EAM does
	}
	l.change(func(t *touched) {
		l.guests = append(l.guests, g)
		l.vc.byGuest[g.ref], l.vc.refs[g.ref] = g, g.spec.Name
		t.host(h)
		l.powerOn(t, g)
	})
}

func (l *Lab) deleteVCLS(g *guest) {
	ctx := l.vc.fork()
	vm, ok := ctx.Map.Get(g.ref).(*simulator.VirtualMachine)
	if !ok {
		return
	}
	var fault *soap.Fault
	// Not Destroy_Task: the simulator deletes its files in another task, that reads the datastore without a lock.
	ctx.WithLock(vm, func() { fault = vm.UnregisterVM(ctx, &types.UnregisterVM{This: g.ref}).Fault() })
	if fault != nil {
		return
	}
	l.change(func(t *touched) {
		g.deleted = true
		l.guests = slices.DeleteFunc(l.guests, func(x *guest) bool { return x == g })
		delete(l.vc.byGuest, g.ref)
		delete(l.vc.refs, g.ref)
		t.host(g.host)
	})
}

// vclsOption is the option that sets retreat mode for a cluster.
func vclsOption(c *cluster) string {
	return fmt.Sprintf("config.vcls.clusters.%s.enabled", c.ref.Value)
}
