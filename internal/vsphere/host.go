package vsphere

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/fault"
	"nightshift/internal/live"
)

var hostProperties = []string{
	"name", "parent", "datastore", "hardware.systemInfo", "summary.hardware", "summary.config.product", "config.lockdownMode", "config.network.pnic",
	"runtime.connectionState", "runtime.powerState", "runtime.inMaintenanceMode", "runtime.bootTime", "alarmActionsEnabled",
}

// newHost makes plain data from what was read. ReadOnly is not known here.
func newHost(h *mo.HostSystem) live.Host {
	out := live.Host{
		Ref: h.Self.Value, Name: shownName(h.Name), Cluster: clusterOf(h.Parent),
		Connection: string(h.Runtime.ConnectionState), Power: string(h.Runtime.PowerState),
		Maintenance: h.Runtime.InMaintenanceMode, Datastores: refValues(h.Datastore), Alarms: alarmsText(h.AlarmActionsEnabled),
	}
	if at := h.Runtime.BootTime; at != nil {
		out.Booted = at.UTC().Truncate(time.Second)
	}
	var other []types.HostSystemIdentificationInfo
	if s := h.Summary.Hardware; s != nil {
		out.UUID, other = strings.ToLower(s.Uuid), s.OtherIdentifyingInfo
	}
	if h.Hardware != nil {
		s := h.Hardware.SystemInfo
		if s.Uuid != "" {
			out.UUID = strings.ToLower(s.Uuid)
		}
		out.Serial, other = plausible(s.SerialNumber), append(other, s.OtherIdentifyingInfo...)
	}
	if tag := serial(other); tag != "" {
		out.Serial = tag
	}
	if p := h.Summary.Config.Product; p != nil {
		out.Version, out.Build = p.Version, p.Build
	}
	if h.Config != nil {
		out.Lockdown = string(h.Config.LockdownMode)
		if n := h.Config.Network; n != nil {
			for _, card := range n.Pnic {
				out.MACs = append(out.MACs, strings.ToLower(card.Mac))
			}
		}
	}
	return out
}

// serial finds the service tag, or else another serial number, in what the SMBIOS tells.
func serial(info []types.HostSystemIdentificationInfo) string {
	for _, kind := range []string{"ServiceTag", "SerialNumberTag", "EnclosureSerialNumberTag"} {
		for _, i := range info {
			if i.IdentifierType == nil || i.IdentifierType.GetElementDescription().Key != kind {
				continue
			}
			if v := plausible(i.IdentifierValue); v != "" {
				return v
			}
		}
	}
	return ""
}

// plausible is empty for what boards say that were never given a number.
func plausible(s string) string {
	s = strings.TrimSpace(s)
	switch strings.ToLower(strings.Trim(s, ". ")) {
	case "unknown", "none", "not specified", "default string", "to be filled by o.e.m", "system serial number", "0":
		return ""
	}
	return s
}

// clusterOf is the host's parent where that is a cluster.
func clusterOf(parent *types.ManagedObjectReference) string {
	if parent == nil || parent.Type != "ClusterComputeResource" {
		return ""
	}
	return parent.Value
}

// Host reads one host. ReadOnly is only known on a direct ESXi host.
func (c *Client) Host(ctx context.Context, ref string) (live.Host, error) {
	var out live.Host
	err := c.read(ctx, "read host "+ref, func(ctx context.Context) error {
		got, err := c.retrieve(ctx, wants{"HostSystem": hostProperties}, object(hostRef(ref)))
		if err != nil {
			return err
		}
		list := allOf[mo.HostSystem](got)
		if len(list) == 0 {
			return fault.As(fault.NotFound, fmt.Errorf("host %s is not there (any more)", ref))
		}
		out = newHost(list[0])
		out.ReadOnly, _, err = c.readOnly(ctx)
		return err
	})
	return out, err
}

// EnterMaintenance begins to put a host into maintenance mode and returns the task. It waits for running guests to
// leave; powered-off ones stay. timeout 0: it waits for ever.
func (c *Client) EnterMaintenance(ctx context.Context, ref string, timeout time.Duration) (string, error) {
	res, err := methods.EnterMaintenanceMode_Task(ctx, c.vim, &types.EnterMaintenanceMode_Task{
		This: hostRef(ref), Timeout: seconds(timeout), EvacuatePoweredOffVms: types.NewBool(false)})
	if err != nil {
		return "", c.explain("put host "+ref+" into maintenance mode", err)
	}
	return res.Returnval.Value, nil
}

// ExitMaintenance begins to take a host out of maintenance mode and returns the task. timeout 0: it waits for ever.
func (c *Client) ExitMaintenance(ctx context.Context, ref string, timeout time.Duration) (string, error) {
	res, err := methods.ExitMaintenanceMode_Task(ctx, c.vim, &types.ExitMaintenanceMode_Task{This: hostRef(ref), Timeout: seconds(timeout)})
	if err != nil {
		return "", c.explain("take host "+ref+" out of maintenance mode", err)
	}
	return res.Returnval.Value, nil
}

// ShutdownHost begins to shut a host down and returns the task. force skips only the check for maintenance mode. A
// task that succeeded says that the host began, not that it is off.
func (c *Client) ShutdownHost(ctx context.Context, ref string, force bool) (string, error) {
	res, err := methods.ShutdownHost_Task(ctx, c.vim, &types.ShutdownHost_Task{This: hostRef(ref), Force: force})
	if err != nil {
		return "", c.explain("shut down host "+ref, err)
	}
	return res.Returnval.Value, nil
}

// RebootHost begins to reboot a host that is in maintenance mode and returns the task. A task that succeeded says that the
// host began, not that it is back.
func (c *Client) RebootHost(ctx context.Context, ref string) (string, error) {
	res, err := methods.RebootHost_Task(ctx, c.vim, &types.RebootHost_Task{This: hostRef(ref)})
	if err != nil {
		return "", c.explain("reboot host "+ref, err)
	}
	return res.Returnval.Value, nil
}

// seconds rounds up, so that a short time-out does not become none.
func seconds(d time.Duration) int32 {
	s := math.Ceil(d.Seconds())
	return int32(min(s, math.MaxInt32))
}
