package vsphere

import (
	"context"
	"fmt"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/fault"
)

// markName is the custom attribute that says which nightshift works on a vCenter. It is on the root folder: there is
// exactly one, it is never moved or deleted, and it covers all clusters. Its type is Folder, so that the attribute does
// not show up, empty, at every VM.
const (
	markName = "nightshift"
	markType = "Folder"
)

// Mark reads who works on this vCenter; empty: nobody, or a direct ESXi host, which has no custom attributes.
func (c *Client) Mark(ctx context.Context) (string, error) {
	var out string
	err := c.read(ctx, "read the mark", func(ctx context.Context) error {
		var err error
		_, out, err = c.mark(ctx)
		return err
	})
	return out, err
}

// mark reads the attribute's key (nil: there is no such attribute yet) and its value.
func (c *Client) mark(ctx context.Context) (*int32, string, error) {
	manager := c.vim.ServiceContent.CustomFieldsManager
	if manager == nil || !c.vim.IsVC() {
		return nil, "", nil
	}
	got, err := c.retrieve(ctx, wants{"CustomFieldsManager": {"field"}, "Folder": {"customValue"}},
		object(*manager), object(c.vim.ServiceContent.RootFolder))
	if err != nil {
		return nil, "", err
	}
	var key *int32
	for _, m := range allOf[mo.CustomFieldsManager](got) {
		for _, f := range m.Field {
			if f.Name == markName && (f.ManagedObjectType == markType || f.ManagedObjectType == "") {
				key = &f.Key
			}
		}
	}
	if key == nil {
		return nil, "", nil
	}
	for _, root := range allOf[mo.Folder](got) {
		for _, v := range root.CustomValue {
			if s, ok := v.(*types.CustomFieldStringValue); ok && s.Key == *key {
				return key, s.Value, nil
			}
		}
	}
	return key, "", nil
}

// SetMark writes who works on this vCenter; empty clears it. It makes the attribute where it does not exist yet, so
// that it may be two calls; both may be repeated without harm.
func (c *Client) SetMark(ctx context.Context, value string) error {
	op := "set the mark (custom attribute " + markName + " of the root folder)"
	manager := c.vim.ServiceContent.CustomFieldsManager
	if manager == nil || !c.vim.IsVC() {
		return fault.As(fault.Unsupported, fmt.Errorf("%s at %s: only a vCenter has custom attributes", op, c.name))
	}
	var key *int32
	err := c.read(ctx, op, func(ctx context.Context) error {
		var err error
		key, _, err = c.mark(ctx)
		return err
	})
	if err != nil || (key == nil && value == "") {
		return err
	}
	if key == nil {
		res, err := methods.AddCustomFieldDef(ctx, c.vim, &types.AddCustomFieldDef{This: *manager, Name: markName, MoType: markType})
		if err != nil {
			return c.explain(op, err)
		}
		key = &res.Returnval.Key
	}
	_, err = methods.SetField(ctx, c.vim, &types.SetField{This: *manager, Entity: c.vim.ServiceContent.RootFolder, Key: *key, Value: value})
	return c.explain(op, err)
}
