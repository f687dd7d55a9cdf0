package activities

import (
	"context"
	"errors"
	"sync"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/vsphere"
)

// hypervisor is what a step does with a guest or a host: the session at the vCenter, or the host itself in its place.
type hypervisor interface {
	guestSystem
	hostSystem
	taskSystem
}

// system is where the calls of a step go, and the only place that decides it: to the vCenter, or to the host that the
// plan names, where the vCenter is not there.
func (a *Activities) system(ctx context.Context, c plan.Call) (hypervisor, error) {
	t := c.Target
	if t.Direct == "" {
		return a.clients.vcenter(ctx, t.Endpoint)
	}
	h, ok := a.lab.Host(t.Direct)
	switch {
	case !ok:
		return nil, refuse(errUnsafe, "host %s is not in the lab file: hosts that are not listed are never touched", t.Direct)
	case h.Keep:
		return nil, refuse(errUnsafe, "host %s, through which it is reached, is kept by the lab file", h.Name)
	case a.lab.Self.Host == h.Name:
		return nil, refuse(errUnsafe, "host %s, through which it is reached, is the one that nightshift runs on", h.Name)
	case h.VCenter != t.Endpoint:
		return nil, refuse(errUnsafe, "host %s belongs to vCenter %s in the lab file, and the step is about one of vCenter %s", h.Name, h.VCenter, t.Endpoint)
	case h.ESXi == nil:
		return nil, refuse(fault.Invalid, "host %s has no esxi in the lab file: without it nobody can act on it when its vCenter is away", h.Name)
	}
	return &onHost{a: a, target: t, host: h}, nil
}

// failed drops a vCenter's session that is refused by now; onHost does this by itself.
func (a *Activities) failed(t plan.Target, s hypervisor, err error) {
	if vc, ok := s.(vcenter); ok {
		a.clients.failed(t.Endpoint, vc, err)
	}
}

// An onHost is a host's own API in the place of its vCenter's, for one attempt of a step. What is planned bears the
// vCenter's Refs; the host has others, and finds the object by its UUID. It logs in when it is first asked: a host that
// is on its way down or up answers late or never, and a step must be able to wait for that.
type onHost struct {
	a      *Activities
	target plan.Target
	host   *inventory.Host // of the lab file

	mu      sync.Mutex
	guest   string // the Ref of the target on this host, where it is a guest
	machine string // that of the host
}

// ask runs a request in the session at the host. What goes wrong before the request was not sent.
func (o *onHost) ask(ctx context.Context, request func(vcenter) error) error {
	key, vc, err := o.a.clients.esxi(ctx, o.host)
	if err != nil {
		return notSent{err}
	}
	err = request(vc)
	o.a.clients.failed(key, vc, err)
	return err
}

// onGuest runs a request that needs the guest's Ref on this host.
func (o *onHost) onGuest(ctx context.Context, request func(vc vcenter, ref string) error) error {
	return o.ask(ctx, func(vc vcenter) error {
		ref, err := o.find(&o.guest, func() (string, error) {
			if o.target.UUID == "" {
				return "", refuse(fault.Identity, "the plan has no UUID by which guest %s could be found on host %s", o.target.Name, o.host.Name)
			}
			return vc.FindGuest(ctx, o.target.UUID)
		})
		if err != nil {
			return notSent{err}
		}
		return request(vc, ref)
	})
}

// onMachine runs a request that needs the host's own Ref.
func (o *onHost) onMachine(ctx context.Context, request func(vc vcenter, ref string) error) error {
	return o.ask(ctx, func(vc vcenter) error {
		ref, err := o.find(&o.machine, func() (string, error) {
			h, err := vc.OwnHost(ctx)
			return h.Ref, err
		})
		if err != nil {
			return notSent{err}
		}
		return request(vc, ref)
	})
}

// find looks for a Ref once.
func (o *onHost) find(ref *string, search func() (string, error)) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if *ref != "" {
		return *ref, nil
	}
	found, err := search()
	if err == nil {
		*ref = found
	}
	return found, err
}

// Guest reads the guest. It was found by its UUID: the Ref that it bears is the plan's.
func (o *onHost) Guest(ctx context.Context, _ string) (got live.Guest, err error) {
	err = o.onGuest(ctx, func(vc vcenter, ref string) (err error) {
		got, err = vc.Guest(ctx, ref)
		got.Ref = o.target.Ref
		return err
	})
	return got, err
}

// GuestTags: a host knows no tags.
func (o *onHost) GuestTags(context.Context, string) ([]string, error) { return nil, nil }

func (o *onHost) ShutdownGuest(ctx context.Context, _ string) error {
	return o.onGuest(ctx, func(vc vcenter, ref string) error { return vc.ShutdownGuest(ctx, ref) })
}

func (o *onHost) PowerOffGuest(ctx context.Context, _ string) (string, error) {
	return o.guestTask(ctx, vcenter.PowerOffGuest)
}

func (o *onHost) SuspendGuest(ctx context.Context, _ string) (string, error) {
	return o.guestTask(ctx, vcenter.SuspendGuest)
}

func (o *onHost) PowerOnGuest(ctx context.Context, _ string) (string, error) {
	return o.guestTask(ctx, vcenter.PowerOnGuest)
}

func (o *onHost) guestTask(ctx context.Context, send func(vcenter, context.Context, string) (string, error)) (task string, err error) {
	err = o.onGuest(ctx, func(vc vcenter, ref string) (err error) {
		task, err = send(vc, ctx, ref)
		return err
	})
	return task, err
}

// Host reads the host. It calls itself by another name than its vCenter does, so that its SMBIOS UUID decides; where the
// plan has none it is the machine whose certificate the lab file has.
func (o *onHost) Host(ctx context.Context, _ string) (got live.Host, err error) {
	err = o.ask(ctx, func(vc vcenter) (err error) {
		got, err = vc.OwnHost(ctx)
		return err
	})
	got.Ref, got.Name = o.target.Ref, o.target.Name
	if live.SameUUID(got.UUID, o.target.UUID) {
		got.UUID = o.target.UUID
	}
	return got, err
}

func (o *onHost) GuestsOn(ctx context.Context, _ string) (got []live.Guest, err error) {
	err = o.onMachine(ctx, func(vc vcenter, ref string) (err error) {
		got, err = vc.GuestsOn(ctx, ref)
		return err
	})
	return got, err
}

func (o *onHost) Datastores(ctx context.Context, _ string) (got []live.Datastore, err error) {
	err = o.onMachine(ctx, func(vc vcenter, ref string) (err error) {
		got, err = vc.Datastores(ctx, ref)
		return err
	})
	return got, err
}

func (o *onHost) Rescan(ctx context.Context, _ string) error {
	return o.onMachine(ctx, func(vc vcenter, ref string) error { return vc.Rescan(ctx, ref) })
}

func (o *onHost) EnterMaintenance(ctx context.Context, _ string, limit time.Duration) (task string, err error) {
	err = o.onMachine(ctx, func(vc vcenter, ref string) (err error) {
		task, err = vc.EnterMaintenance(ctx, ref, limit)
		return err
	})
	return task, err
}

func (o *onHost) ExitMaintenance(ctx context.Context, _ string, limit time.Duration) (task string, err error) {
	err = o.onMachine(ctx, func(vc vcenter, ref string) (err error) {
		task, err = vc.ExitMaintenance(ctx, ref, limit)
		return err
	})
	return task, err
}

func (o *onHost) ShutdownHost(ctx context.Context, _ string, force bool) (task string, err error) {
	err = o.onMachine(ctx, func(vc vcenter, ref string) (err error) {
		task, err = vc.ShutdownHost(ctx, ref, force)
		return err
	})
	return task, err
}

// Cluster: a host does not know in which it is.
func (o *onHost) Cluster(context.Context, string) (live.Cluster, error) {
	return live.Cluster{}, refuse(fault.Unsupported, "host %s does not know its cluster", o.host.Name)
}

func (o *onHost) Task(ctx context.Context, ref string) (info vsphere.TaskInfo, err error) {
	err = o.ask(ctx, func(vc vcenter) (err error) {
		info, err = vc.Task(ctx, ref)
		return err
	})
	return info, err
}

// TasksSince reads those of the target, as it is called here.
func (o *onHost) TasksSince(ctx context.Context, _ string, since time.Time) (list []vsphere.TaskInfo, err error) {
	read := func(vc vcenter, ref string) (err error) {
		list, err = vc.TasksSince(ctx, ref, since)
		return err
	}
	if o.target.Kind == plan.Guest {
		return list, o.onGuest(ctx, read)
	}
	return list, o.onMachine(ctx, read)
}

// esxi answers the session at a host itself, and the name by which it is kept.
func (c *clients) esxi(ctx context.Context, h *inventory.Host) (key string, _ vcenter, _ error) {
	key = "host " + h.Name
	vc, err := c.login(ctx, key, key, *h.ESXi)
	return key, vc, err
}

// clusterBefore is the cluster that a host was in when its vCenter was last recorded. known is false where no record
// tells.
func (a *Activities) clusterBefore(ctx context.Context, c plan.Call) (name string, known bool, err error) {
	book, err := a.ledger.read(ctx, c.Lab)
	if err != nil {
		return "", false, err
	}
	vc, ok, err := recorded(book, c.Target.Endpoint)
	if err != nil || !ok {
		return "", false, err
	}
	for _, h := range vc.Hosts {
		if h.Ref != c.Target.Ref || !live.SameUUID(h.UUID, c.Target.UUID) {
			continue
		}
		for _, cl := range vc.Clusters {
			if cl.Ref == h.Cluster {
				return cl.Name, true, nil
			}
		}
		return "", true, nil
	}
	return "", false, nil
}

// isAway tells that nobody answered at all.
func isAway(err error) bool { return errors.Is(err, fault.Unreachable) }
