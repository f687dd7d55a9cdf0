package vsphere

import (
	"context"
	"fmt"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/fault"
)

// attribute reads a custom attribute of a folder or a cluster: its key (nil: there is no such attribute yet) and its
// value. A direct ESXi host has none.
func (c *Client) attribute(ctx context.Context, name string, of types.ManagedObjectReference) (*int32, string, error) {
	manager := c.vim.ServiceContent.CustomFieldsManager
	if manager == nil || !c.vim.IsVC() {
		return nil, "", nil
	}
	got, err := c.retrieve(ctx, wants{"CustomFieldsManager": {"field"}, of.Type: {"customValue"}}, object(*manager), object(of))
	if err != nil {
		return nil, "", err
	}
	var key *int32
	for _, m := range allOf[mo.CustomFieldsManager](got) {
		for _, f := range m.Field {
			if f.Name == name && (f.ManagedObjectType == of.Type || f.ManagedObjectType == "") {
				key = &f.Key
			}
		}
	}
	if key == nil {
		return nil, "", nil
	}
	for _, v := range customValues(got) {
		if s, ok := v.(*types.CustomFieldStringValue); ok && s.Key == *key {
			return key, s.Value, nil
		}
	}
	return key, "", nil
}

func customValues(got found) []types.BaseCustomFieldValue {
	var out []types.BaseCustomFieldValue
	for _, f := range allOf[mo.Folder](got) {
		out = append(out, f.CustomValue...)
	}
	for _, cl := range allOf[mo.ClusterComputeResource](got) {
		out = append(out, cl.CustomValue...)
	}
	return out
}

// setAttribute gives a custom attribute its value; empty clears it. It makes the attribute where it does not exist yet.
func (c *Client) setAttribute(ctx context.Context, op, name string, of types.ManagedObjectReference, value string) error {
	manager := c.vim.ServiceContent.CustomFieldsManager
	if manager == nil || !c.vim.IsVC() {
		return fault.As(fault.Unsupported, fmt.Errorf("%s at %s: only a vCenter has custom attributes", op, c.name))
	}
	find := func() (key *int32, err error) {
		err = c.read(ctx, op, func(ctx context.Context) (err error) {
			key, _, err = c.attribute(ctx, name, of)
			return err
		})
		return key, err
	}
	key, err := find()
	if err != nil || (key == nil && value == "") {
		return err
	}
	if key == nil {
		res, err := methods.AddCustomFieldDef(ctx, c.vim, &types.AddCustomFieldDef{This: *manager, Name: name, MoType: of.Type})
		if _, taken := faultOf(err).(*types.DuplicateName); taken { // somebody made it at the same moment
			if key, err = find(); err != nil || key == nil {
				return err
			}
		} else if err != nil {
			return c.explain(op, err)
		} else {
			key = &res.Returnval.Key
		}
	}
	_, err = methods.SetField(ctx, c.vim, &types.SetField{This: *manager, Entity: of, Key: *key, Value: value})
	return c.explain(op, err)
}
