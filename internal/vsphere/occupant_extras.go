package vsphere

import (
	"context"
	"errors"
	"slices"

	"github.com/vmware/govmomi/pbm"
	pbmtypes "github.com/vmware/govmomi/pbm/types"

	"nightshift/internal/fault"
	"nightshift/internal/live"
)

// occupantExtras reads of VMs what other services of the vCenter know: their tags and storage policies. What one of them does not
// tell is a gap, unless the login is refused or the time is up.
func (c *Client) occupantExtras(ctx context.Context, out *live.Occupants) error {
	if !c.vim.IsVC() { // ESXi has neither
		return nil
	}
	for _, x := range []struct {
		what string
		read func() error
	}{
		{"tags", func() error {
			tags, err := c.guestTags(ctx)
			for i := range out.Guests {
				out.Guests[i].Tags = tags[out.Guests[i].Ref]
			}
			return err
		}},
		{"storage policies", func() error { return c.addPolicies(ctx, out.Guests) }},
	} {
		err := x.read()
		if err == nil {
			continue
		}
		if notAuthenticated(err) || errors.Is(err, fault.Auth) || ctx.Err() != nil {
			return err
		}
		_, text := describe(err, false)
		if said := (*callError)(nil); errors.As(err, &said) {
			text = said.text
		}
		out.NotRead = append(out.NotRead, live.Gap{What: x.what, Why: text})
	}
	return nil
}

// policyEntity is what the policy service calls a VM.
const policyEntity = string(pbmtypes.PbmObjectTypeVirtualMachine)

// addPolicies reads the names of the storage policies of VMs: of their home directories.
func (c *Client) addPolicies(ctx context.Context, guests []live.Occupant) error {
	if len(guests) == 0 {
		return nil
	}
	api, err := pbm.NewClient(ctx, c.vim)
	if err != nil {
		return c.explain("read storage policies", err)
	}
	var asked []pbmtypes.PbmServerObjectRef
	for _, g := range guests {
		asked = append(asked, pbmtypes.PbmServerObjectRef{ObjectType: policyEntity, Key: g.Ref})
	}
	found, err := api.QueryAssociatedProfiles(ctx, asked)
	if err != nil {
		return c.explain("read storage policies", err)
	}
	var ids []pbmtypes.PbmProfileId
	of := map[string][]string{} // ids by Ref
	for _, f := range found {
		for _, id := range f.ProfileId {
			of[f.Object.Key] = append(of[f.Object.Key], id.UniqueId)
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	list, err := api.RetrieveContent(ctx, ids)
	if err != nil {
		return c.explain("read storage policies", err)
	}
	names := map[string]string{}
	for _, p := range list {
		names[p.GetPbmProfile().ProfileId.UniqueId] = oneLine(p.GetPbmProfile().Name)
	}
	for i := range guests {
		for _, id := range of[guests[i].Ref] {
			if name := names[id]; name != "" && !slices.Contains(guests[i].Policies, name) {
				guests[i].Policies = append(guests[i].Policies, name)
			}
		}
		slices.Sort(guests[i].Policies)
	}
	return nil
}
