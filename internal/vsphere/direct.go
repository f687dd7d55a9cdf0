package vsphere

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/fault"
	"nightshift/internal/live"
)

// FindGuest answers the Ref that the VM with an instance UUID has here: an ESXi host has Refs of its own, which its
// vCenter does not know. fault.NotFound: there is none; fault.Unreachable: there are VMs that cannot be read just now, as
// their storage is missing, and it may be one of them; fault.Identity: there are several.
func (c *Client) FindGuest(ctx context.Context, uuid string) (string, error) {
	var out string
	op := "find the guest with instance UUID " + uuid
	err := c.read(ctx, op, func(ctx context.Context) error {
		// A view, not SearchIndex: that finds nothing where a VM cannot be read, and does not say so.
		got, err := c.inView(ctx, wants{"VirtualMachine": {"name", "config.instanceUuid", "runtime.connectionState"}})
		if err != nil {
			return err
		}
		var refs, unread []string
		for _, vm := range allOf[mo.VirtualMachine](got) {
			switch {
			case vm.Config != nil && strings.EqualFold(vm.Config.InstanceUuid, uuid):
				refs = append(refs, vm.Self.Value)
			case vm.Config == nil || vm.Config.InstanceUuid == "":
				unread = append(unread, shownName(vm.Name))
			}
		}
		switch {
		case len(refs) == 1:
			out = refs[0]
			return nil
		case len(refs) > 1:
			return fault.As(fault.Identity, fmt.Errorf("%s at %s: %d guests have it (%s)", op, c.name, len(refs), strings.Join(refs, ", ")))
		case len(unread) > 0:
			return fault.As(fault.Unreachable, fmt.Errorf("%s at %s: it may be one of those that cannot be read just now (%s)", op, c.name, strings.Join(unread, ", ")))
		}
		return fault.As(fault.NotFound, fmt.Errorf("%s at %s: there is none", op, c.name))
	})
	return out, err
}

// OwnHost reads the one host that there is, where this is a direct ESXi host.
func (c *Client) OwnHost(ctx context.Context) (live.Host, error) {
	var out live.Host
	err := c.read(ctx, "read the host", func(ctx context.Context) error {
		if c.vim.IsVC() {
			return fault.As(fault.Unsupported, fmt.Errorf("read the host at %s: it is a vCenter, not an ESXi host", c.name))
		}
		got, err := c.inView(ctx, wants{"HostSystem": hostProperties})
		if err != nil {
			return err
		}
		list := allOf[mo.HostSystem](got)
		if len(list) != 1 {
			return fault.As(fault.Unreachable, fmt.Errorf("read the host at %s: it shows %d hosts just now", c.name, len(list)))
		}
		out = newHost(list[0])
		out.ReadOnly, _, err = c.readOnly(ctx)
		return err
	})
	return out, err
}

// Rescan has a host look for new storage devices, and for the VMFS volumes on them. It waits for the host, and may be
// repeated without harm. NFS datastores need none: a host tries them again by itself.
func (c *Client) Rescan(ctx context.Context, host string) error {
	op := "rescan the storage of host " + host
	var storage *types.ManagedObjectReference
	err := c.read(ctx, op, func(ctx context.Context) error {
		got, err := c.retrieve(ctx, wants{"HostSystem": {"configManager.storageSystem"}}, object(hostRef(host)))
		if err != nil {
			return err
		}
		for _, h := range allOf[mo.HostSystem](got) {
			storage = h.ConfigManager.StorageSystem
		}
		return nil
	})
	if err != nil {
		return err
	}
	if storage == nil {
		return fault.As(fault.Unreachable, fmt.Errorf("%s at %s: it shows no storage system just now", op, c.name))
	}
	if _, err := methods.RescanAllHba(ctx, c.vim, &types.RescanAllHba{This: *storage}); err != nil {
		return c.explain(op, err)
	}
	_, err = methods.RescanVmfs(ctx, c.vim, &types.RescanVmfs{This: *storage})
	return c.explain(op, err)
}

// bootEntry is an entry for the start of an ESXi host in the list of its tasks; nil on a vCenter. The host keeps its tasks
// in memory, so that a list in which this entry is another than before does not prove that a task never was. Of a host
// that does not tell when it started it is another one each time.
func (c *Client) bootEntry(ctx context.Context) (*TaskInfo, error) {
	if c.vim.IsVC() {
		return nil, nil
	}
	got, err := c.inView(ctx, wants{"HostSystem": {"runtime.bootTime"}})
	if err != nil {
		return nil, err
	}
	now := time.Now()
	boot := &TaskInfo{Ref: "boot-not-told-" + now.UTC().Format(time.RFC3339Nano), Name: "boot", State: TaskSuccess, Queued: now, Started: now, Ended: now}
	for _, h := range allOf[mo.HostSystem](got) {
		boot.Entity = h.Self.Value
		if t := h.Runtime.BootTime; t != nil {
			at := c.ours(t)
			boot.Queued, boot.Started, boot.Ended = at, at, at
			// It is reckoned anew with each read, and differs by a second.
			boot.Ref = "boot-" + t.UTC().Round(time.Minute).Format("20060102T1504")
		}
	}
	return boot, nil
}
