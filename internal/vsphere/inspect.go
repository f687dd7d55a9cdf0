package vsphere

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/fault"
	"nightshift/internal/live"
)

// Inspect reads everything that a planner needs, in a few bulk reads; nothing is changed. What the account may not read
// beside the inventory itself (tags, tasks, licences, settings) is a warning. Lists are sorted by name.
func (c *Client) Inspect(ctx context.Context) (live.VCenter, error) {
	var out live.VCenter
	err := c.read(ctx, "inspect", func(ctx context.Context) error {
		offset, err := c.clock(ctx)
		if err != nil {
			return err
		}
		out = c.About()
		out.ClockOffset = offset
		if err := c.inventory(ctx, &out); err != nil {
			return err
		}
		if err := c.extras(ctx, &out); err != nil {
			return err
		}
		return c.addAlarmRights(ctx, &out)
	})
	if err != nil {
		return live.VCenter{}, err
	}
	sortAll(&out)
	return out, nil
}

// inventory reads clusters, hosts, guests and datastores.
func (c *Client) inventory(ctx context.Context, out *live.VCenter) error {
	w := wants{"HostSystem": hostProperties, "VirtualMachine": guestProperties, "Datastore": datastoreProperties,
		"Folder": {"name", "parent"}, "Datacenter": {"name", "parent"}}
	if c.vim.IsVC() {
		w["ClusterComputeResource"] = clusterProperties
		w["VirtualApp"] = []string{"name", "parentFolder", "parentVApp"}
	}
	got, err := c.inView(ctx, w)
	if err != nil {
		return err
	}
	if got.hidden {
		out.Warnings = append(out.Warnings, "inventory: no permission to read some properties of some objects")
	}
	cluster := map[string]string{}
	for _, h := range allOf[mo.HostSystem](got) {
		host := newHost(h)
		cluster[host.Ref] = host.Cluster
		out.Hosts = append(out.Hosts, host)
	}
	folders := newFolders(got)
	for _, vm := range allOf[mo.VirtualMachine](got) {
		g := c.guest(vm)
		g.Cluster, g.Folder = cluster[g.Host], folders.of(vm)
		out.Guests = append(out.Guests, g)
	}
	for _, cl := range allOf[mo.ClusterComputeResource](got) {
		out.Clusters = append(out.Clusters, newCluster(cl))
	}
	for _, d := range allOf[mo.Datastore](got) {
		out.Datastores = append(out.Datastores, newDatastore(d))
	}
	if err := c.findAgents(ctx, out.Guests); err != nil {
		return err
	}
	return c.findNoSuspend(ctx, out.Guests)
}

// findNoSuspend looks at the devices of the guests that run, a hundred at a time: only those could be suspended, and
// devices are by far the longest property.
func (c *Client) findNoSuspend(ctx context.Context, guests []live.Guest) error {
	var running []types.ManagedObjectReference
	at := map[string]*live.Guest{}
	for i := range guests {
		if g := &guests[i]; g.Power == live.PoweredOn && !g.VCLS {
			running = append(running, vmRef(g.Ref))
			at[g.Ref] = g
		}
	}
	for part := range slices.Chunk(running, 100) {
		vms, err := c.devicesOf(ctx, part)
		if err != nil {
			return err
		}
		for _, vm := range vms {
			if vm.Config != nil {
				at[vm.Self.Value].NoSuspend = noSuspend(vm.Config.Hardware.Device)
			}
		}
	}
	return nil
}

// devicesOf leaves out VMs that were deleted meanwhile: one of them fails the whole read.
func (c *Client) devicesOf(ctx context.Context, refs []types.ManagedObjectReference) ([]*mo.VirtualMachine, error) {
	refs = slices.Clone(refs)
	for len(refs) > 0 {
		var specs []types.ObjectSpec
		for _, r := range refs {
			specs = append(specs, object(r))
		}
		got, err := c.retrieve(ctx, wants{"VirtualMachine": {devices}}, specs...)
		gone, is := faultOf(err).(*types.ManagedObjectNotFound)
		if !is {
			return allOf[mo.VirtualMachine](got), err
		}
		left := slices.DeleteFunc(refs, func(r types.ManagedObjectReference) bool { return r == gone.Obj })
		if len(left) == len(refs) {
			return nil, err
		}
		refs = left
	}
	return nil, nil
}

// extras reads what may be missing. A vCenter that stopped answering is an error, so that no running task is overlooked
// for it; the tag service is another process, which may be down by itself.
func (c *Client) extras(ctx context.Context, out *live.VCenter) error {
	try := func(what string, fn func() error) error {
		err := fn()
		if err == nil {
			return nil
		}
		kind, text := describe(err, false)
		var said *callError
		if errors.As(err, &said) {
			text = said.text
		}
		if notAuthenticated(err) || ctx.Err() != nil || errors.Is(kind, fault.Unreachable) && what != "tags" {
			return err
		}
		out.Warnings = append(out.Warnings, what+": "+text)
		return nil
	}
	for _, x := range []struct {
		what string
		fn   func() error
	}{
		{"tags", func() error { return c.addTags(ctx, out) }},
		{"tasks", func() (err error) { out.Tasks, err = c.activeTasks(ctx); return err }},
		{"mark", func() (err error) { out.Mark, err = c.mark(ctx); return err }},
		{"vCLS settings", func() error { return c.addVCLS(ctx, out) }},
		{"licences", func() error { return c.addLicence(ctx, out) }},
	} {
		if err := try(x.what, x.fn); err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) addTags(ctx context.Context, out *live.VCenter) error {
	if !c.vim.IsVC() { // ESXi has none
		return nil
	}
	tags, err := c.guestTags(ctx)
	for i := range out.Guests {
		out.Guests[i].Tags = tags[out.Guests[i].Ref]
	}
	return err
}

func (c *Client) addVCLS(ctx context.Context, out *live.VCenter) error {
	for i := range out.Clusters {
		cl := &out.Clusters[i]
		// One by one: that a prefix finds settings is not documented, and a missed one would be restored wrongly.
		options, err := c.options(ctx, vclsOption(cl.Ref))
		if err != nil {
			return err
		}
		cl.VCLS = vclsValue(options, cl.Ref)
	}
	return nil
}

func (c *Client) addLicence(ctx context.Context, out *live.VCenter) error {
	readOnly, hidden, err := c.readOnly(ctx)
	for i := range out.Hosts {
		out.Hosts[i].ReadOnly = readOnly
	}
	if hidden {
		out.Warnings = append(out.Warnings, "licences: no permission")
	}
	return err
}

func sortAll(v *live.VCenter) {
	slices.SortFunc(v.Clusters, func(a, b live.Cluster) int { return byName(a.Name, a.Ref, b.Name, b.Ref) })
	slices.SortFunc(v.Hosts, func(a, b live.Host) int { return byName(a.Name, a.Ref, b.Name, b.Ref) })
	slices.SortFunc(v.Guests, func(a, b live.Guest) int { return byName(a.Name, a.Ref, b.Name, b.Ref) })
	slices.SortFunc(v.Datastores, func(a, b live.Datastore) int { return byName(a.Name, a.Ref, b.Name, b.Ref) })
	slices.SortFunc(v.Tasks, func(a, b live.Task) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Ref, b.Ref)) })
}

func byName(a, aRef, b, bRef string) int { return cmp.Or(cmp.Compare(a, b), cmp.Compare(aRef, bRef)) }

// folders knows the path of every folder by Ref.
type folders map[string]struct{ name, parent string }

func newFolders(got found) folders {
	f := folders{}
	for _, o := range allOf[mo.Folder](got) {
		f[o.Self.Value] = struct{ name, parent string }{shownName(o.Name), refValue(o.Parent)}
	}
	for _, o := range allOf[mo.Datacenter](got) {
		f[o.Self.Value] = struct{ name, parent string }{shownName(o.Name), refValue(o.Parent)}
	}
	for _, o := range allOf[mo.VirtualApp](got) {
		f[o.Self.Value] = struct{ name, parent string }{shownName(o.Name), cmp.Or(refValue(o.ParentFolder), refValue(o.ParentVApp))} // only the outermost is in a folder
	}
	return f
}

// of is the inventory path of a VM's folder: "/DC0/vm/prod". The root folder has no name in it.
func (f folders) of(vm *mo.VirtualMachine) string {
	ref := refValue(vm.Parent)
	if ref == "" {
		ref = refValue(vm.ParentVApp)
	}
	path := ""
	for range len(f) { // never longer, whatever the server says
		at, ok := f[ref]
		if !ok {
			break
		}
		path, ref = "/"+at.name+path, at.parent
	}
	return path
}
