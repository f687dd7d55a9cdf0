package activities

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/ledger"
	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// clusterSystem is what a vCenter does with clusters. The acts send one call and wait for nothing.
type clusterSystem interface {
	Cluster(ctx context.Context, ref string) (live.Cluster, error)
	// VCLSRunning names the vCLS VMs that run.
	VCLSRunning(ctx context.Context, ref string) ([]string, error)
	SetHA(ctx context.Context, ref string, on bool) (task string, err error)
	SetDRSLevel(ctx context.Context, ref, level string) (task string, err error)
	SetDPM(ctx context.Context, ref string, on bool) (task string, err error)
	// SetVCLS makes no task. "" gives back the default.
	SetVCLS(ctx context.Context, ref, value string) error
	// SetAlarmActions makes no task. The object is a cluster or a host.
	SetAlarmActions(ctx context.Context, ref string, on bool) error
	noteSystem
}

const (
	settingLimit = 4 * time.Minute
	manual       = "manual"
)

// A settingStep is a step on one setting of a cluster.
type settingStep struct {
	a       *Activities
	call    plan.Call
	vc      vcenter
	setting plan.Setting
	live    live.Cluster // as last read
	note    *clusterNote
}

func (a *Activities) settingStep(ctx context.Context, c plan.Call) (*settingStep, error) {
	p, err := params[plan.SettingParams](c)
	if err != nil {
		return nil, err
	}
	switch p.Setting {
	case plan.HA, plan.DRS, plan.DPM, plan.VCLS, plan.Alarms:
	default:
		return nil, refuse(fault.Invalid, "there is no setting %q", p.Setting)
	}
	if h, ok := a.lab.HostByAddress(c.Target.Endpoint, c.Target.Name); c.Target.Kind == plan.Host && (p.Setting != plan.Alarms || !ok || h.Keep) {
		return nil, refuse(errUnsafe, "%s is not to be touched, says the lab file", c.Target)
	}
	if entry, ok := a.lab.Cluster(c.Target.Endpoint, c.Target.Name); ok && entry.Keep {
		return nil, refuse(errUnsafe, "the cluster is kept by the lab file")
	}
	vc, err := a.clients.vcenter(ctx, c.Target.Endpoint)
	return &settingStep{a: a, call: c, vc: vc, setting: p.Setting, note: &clusterNote{a: a, lab: c.Lab, endpoint: c.Target.Endpoint}}, err
}

// hostValue reads whether a host's alarms act.
func (s *settingStep) hostValue(ctx context.Context) (string, error) {
	got, err := s.vc.Host(ctx, s.call.Target.Ref)
	s.a.clients.failed(s.call.Target.Endpoint, s.vc, err)
	if err != nil {
		return "", err
	}
	if err := same(s.call.Target, got.Ref, got.Name, got.UUID); err != nil {
		return "", err
	}
	return strconv.FormatBool(got.Alarms != live.AlarmsOff), nil
}

// cluster is where the note of the debt belongs; "": nowhere.
func (s *settingStep) cluster() string {
	if s.call.Target.Kind == plan.Host {
		return ""
	}
	return s.call.Target.Ref
}

// value reads the setting, in the form that plan.Debt.Was has.
func (s *settingStep) value(ctx context.Context) (string, error) {
	if s.call.Target.Kind == plan.Host {
		return s.hostValue(ctx)
	}
	got, err := s.vc.Cluster(ctx, s.call.Target.Ref)
	s.a.clients.failed(s.call.Target.Endpoint, s.vc, err)
	if err != nil {
		return "", err
	}
	if err := same(s.call.Target, got.Ref, got.Name, ""); err != nil {
		return "", err
	}
	s.live = got
	switch s.setting {
	case plan.HA:
		return strconv.FormatBool(got.HA), nil
	case plan.DRS:
		return got.DRSLevel, nil
	case plan.DPM:
		return strconv.FormatBool(got.DPM), nil
	case plan.Alarms:
		return strconv.FormatBool(got.Alarms != live.AlarmsOff), nil
	}
	if got.VCLS == nil {
		return "", nil
	}
	return *got.VCLS, nil
}

// set sends the call that gives the setting its value.
func (s *settingStep) set(ctx context.Context, value string) (task string, err error) {
	ref := s.call.Target.Ref
	switch s.setting {
	case plan.HA:
		return s.vc.SetHA(ctx, ref, value == "true")
	case plan.DRS:
		return s.vc.SetDRSLevel(ctx, ref, value)
	case plan.DPM:
		return s.vc.SetDPM(ctx, ref, value == "true")
	case plan.Alarms:
		return "", s.vc.SetAlarmActions(ctx, ref, value == "true")
	}
	return "", s.vc.SetVCLS(ctx, ref, value)
}

func (s *settingStep) debtID() string {
	return plan.DebtID(s.call.Target.Endpoint, s.call.Target.Ref, s.setting)
}

func (s *settingStep) describe(value string) string {
	if value == "" {
		value = "the default"
	}
	return fmt.Sprintf("%s %s", s.setting.Title(), value)
}

// callSet is the verb's only call: a setting that is set twice is the same as one that is set once.
func (s *settingStep) callSet(value string, limit time.Duration) map[string]call {
	c := call{words: fmt.Sprintf("set %s to %s on %s", s.setting.Title(), cmp.Or(value, "the default"), s.call.Target), limit: limit, harmless: true,
		send: func(ctx context.Context, _ seen) (string, error) { return s.set(ctx, value) }}
	if s.setting != plan.VCLS && s.setting != plan.Alarms {
		c.task = "reconfigure"
	}
	return map[string]call{"set": c, "": {limit: limit}}
}

// SuspendSetting takes a setting away for as long as the cluster is down. What it was is a debt before it is touched.
func (a *Activities) SuspendSetting(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	return a.act(ctx, verb{op: plan.SuspendSetting, call: c, prepare: func(ctx context.Context) (verb, error) {
		s, err := a.settingStep(ctx, c)
		if err != nil {
			return verb{}, err
		}
		return s.suspend(), nil
	}})
}

func (s *settingStep) suspend() verb {
	want, limit := "false", settingLimit
	switch s.setting {
	case plan.DRS:
		want = manual
	case plan.VCLS:
		limit = time.Duration(s.a.lab.Policies.VCLS)
	}
	var was string
	off := func() bool { return strings.EqualFold(was, want) || s.setting == plan.DRS && !s.live.DRS }
	return verb{tasks: s.vc, calls: s.callSet(want, limit), remark: s.note.remark,
		read: func(ctx context.Context) (_ seen, err error) {
			if was, err = s.value(ctx); err != nil {
				return seen{}, err
			}
			if s.setting == plan.VCLS && off() {
				return s.retreat(ctx)
			}
			return seen{done: off(), state: s.describe(was)}, nil
		},
		first: func(context.Context, *seen) (string, error) {
			if off() {
				return "", nil // vCLS VMs are still on their way out
			}
			return "set", nil
		},
		owe: func(ctx context.Context, _ seen) error {
			if off() {
				return nil
			}
			owed := plan.Debt{ID: s.debtID(), Target: s.call.Target, Setting: s.setting, Was: was, Run: s.call.Run}
			if err := s.a.ledger.change(ctx, s.call.Lab, ledger.Change{Owe: &owed}); err != nil {
				return err
			}
			return s.note.write(ctx, s.vc, s.cluster(), "")
		},
	}
}

// retreat tells whether the last vCLS VM is gone.
func (s *settingStep) retreat(ctx context.Context) (seen, error) {
	left, err := s.vc.VCLSRunning(ctx, s.call.Target.Ref)
	if err != nil || len(left) == 0 {
		return seen{done: err == nil, state: "in retreat mode, without vCLS VMs"}, err
	}
	return seen{state: fmt.Sprintf("in retreat mode, with %d vCLS VMs (%s)", len(left), strings.Join(left, ", "))}, nil
}

// SettleDebt gives back what a SuspendSetting took away.
func (a *Activities) SettleDebt(ctx context.Context, c plan.Call) (plan.Outcome, error) {
	return a.act(ctx, verb{op: plan.SettleDebt, call: c, prepare: func(ctx context.Context) (verb, error) {
		s, err := a.settingStep(ctx, c)
		if err != nil {
			return verb{}, err
		}
		book, err := a.ledger.read(ctx, c.Lab)
		if err != nil {
			return verb{}, err
		}
		debt, owed := book.Debt(s.debtID())
		if !owed {
			return verb{nothing: "nothing owed"}, nil
		}
		return s.giveBack(debt), nil
	}})
}

func (s *settingStep) giveBack(debt plan.Debt) verb {
	return verb{tasks: s.vc, calls: s.callSet(debt.Was, settingLimit), remark: s.note.remark,
		read: func(ctx context.Context) (seen, error) {
			now, err := s.value(ctx)
			return seen{done: s.equal(now, debt.Was), state: s.describe(now)}, err
		},
		first: func(context.Context, *seen) (string, error) { return "set", nil },
		finish: func(ctx context.Context, _ seen) error {
			if err := s.note.write(ctx, s.vc, s.cluster(), debt.ID); err != nil {
				return err
			}
			return s.a.ledger.change(ctx, s.call.Lab, ledger.Change{Settle: debt.ID})
		},
	}
}

// equal compares values of the setting. The option of vCLS cannot be removed again: its default is "true".
func (s *settingStep) equal(a, b string) bool {
	if s.setting == plan.VCLS {
		a, b = cmp.Or(a, "true"), cmp.Or(b, "true")
	}
	return strings.EqualFold(a, b)
}
