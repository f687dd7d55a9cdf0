package plan

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWhatGoesBeyondAnApprovedPlan(t *testing.T) {
	web := Target{Kind: Guest, Name: "web01", Endpoint: "vc1", Ref: "vm-1", UUID: "u1"}
	host := Target{Kind: Host, Name: "esx21", Endpoint: "vc1", Ref: "host-1", UUID: "h1"}
	down := ShutdownGuestParams{Method: ShutdownByTools, Timeout: Duration(time.Minute), OnTimeout: SuspendGuest, NoTools: LeaveGuest}
	off := ShutdownHostParams{Host: "esx21", Via: ViaVCenter, NoRights: LeaveHost, Timeout: Duration(time.Minute), OnTimeout: LeaveHost}
	step := func(a Action, t Target, params any) Step {
		s := Step{ID: string(a) + ":" + t.Name, Title: "do " + t.Name, Action: a, Target: t, Timeout: Duration(time.Hour)}
		if params != nil {
			s.Params = Encode(params)
		}
		return s
	}
	pg := Target{Kind: Application, Name: "pg"}
	cluster := Target{Kind: Cluster, Name: "c1", Endpoint: "vc1", Ref: "domain-c1"}
	approved := Plan{Steps: []Step{step(ShutdownGuest, web, down), step(ShutdownHost, host, off), step(SuspendSetting, cluster, SettingParams{HA}),
		step(StopApplication, pg, ApplicationParams{Application: "pg", Commands: "1"})}}
	with := func(change func(*ShutdownGuestParams)) Step {
		p := down
		change(&p)
		return step(ShutdownGuest, web, p)
	}
	withHost := func(change func(*ShutdownHostParams)) Step { p := off; change(&p); return step(ShutdownHost, host, p) }
	set := func(s Step, change func(*Step)) Step { change(&s); return s }
	for name, c := range map[string]struct {
		step   Step
		beyond string
	}{
		"longer":            {step: with(func(p *ShutdownGuestParams) { p.Timeout *= 9 })},
		"gentler":           {step: with(func(p *ShutdownGuestParams) { p.OnTimeout = LeaveGuest })},
		"at another place":  {step: set(approved.Steps[0], func(s *Step) { s.Holds, s.Needs, s.Queue, s.Target.Direct = []string{"x"}, nil, "q", "esx21" })},
		"on another host":   {step: with(func(p *ShutdownGuestParams) { p.Host = "host-2" })},
		"another id":        {step: set(approved.Steps[0], func(s *Step) { s.ID = "shutdown-guest:web01@esx22" })},
		"a new name":        {step: set(approved.Steps[0], func(s *Step) { s.Target.Name = "web02" })},
		"only reads":        {step: step(CheckGuest, Target{Kind: Guest, Name: "db", Ref: "vm-9"}, CheckGuestParams{Tools: true})},
		"only books":        {step: step(RememberRunning, Target{Kind: Lab, Name: "home"}, RememberParams{})},
		"stops slower":      {step: step(StopApplication, pg, ApplicationParams{Application: "pg", Commands: "1", Timeout: Duration(time.Hour)})},
		"other commands":    {step(StopApplication, pg, ApplicationParams{Application: "pg", Commands: "2"}), "does something else to application cluster pg"},
		"power off":         {with(func(p *ShutdownGuestParams) { p.Method = PowerOffGuest }), "harsher"},
		"suspend":           {with(func(p *ShutdownGuestParams) { p.Method = SuspendGuest }), "harsher"},
		"power off, late":   {with(func(p *ShutdownGuestParams) { p.OnTimeout = PowerOffGuest }), "harsher"},
		"no Tools":          {with(func(p *ShutdownGuestParams) { p.NoTools = SuspendGuest }), "harsher"},
		"by the BMC":        {withHost(func(p *ShutdownHostParams) { p.Via = ViaBMC }), "harsher"},
		"without rights":    {withHost(func(p *ShutdownHostParams) { p.NoRights = GracefulBMC }), "harsher"},
		"power cut":         {withHost(func(p *ShutdownHostParams) { p.OnTimeout = ForceOffBMC }), "harsher"},
		"through another":   {withHost(func(p *ShutdownHostParams) { p.Host = "esx22" }), "does something else to host esx21"},
		"by force":          {set(approved.Steps[0], func(s *Step) { s.OnFailure = Force }), "harsher"},
		"skipped":           {set(approved.Steps[0], func(s *Step) { s.OnFailure = Skip }), "harsher"},
		"also after abort":  {set(approved.Steps[0], func(s *Step) { s.Always = true }), "harsher"},
		"another guest":     {set(approved.Steps[0], func(s *Step) { s.Target.Ref, s.Target.UUID = "vm-2", "u2" }), "is not in the approved plan"},
		"another UUID":      {set(approved.Steps[0], func(s *Step) { s.Target.UUID = "u2" }), "is not in the approved plan"},
		"another vCenter":   {set(approved.Steps[0], func(s *Step) { s.Target.Endpoint = "vc2" }), "is not in the approved plan"},
		"another action":    {step(PowerOnGuest, web, nil), "does something else to guest web01"},
		"another setting":   {step(SuspendSetting, cluster, SettingParams{DRS}), "does something else to cluster c1"},
		"of unknown params": {set(approved.Steps[0], func(s *Step) { s.Params = []byte(`[]`) }), "does something else"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Beyond(approved, Plan{Steps: []Step{c.step}})
			if c.beyond == "" {
				require.Empty(t, got)
				return
			}
			require.Len(t, got, 1)
			require.Contains(t, got[0], c.beyond)
		})
	}
	require.Empty(t, Beyond(approved, approved))
	require.Empty(t, Beyond(approved, Plan{}), "what is left out needs no approval")
}
