package vsphere

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/vmware/govmomi/pbm"
	pbmtypes "github.com/vmware/govmomi/pbm/types"

	"nightshift/internal/fault"
	"nightshift/internal/live"
	"nightshift/internal/words"
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

// What the policy service calls things.
const (
	policyHome = string(pbmtypes.PbmObjectTypeVirtualMachine) // the home directory of a VM, by its Ref
	policyDisk = string(pbmtypes.PbmObjectTypeVirtualDiskId)  // a disk: "vm-12:2000"
)

const (
	// policiesAtOnce is for how many homes and disks one call asks: 2,000 VMs may have ten thousand.
	policiesAtOnce = 500
	// fewUnread is how many of those are named whose policies could not be read.
	fewUnread = 3
)

// A policied thing is one that may have storage policies.
type policied struct {
	what  string
	ids   []string
	names *[]string
}

// addPolicies reads the names of the storage policies of VMs: of their home directories and of each disk, which may have others.
func (c *Client) addPolicies(ctx context.Context, guests []live.Occupant) error {
	if len(guests) == 0 {
		return nil
	}
	api, err := pbm.NewClient(ctx, c.vim)
	if err != nil {
		return c.explain(readPolicies, err)
	}
	things, asked := policiedOf(guests)
	var ids []pbmtypes.PbmProfileId
	var unread []string
	why := ""
	for part := range slices.Chunk(asked, policiesAtOnce) {
		found, err := api.QueryAssociatedProfiles(ctx, part)
		if err != nil {
			return c.explain(readPolicies, err)
		}
		for _, f := range found {
			t := things[f.Object.Key]
			if t == nil {
				continue
			}
			if f.Fault != nil { // of this one alone
				unread = append(unread, t.what)
				if why == "" && f.Fault.Fault != nil {
					_, why = describeFault(f.Fault.Fault, f.Fault.LocalizedMessage)
				}
			}
			for _, id := range f.ProfileId {
				t.ids = append(t.ids, id.UniqueId)
				if !slices.Contains(ids, id) {
					ids = append(ids, id)
				}
			}
		}
	}
	if err := c.namePolicies(ctx, api, things, ids); err != nil {
		return err
	}
	if len(unread) > 0 {
		return c.explain(readPolicies, fmt.Errorf("%s: %s", words.Some(unread, fewUnread), cmp.Or(why, "the vCenter does not say why")))
	}
	return nil
}

const readPolicies = "read storage policies"

// policiedOf lists the homes and disks of VMs, by their keys and as the policy service is asked for them.
func policiedOf(guests []live.Occupant) (things map[string]*policied, asked []pbmtypes.PbmServerObjectRef) {
	things = map[string]*policied{}
	add := func(kind, key, what string, names *[]string) {
		things[key] = &policied{what: what, names: names}
		asked = append(asked, pbmtypes.PbmServerObjectRef{ObjectType: kind, Key: key})
	}
	for i := range guests {
		g := &guests[i]
		add(policyHome, g.Ref, g.Name, &g.Policies)
		for j := range g.Disks {
			d := &g.Disks[j]
			add(policyDisk, fmt.Sprintf("%s:%d", g.Ref, d.Key), cmp.Or(d.Label, d.Path)+" of "+g.Name, &d.Policies)
		}
	}
	return things, asked
}

// namePolicies gives things the names of their policies.
func (c *Client) namePolicies(ctx context.Context, api *pbm.Client, things map[string]*policied, ids []pbmtypes.PbmProfileId) error {
	if len(ids) == 0 {
		return nil
	}
	list, err := api.RetrieveContent(ctx, ids)
	if err != nil {
		return c.explain(readPolicies, err)
	}
	names := map[string]string{}
	for _, p := range list {
		names[p.GetPbmProfile().ProfileId.UniqueId] = oneLine(p.GetPbmProfile().Name)
	}
	for _, t := range things {
		for _, id := range t.ids {
			if name := names[id]; name != "" && !slices.Contains(*t.names, name) {
				*t.names = append(*t.names, name)
			}
		}
		slices.Sort(*t.names)
	}
	return nil
}
