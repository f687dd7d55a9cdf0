package vsphere

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/fault"
)

// What a privilege must be held on.
const (
	OnGuest   = "guest"
	OnHost    = "host"
	OnCluster = "cluster"
	OnRoot    = "root" // the vCenter itself: its root folder
)

// A Privilege that a verb of the Client needs.
type Privilege struct {
	Verb string // "ShutdownGuest"
	On   string // OnGuest …
	ID   string // as vSphere names it: "VirtualMachine.Interact.PowerOff"
	// Optional ones are for reading more; without them the rest works.
	Optional bool
}

// Privileges lists what the account of nightshift needs, by verb.
func Privileges() []Privilege {
	return []Privilege{
		{Verb: "Inspect", On: OnRoot, ID: "System.View"},
		{Verb: "Inspect", On: OnRoot, ID: "System.Read"},
		{Verb: "Inspect", On: OnRoot, ID: "Global.Licenses", Optional: true},
		{Verb: "ShutdownGuest", On: OnGuest, ID: "VirtualMachine.Interact.PowerOff"},
		{Verb: "PowerOffGuest", On: OnGuest, ID: "VirtualMachine.Interact.PowerOff"},
		{Verb: "SuspendGuest", On: OnGuest, ID: "VirtualMachine.Interact.Suspend", Optional: true},
		{Verb: "PowerOnGuest", On: OnGuest, ID: "VirtualMachine.Interact.PowerOn"},
		{Verb: "EnterMaintenance", On: OnHost, ID: "Host.Config.Maintenance"},
		{Verb: "ExitMaintenance", On: OnHost, ID: "Host.Config.Maintenance"},
		{Verb: "ShutdownHost", On: OnHost, ID: "Host.Config.Maintenance"},
		{Verb: "SetHA", On: OnCluster, ID: "Host.Inventory.EditCluster"},
		{Verb: "SetDRSLevel", On: OnCluster, ID: "Host.Inventory.EditCluster"},
		{Verb: "SetDPM", On: OnCluster, ID: "Host.Inventory.EditCluster"},
		{Verb: "SetVCLS", On: OnRoot, ID: "Global.Settings"},
		{Verb: "SetMark", On: OnRoot, ID: "Global.ManageCustomFields"},
		{Verb: "SetMark", On: OnRoot, ID: "Global.SetCustomField"},
		{Verb: "SetClusterNote", On: OnRoot, ID: "Global.ManageCustomFields", Optional: true},
		{Verb: "SetClusterNote", On: OnCluster, ID: "Global.SetCustomField", Optional: true},
		{Verb: "Rescan", On: OnHost, ID: "Host.Config.Storage", Optional: true},
	}
}

// MissingPrivileges asks which of the wanted privileges (ids by Ref) the account does not have. A Ref without missing
// ones is not in the answer.
func (c *Client) MissingPrivileges(ctx context.Context, wanted map[string][]string) (map[string][]string, error) {
	out := map[string][]string{}
	err := c.read(ctx, "compare the rights of "+c.user, func(ctx context.Context) error {
		clear(out)
		for ref, ids := range wanted {
			out[ref] = append(out[ref], ids...) // also those of which the server says nothing
		}
		granted, err := c.granted(ctx, wanted)
		if err != nil {
			return err
		}
		for ref := range out {
			out[ref] = slices.DeleteFunc(out[ref], func(id string) bool { return granted[ref][id] })
		}
		maps.DeleteFunc(out, func(_ string, missing []string) bool { return len(missing) == 0 })
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// granted asks one question for all objects with the same list of privileges.
func (c *Client) granted(ctx context.Context, wanted map[string][]string) (map[string]map[string]bool, error) {
	manager := c.vim.ServiceContent.AuthorizationManager
	if manager == nil {
		return nil, fault.As(fault.Unsupported, errors.New("it does not tell who may do what"))
	}
	groups := map[string][]types.ManagedObjectReference{}
	lists := map[string][]string{}
	for _, ref := range slices.Sorted(maps.Keys(wanted)) {
		key := fmt.Sprint(wanted[ref])
		groups[key] = append(groups[key], c.anyRef(ref))
		lists[key] = wanted[ref]
	}
	out := map[string]map[string]bool{}
	for key, entities := range groups {
		res, err := methods.HasPrivilegeOnEntities(ctx, c.vim, &types.HasPrivilegeOnEntities{
			This: *manager, Entity: entities, SessionId: c.session.id(), PrivId: lists[key]})
		if err != nil {
			return nil, err
		}
		for _, e := range res.Returnval {
			has := map[string]bool{}
			for _, p := range e.PrivAvailability {
				has[p.PrivId] = p.IsGranted
			}
			out[e.Entity.Value] = has
		}
	}
	return out, nil
}
