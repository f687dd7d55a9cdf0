package vsphere

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/fault"
	"nightshift/internal/live"
)

// unknown is the power state of what cannot be seen at present.
const unknown = "unknown"

// guestProperties are all that is read of a VM but its devices, which weigh more than everything else together.
var guestProperties = []string{
	"name", "parent", "parentVApp", "datastore", "guestHeartbeatStatus",
	"config.uuid", "config.instanceUuid", "config.template", "config.managedBy", "config.keyId", "config.files.vmPathName",
	"runtime.host", "runtime.powerState", "runtime.connectionState", "runtime.question",
	"runtime.consolidationNeeded", "runtime.faultToleranceState",
	"guest.toolsRunningStatus", "guest.toolsVersionStatus2", "config.tools.toolsVersion", "guest.ipAddress",
}

const devices = "config.hardware.device"

// newGuest makes plain data from what was read. Folder, Cluster and Tags are not the VM's own and stay empty.
func newGuest(vm *mo.VirtualMachine) live.Guest {
	g := live.Guest{
		Ref: vm.Self.Value, Name: shownName(vm.Name), Host: refValue(vm.Runtime.Host),
		Power: string(vm.Runtime.PowerState), Connection: string(vm.Runtime.ConnectionState),
		Heartbeat:     string(vm.GuestHeartbeatStatus),
		Consolidation: vm.Runtime.ConsolidationNeeded,
		FT:            faultTolerant(vm.Runtime.FaultToleranceState),
		Datastores:    refValues(vm.Datastore),
	}
	// Without a connection the vCenter repeats what it saw last, or says poweredOff: neither is knowledge.
	if g.Connection != live.Connected || g.Power == "" {
		g.Power = unknown
	}
	if vm.Guest != nil {
		g.Tools = vm.Guest.ToolsRunningStatus == string(types.VirtualMachineToolsRunningStatusGuestToolsRunning)
		g.ToolsInstalled = g.Tools || installed(vm.Guest.ToolsVersionStatus2)
		g.IP = vm.Guest.IpAddress
	}
	if q := vm.Runtime.Question; q != nil {
		g.Question = newQuestion(q)
	}
	if vm.Config != nil {
		g.UUID, g.BIOSUUID = strings.ToLower(vm.Config.InstanceUuid), strings.ToLower(vm.Config.Uuid)
		g.Template, g.Path = vm.Config.Template, oneLine(vm.Config.Files.VmPathName)
		if t := vm.Config.Tools; t != nil && t.ToolsVersion > 0 { // stays while it is off
			g.ToolsInstalled = true
		}
		g.VCLS = isVCLS(g.Name, vm.Config.ManagedBy)
		g.NoSuspend = noSuspend(vm.Config.Hardware.Device)
		if k := vm.Config.KeyId; k != nil {
			g.Encrypted = true
			if k.ProviderId != nil {
				g.KeyProvider = k.ProviderId.Id
			}
		}
	}
	return g
}

// guest is newGuest by whom it was read. A host knows of a VM whose storage is gone that it does not run, as it would
// have a process of it: what serves a datastore to its own host goes down last, and must not keep it up.
func (c *Client) guest(vm *mo.VirtualMachine) live.Guest {
	g := newGuest(vm)
	if !c.vim.IsVC() && vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOff {
		switch vm.Runtime.ConnectionState {
		case types.VirtualMachineConnectionStateInaccessible, types.VirtualMachineConnectionStateInvalid:
			g.Power = live.PoweredOff
		}
	}
	return g
}

func installed(status string) bool {
	return status != "" && status != string(types.VirtualMachineToolsVersionStatusGuestToolsNotInstalled)
}

func newQuestion(q *types.VirtualMachineQuestionInfo) *live.Question {
	out := &live.Question{ID: q.Id, Text: q.Text}
	for _, c := range q.Choice.ChoiceInfo {
		if d := c.GetElementDescription(); d != nil {
			out.Choices = append(out.Choices, strings.TrimSpace(d.Key+" "+d.Label))
		}
	}
	return out
}

func faultTolerant(s types.VirtualMachineFaultToleranceState) bool {
	return s != "" && s != types.VirtualMachineFaultToleranceStateNotConfigured
}

// noSuspend says why a VM with these devices cannot be suspended; empty: it can.
func noSuspend(list []types.BaseVirtualDevice) string {
	for _, d := range list {
		switch d := d.(type) {
		case *types.VirtualPCIPassthrough:
			if _, gpu := d.Backing.(*types.VirtualPCIPassthroughVmiopBackingInfo); gpu {
				return "vGPU"
			}
			return "passthrough device"
		case *types.VirtualSriovEthernetCard:
			return "passthrough device"
		case *types.VirtualDisk:
			if multiWriter(d.Backing) {
				return "multi-writer disk"
			}
		case types.BaseVirtualSCSIController:
			if bus := d.GetVirtualSCSIController().SharedBus; bus != "" && bus != types.VirtualSCSISharingNoSharing {
				return "shared SCSI bus"
			}
		}
	}
	return ""
}

func multiWriter(backing types.BaseVirtualDeviceBackingInfo) bool {
	const shared = string(types.VirtualDiskSharingSharingMultiWriter)
	switch b := backing.(type) {
	case *types.VirtualDiskFlatVer2BackingInfo:
		return b.Sharing == shared
	case *types.VirtualDiskRawDiskMappingVer1BackingInfo:
		return b.Sharing == shared
	}
	return false
}

// Guest reads one VM. Tags and Folder stay empty.
func (c *Client) Guest(ctx context.Context, ref string) (live.Guest, error) {
	var out live.Guest
	op := "read guest " + ref
	err := c.read(ctx, op, func(ctx context.Context) error {
		list, err := c.guestsFrom(ctx, object(vmRef(ref), along("VirtualMachine", "runtime.host")))
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return fault.As(fault.NotFound, fmt.Errorf("guest %s is not there (any more)", ref))
		}
		out = list[0]
		return nil
	})
	return out, err
}

// GuestsOn reads the VMs that are on a host, templates and vCLS VMs included. Tags and Folder stay empty.
func (c *Client) GuestsOn(ctx context.Context, host string) ([]live.Guest, error) {
	var out []live.Guest
	err := c.read(ctx, "read the guests on host "+host, func(ctx context.Context) error {
		var err error
		out, err = c.guestsFrom(ctx, object(hostRef(host), along("HostSystem", "vm")))
		return err
	})
	return out, err
}

// guestsFrom reads the VMs and hosts on the way that starts describes, and joins them.
func (c *Client) guestsFrom(ctx context.Context, start types.ObjectSpec) ([]live.Guest, error) {
	// Of a few VMs the devices can be read along: it is one answer.
	paths := append(slices.Clone(guestProperties), devices)
	got, err := c.retrieve(ctx, wants{"VirtualMachine": paths, "HostSystem": {"parent"}}, start)
	if err != nil {
		return nil, err
	}
	cluster := map[string]string{}
	for _, h := range allOf[mo.HostSystem](got) {
		cluster[h.Self.Value] = clusterOf(h.Parent)
	}
	var out []live.Guest
	for _, vm := range allOf[mo.VirtualMachine](got) {
		g := c.guest(vm)
		g.Cluster = cluster[g.Host]
		out = append(out, g)
	}
	return out, c.findAgents(ctx, out)
}

// ShutdownGuest asks the guest's Tools to shut it down, and returns when they were asked. ErrNoTools: there are none.
func (c *Client) ShutdownGuest(ctx context.Context, ref string) error {
	_, err := methods.ShutdownGuest(ctx, c.vim, &types.ShutdownGuest{This: vmRef(ref)})
	return c.explain("shut down guest "+ref, err)
}

// PowerOffGuest pulls the plug. It returns the task.
func (c *Client) PowerOffGuest(ctx context.Context, ref string) (string, error) {
	res, err := methods.PowerOffVM_Task(ctx, c.vim, &types.PowerOffVM_Task{This: vmRef(ref)})
	if err != nil {
		return "", c.explain("power off guest "+ref, err)
	}
	return res.Returnval.Value, nil
}

// SuspendGuest suspends it to disk. It returns the task.
func (c *Client) SuspendGuest(ctx context.Context, ref string) (string, error) {
	res, err := methods.SuspendVM_Task(ctx, c.vim, &types.SuspendVM_Task{This: vmRef(ref)})
	if err != nil {
		return "", c.explain("suspend guest "+ref, err)
	}
	return res.Returnval.Value, nil
}

func isTrue(b *bool) bool { return b != nil && *b }

func refValue(r *types.ManagedObjectReference) string {
	if r == nil {
		return ""
	}
	return r.Value
}

func refValues(list []types.ManagedObjectReference) []string {
	var out []string
	for _, r := range list {
		out = append(out, r.Value)
	}
	return out
}

// plainName undoes the escapes that vSphere keeps in names: a VM that is called a/b has the name a%2fb.
func plainName(s string) string {
	return strings.NewReplacer("%2f", "/", "%2F", "/", "%5c", `\`, "%5C", `\`, "%25", "%").Replace(s)
}

// shownName is a name as plans and people have it.
func shownName(s string) string { return oneLine(plainName(s)) }

// oneLine keeps a text to its line: a name with a line feed in it would write lines of its own into plans and pages, which
// people approve, or follow.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
			return utf8.RuneError
		}
		return r
	}, s)
}
