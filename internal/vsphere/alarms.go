package vsphere

import (
	"context"
	"errors"
	"fmt"

	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"

	"nightshift/internal/fault"
	"nightshift/internal/live"
)

const privilegeAlarms = "Alarm.DisableActions"

// alarmsText is what the property alarmActionsEnabled says.
func alarmsText(enabled *bool) string {
	switch {
	case enabled == nil:
		return ""
	case *enabled:
		return live.AlarmsOn
	}
	return live.AlarmsOff
}

// SetAlarmActions lets the alarms of a cluster or a host act, or not. Those of what is in it are others. It makes no task.
func (c *Client) SetAlarmActions(ctx context.Context, ref string, on bool) error {
	op := fmt.Sprintf("set the alarm actions of %s to %t", ref, on)
	manager := c.vim.ServiceContent.AlarmManager
	if manager == nil {
		return fault.As(fault.Unsupported, fmt.Errorf("%s at %s: it has no alarms", op, c.name))
	}
	_, err := methods.EnableAlarmActions(ctx, c.vim, &types.EnableAlarmActions{This: *manager, Entity: c.anyRef(ref), Enabled: on})
	if err != nil {
		return c.explain(op, err)
	}
	return nil
}

// addAlarmRights marks those whose alarm actions are on and cannot be switched off by this account. Where nobody tells, it
// is taken for that: what needs no alarms needs no more rights.
func (c *Client) addAlarmRights(ctx context.Context, out *live.VCenter) error {
	if !c.vim.IsVC() {
		return nil
	}
	wanted, on := map[string][]string{}, map[string]*string{}
	add := func(ref string, alarms *string) {
		if *alarms == live.AlarmsOn {
			wanted[ref], on[ref] = []string{privilegeAlarms}, alarms
		}
	}
	for i := range out.Clusters {
		add(out.Clusters[i].Ref, &out.Clusters[i].Alarms)
	}
	for i := range out.Hosts {
		add(out.Hosts[i].Ref, &out.Hosts[i].Alarms)
	}
	if len(wanted) == 0 {
		return nil
	}
	granted, err := c.granted(ctx, wanted)
	if err != nil {
		if kind, _ := describe(err, false); notAuthenticated(err) || ctx.Err() != nil || errors.Is(kind, fault.Unreachable) {
			return err
		}
	}
	for ref, alarms := range on {
		if !granted[ref][privilegeAlarms] {
			*alarms = live.AlarmsDenied
		}
	}
	return nil
}
