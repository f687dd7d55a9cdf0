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
