package simlab

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// UpdateOptions sets vCenter options. Values are replaced, never changed in place: answers that hold them may still be
// on their way out.
func (e *extension) UpdateOptions(ctx *simulator.Context, req *types.UpdateOptions) soap.HasFault {
	body := new(methods.UpdateOptionsBody)
	m := ctx.Map.OptionManager()
	ctx.WithLock(m, func() {
		settings := slices.Clone(m.Setting)
		for _, change := range req.ChangedValue {
			v := *change.GetOptionValue()
			i := slices.IndexFunc(settings, func(o types.BaseOptionValue) bool { return o.GetOptionValue().Key == v.Key })
			switch {
			case i >= 0:
				settings[i] = &v
			case strings.HasPrefix(v.Key, "config."):
				settings = append(settings, &v)
			default:
				body.Fault_ = simulator.Fault("", &types.InvalidName{Name: v.Key})
				return
			}
		}
		set(ctx, m, "setting", settings)
		body.Res = new(types.UpdateOptionsResponse)
	})
	if body.Res != nil {
		e.view.lab.optionsChanged(req.ChangedValue)
	}
	return body
}

// optionsChanged acts on the options that mean something here: vCLS retreat mode.
func (l *Lab) optionsChanged(values []types.BaseOptionValue) {
	l.change(func(*touched) {
		for _, o := range values {
			v := o.GetOptionValue()
			for _, c := range l.clusters {
				if v.Key == vclsOption(c) {
					c.retreat = strings.EqualFold(fmt.Sprint(v.Value), "false")
				}
			}
		}
	})
}
