package vsphere

import (
	"context"
	"fmt"
	"strings"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/fault"
	"nightshift/internal/live"
)

// vclsOption is the name of the vCenter's setting that allows vCLS VMs in a cluster.
func vclsOption(cluster string) string { return "config.vcls.clusters." + cluster + ".enabled" }

const vclsName = "vCLS" // "vCLS (1)" in 7.0, "vCLS-" and a UUID later

// isVCLS recognises the agent VMs of vSphere Cluster Services by name and owner. The name alone proves nothing: anyone
// can use it; those with the name and another owner are looked at by findAgents.
func isVCLS(name string, by *types.ManagedByInfo) bool {
	return strings.HasPrefix(name, vclsName) && by != nil && (by.ExtensionKey == "com.vmware.vim.eam" || by.Type == "cluster-agent")
}

// findAgents marks those guests as vCLS that have the name and, in their settings, the sign of an agent. The settings
// are long, so that they are read of no other.
func (c *Client) findAgents(ctx context.Context, guests []live.Guest) error {
	for i := range guests {
		g := &guests[i]
		if g.VCLS || !strings.HasPrefix(g.Name, vclsName) {
			continue
		}
		got, err := c.retrieve(ctx, wants{"VirtualMachine": {"config.extraConfig"}}, object(vmRef(g.Ref)))
		if _, gone := faultOf(err).(*types.ManagedObjectNotFound); gone {
			continue
		}
		if err != nil {
			return err
		}
		for _, vm := range allOf[mo.VirtualMachine](got) {
			g.VCLS = isAgent(vm.Config)
		}
	}
	return nil
}

func isAgent(config *types.VirtualMachineConfigInfo) bool {
	if config == nil {
		return false
	}
	for _, o := range config.ExtraConfig {
		if v := o.GetOptionValue(); v.Key == "HDCS.agent" {
			return strings.EqualFold(fmt.Sprint(v.Value), "true")
		}
	}
	return false
}

// options reads the settings of the vCenter with that name. None is no error, nor is an ESXi host, which has none.
func (c *Client) options(ctx context.Context, name string) (map[string]any, error) {
	manager := c.vim.ServiceContent.Setting
	if manager == nil || !c.vim.IsVC() {
		return nil, nil
	}
	res, err := methods.QueryOptions(ctx, c.vim, &types.QueryOptions{This: *manager, Name: name})
	if err != nil {
		if _, none := faultOf(err).(*types.InvalidName); none {
			return nil, nil
		}
		return nil, err
	}
	out := map[string]any{}
	for _, o := range res.Returnval {
		v := o.GetOptionValue()
		out[v.Key] = v.Value
	}
	return out, nil
}

// vclsValue is the setting of a cluster; nil: it was never set.
func vclsValue(options map[string]any, cluster string) *string {
	v, ok := options[vclsOption(cluster)]
	if !ok || v == nil {
		return nil
	}
	s := fmt.Sprint(v)
	return &s
}

// SetVCLS sets config.vcls.clusters.<ref>.enabled: "false" (retreat mode) makes the vCenter remove the cluster's vCLS
// VMs in the next minutes, "true" brings them back. A setting cannot be removed again through the API: an empty value
// means the default, "true".
func (c *Client) SetVCLS(ctx context.Context, ref, value string) error {
	if value == "" {
		value = "true"
	}
	op := fmt.Sprintf("set %s to %s", vclsOption(ref), value)
	manager := c.vim.ServiceContent.Setting
	if manager == nil || !c.vim.IsVC() {
		return fault.As(fault.Unsupported, fmt.Errorf("%s at %s: only a vCenter has this setting", op, c.name))
	}
	var old any
	err := c.read(ctx, op, func(ctx context.Context) error {
		options, err := c.options(ctx, vclsOption(ref))
		old = options[vclsOption(ref)]
		return err
	})
	if err != nil {
		return err
	}
	var typed any = value
	if _, isBool := old.(bool); isBool { // a value of another type than before is refused
		typed = strings.EqualFold(value, "true")
	}
	_, err = methods.UpdateOptions(ctx, c.vim, &types.UpdateOptions{This: *manager,
		ChangedValue: []types.BaseOptionValue{&types.OptionValue{Key: vclsOption(ref), Value: typed}}})
	return c.explain(op, err)
}

// VCLSRunning names the vCLS VMs of a cluster that run or may run: all that a connected host does not show as off.
// Those on a host that does not answer are left out, as nobody can remove them.
func (c *Client) VCLSRunning(ctx context.Context, ref string) ([]string, error) {
	var out []string
	err := c.read(ctx, "read the vCLS VMs of cluster "+ref, func(ctx context.Context) error {
		out = nil
		got, err := c.retrieve(ctx, wants{
			"VirtualMachine": {"name", "config.managedBy", "runtime.host", "runtime.powerState", "runtime.connectionState"},
			"HostSystem":     {"runtime.connectionState"},
			// Read as well, so that a cluster that is gone is an error and not one without vCLS VMs.
			"ClusterComputeResource": {"name"},
		}, object(clusterRef(ref), along("ComputeResource", "host", along("HostSystem", "vm"))))
		if err != nil {
			return err
		}
		answers := map[string]bool{}
		for _, h := range allOf[mo.HostSystem](got) {
			answers[h.Self.Value] = string(h.Runtime.ConnectionState) == live.Connected
		}
		var running []live.Guest
		for _, vm := range allOf[mo.VirtualMachine](got) {
			if g := newGuest(vm); g.Power != live.PoweredOff && answers[g.Host] {
				running = append(running, g)
			}
		}
		if err := c.findAgents(ctx, running); err != nil {
			return err
		}
		for _, g := range running {
			if g.VCLS {
				out = append(out, g.Name)
			}
		}
		return nil
	})
	return out, err
}
