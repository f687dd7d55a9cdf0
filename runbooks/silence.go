package runbooks

import (
	"slices"

	"nightshift/internal/live"
	"nightshift/internal/plan"
)

// Who watches the lab is asked to be quiet while a run works on it, and to watch again afterwards. What a power-down has
// silenced stays so until the power-up: alarms of a lab that is off would go off all night. Monitoring watches more than one
// host: a run for a part of the lab lets it watch again when it ends.

const groupWatch = "Monitoring"

// A silence is the part of a plan that keeps those quiet who watch.
type silence struct {
	*builder
	wanted bool
	hosts  map[*host]string    // the steps that switch off their alarm actions
	of     map[*cluster]string // the same
	hooks  map[string]string   // by monitoring
}

func newSilence(b *builder, in Input) *silence {
	return &silence{builder: b, wanted: in.Lab.Silences(b.plan.Runbook, in.Scheduled), hosts: map[*host]string{}, of: map[*cluster]string{}, hooks: map[string]string{}}
}

// begin silences what the run works on. Nothing waits for a monitoring: one that does not answer holds nothing up.
func (s *silence) begin(work bool, hosts []*host, clusters []*cluster, marks map[string]string) {
	if !s.wanted || !work {
		return
	}
	for _, c := range clusters {
		if s.canSilence(c.vc, c.subject(), c.Alarms) {
			s.of[c] = s.alarms(plan.SuspendSetting, "silence-cluster:"+c.id, "Switch off the alarm actions of cluster "+c.Name, c.target(), c.vc, marks[c.vc.Name])
		}
	}
	for _, h := range hosts {
		if h.live != nil && s.canSilence(h.vc, h.subject(), h.live.Alarms) {
			s.hosts[h] = s.alarms(plan.SuspendSetting, "silence-host:"+h.id, "Switch off the alarm actions of host "+h.name, h.target(), h.vc, marks[h.vc.Name])
		}
	}
	for _, m := range s.lab.Monitoring {
		if !s.quiet(m.Name) {
			s.hooks[m.Name] = s.hook(plan.SilenceMonitoring, "silence-monitoring:"+m.Name, "Ask monitoring "+m.Name+" to be quiet", m.Name, nil)
		}
	}
}

// canSilence: the vCenter is there, and lets us. What is off already is somebody else's, or a debt.
func (s *silence) canSilence(vc *vcenter, subject, alarms string) bool {
	if !vc.answers() {
		return false
	}
	if alarms == live.AlarmsDenied {
		s.warn(subject, "its alarms will act while the run works on it: the account may not switch off alarm actions", "give its role the privilege Alarm.DisableActions")
	}
	return alarms == live.AlarmsOn
}

func (s *silence) alarms(a plan.Action, id, title string, t plan.Target, vc *vcenter, needs ...string) string {
	return s.add(plan.Step{ID: id, Title: title, Group: groupWatch, Action: a, Target: t, Params: plan.Encode(plan.SettingParams{Setting: plan.Alarms}),
		Needs: needs, Holds: []string{vc.holds()}, Estimate: plan.Duration(takesMark), Timeout: plan.Duration(settingTimeout(s.lab, plan.Alarms))})
}

func (s *silence) hook(a plan.Action, id, title, name string, needs []string) string {
	return s.add(plan.Step{ID: id, Title: title, Group: groupWatch, Action: a, Target: plan.Target{Kind: plan.Watcher, Name: name},
		Params: plan.Encode(plan.MonitoringParams{Monitoring: name}), Needs: needs, Estimate: plan.Duration(takesMark), Timeout: plan.Duration(settingTimeout(s.lab, plan.Watch))})
}

// quiet: a run has asked it to be, and none has asked it to watch again.
func (s *silence) quiet(name string) bool {
	return slices.ContainsFunc(s.debts, func(d plan.Debt) bool { return d.ID == plan.MonitoringDebt(name) })
}

func (s *silence) owes(endpoint, ref string) bool {
	return slices.ContainsFunc(s.debts, func(d plan.Debt) bool { return d.ID == plan.DebtID(endpoint, ref, plan.Alarms) })
}

// end lets those speak again who were silenced by this run, or by one before it: when all else is done, and what this run
// has begun also after an abort. A monitoring that an earlier run has silenced only where monitoring says so.
func (s *silence) end(hosts func(*host) bool, clusters func(*cluster) bool, monitoring bool) {
	var again []func(needs []string)
	for _, c := range s.clusters {
		own := s.of[c]
		if clusters(c) && (own != "" || s.owes(c.vc.Name, c.Ref)) {
			again = append(again, func(needs []string) {
				s.undone(s.alarms(plan.SettleDebt, "resume-cluster:"+c.id, "Let the alarms of cluster "+c.Name+" act again", c.target(), c.vc, needs...), own)
			})
		}
	}
	for _, h := range s.known() {
		own := s.hosts[h]
		if hosts(h) && (own != "" || s.owes(h.vc.Name, h.live.Ref)) {
			again = append(again, func(needs []string) {
				s.undone(s.alarms(plan.SettleDebt, "resume-host:"+h.id, "Let the alarms of host "+h.name+" act again", h.target(), h.vc, needs...), own)
			})
		}
	}
	for _, m := range s.lab.Monitoring {
		own := s.hooks[m.Name]
		if own != "" || monitoring && s.quiet(m.Name) {
			again = append(again, func(needs []string) {
				s.undone(s.hook(plan.ResumeMonitoring, "resume-monitoring:"+m.Name, "Ask monitoring "+m.Name+" to watch again", m.Name, needs), own)
			})
		}
	}
	if len(again) == 0 {
		return
	}
	ends := s.ends()
	if worthJoining(len(ends), len(again)) {
		ends = []string{s.join("all-watched", "All that those who watch wait for is done", groupWatch, ends)}
	}
	for _, add := range again {
		add(slices.Clone(ends))
	}
}

// known are those that a vCenter knows. One that does not answer, and of which there is no record, lets nothing be done: what
// it is owed, the power-up after it has come up gives back.
func (s *silence) known() []*host {
	return slices.DeleteFunc(slices.Clone(s.builder.hosts), func(h *host) bool {
		return h.live == nil || h.vc.unrecorded || reference(h.live.Ref) == ""
	})
}

// owed tells whether something of the vCenter's is to act again.
func (s *silence) owed(vc *vcenter, hosts func(*host) bool, clusters func(*cluster) bool) bool {
	return slices.ContainsFunc(s.known(), func(h *host) bool { return h.vc == vc && hosts(h) && s.owes(vc.Name, h.live.Ref) }) ||
		slices.ContainsFunc(s.clusters, func(c *cluster) bool { return c.vc == vc && clusters(c) && s.owes(vc.Name, c.Ref) })
}

// undone marks the step as one that runs after an abort too, where this run has begun what it undoes.
func (s *silence) undone(id, begun string) {
	if begun == "" {
		return
	}
	i := slices.IndexFunc(s.plan.Steps, func(st plan.Step) bool { return st.ID == id })
	s.plan.Steps[i].Always, s.plan.Steps[i].OnlyAfter = true, begun
}

// checkOwed warns of what cannot speak again now, as it is not up.
func (s *silence) checkOwed(isUp func(*host) bool, anyUp bool) {
	for _, h := range s.known() {
		if s.owes(h.vc.Name, h.live.Ref) && !isUp(h) {
			s.warn(h.subject(), "its alarms are to act again, but it is not up, or left alone", "run power-up, which does it")
		}
	}
	for _, m := range s.lab.Monitoring {
		if s.quiet(m.Name) && !anyUp {
			s.warn("monitoring "+m.Name, "is to watch again, but no host of the lab is up", "run power-up, which asks it to")
		}
	}
}

// checkWatchDebt warns of a debt to a host, or a monitoring, that is no more.
func (b *builder) checkWatchDebt(d plan.Debt) {
	remedy := "give the debt up: `nightshift settle --forgive " + d.ID + " --reason …`"
	switch d.Setting {
	case plan.Alarms:
		answers := slices.ContainsFunc(b.vcenters, func(vc *vcenter) bool { return vc.Name == d.Target.Endpoint && vc.answers() })
		if answers && !slices.ContainsFunc(b.hosts, func(h *host) bool { return h.vc.Name == d.Target.Endpoint && h.ref() == d.Target.Ref }) {
			b.warn("host "+d.Target.Name, "its alarms are to act again, but vCenter "+d.Target.Endpoint+" has no such host any more", remedy)
		}
	case plan.Watch:
		if _, ok := b.lab.MonitoringHook(d.Target.Name); !ok {
			b.warn("monitoring "+d.Target.Name, "is to watch again, but the lab file does not list it any more", "list it again and run settle, or "+remedy)
		}
	}
}
