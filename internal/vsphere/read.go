package vsphere

import (
	"context"
	"slices"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// wants says which properties of which types to read.
type wants map[string][]string

// of makes the filter that reads them on the way that the object specs describe.
func (w wants) of(objects ...types.ObjectSpec) types.PropertyFilterSpec {
	spec := types.PropertyFilterSpec{ObjectSet: objects}
	for kind, paths := range w {
		spec.PropSet = append(spec.PropSet, types.PropertySpec{Type: kind, PathSet: paths})
	}
	slices.SortFunc(spec.PropSet, func(a, b types.PropertySpec) int {
		if a.Type < b.Type {
			return -1
		}
		return 1
	})
	return spec
}

// found is what was read: pointers to mo structs, in the server's order.
type found struct {
	objects []any
	// hidden says that the account may not see some properties.
	hidden bool
}

// retrieve reads properties. Those that an object does not have, or that may not be seen, stay at their zero value.
func (c *Client) retrieve(ctx context.Context, w wants, objects ...types.ObjectSpec) (found, error) {
	content, err := mo.RetrievePropertiesEx(ctx, c.vim, types.RetrievePropertiesEx{
		This:    c.vim.ServiceContent.PropertyCollector,
		SpecSet: []types.PropertyFilterSpec{w.of(objects...)},
	})
	if err != nil {
		return found{}, err
	}
	var got found
	for _, o := range content {
		for _, m := range o.MissingSet {
			switch m.Fault.Fault.(type) {
			case *types.NotAuthenticated: // some versions say it here
				return found{}, soap.WrapVimFault(m.Fault.Fault)
			case *types.NoPermission:
				got.hidden = true
			}
		}
		o.MissingSet = nil
		v, err := mo.ObjectContentToType(o, true)
		if err != nil {
			return found{}, err
		}
		got.objects = append(got.objects, v)
	}
	return got, nil
}

// allOf picks the objects of one type.
func allOf[T any](f found) []*T {
	var out []*T
	for _, o := range f.objects {
		if t, ok := o.(*T); ok {
			out = append(out, t)
		}
	}
	return out
}

// object starts a read at one object, which is read itself, and goes on from there.
func object(ref types.ManagedObjectReference, along ...types.BaseSelectionSpec) types.ObjectSpec {
	return types.ObjectSpec{Obj: ref, SelectSet: along}
}

// along follows a property from objects of a type to others.
func along(kind, path string, further ...types.BaseSelectionSpec) types.BaseSelectionSpec {
	return &types.TraversalSpec{Type: kind, Path: path, SelectSet: further}
}

// inView reads properties of everything in the inventory of the types in w.
func (c *Client) inView(ctx context.Context, w wants) (found, error) {
	kinds := make([]string, 0, len(w))
	for k := range w {
		kinds = append(kinds, k)
	}
	slices.Sort(kinds)
	res, err := methods.CreateContainerView(ctx, c.vim, &types.CreateContainerView{
		This: *c.vim.ServiceContent.ViewManager, Container: c.vim.ServiceContent.RootFolder, Type: kinds, Recursive: true,
	})
	if err != nil {
		return found{}, err
	}
	view := res.Returnval
	defer func() {
		// Also when ctx is over: a vCenter keeps views as long as the session lives.
		_, _ = methods.DestroyView(context.WithoutCancel(ctx), direct{c.session}, &types.DestroyView{This: view})
	}()
	start := object(view, along("ContainerView", "view"))
	start.Skip = types.NewBool(true)
	return c.retrieve(ctx, w, start)
}
