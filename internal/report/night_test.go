package report

import (
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
	"nightshift/internal/runapi"
)

// night is a power-down of a lab of so many guests, as it may happen: the steps begin as the plan's needs and limits allow,
// and take what they take. One guest ignores its shutdown until somebody pulls its plug.
func night(guests int) (plan.Plan, runapi.Sheet) {
	p := nightPlan(guests)
	s := runapi.Sheet{Lab: "home", Runbook: "power-down", Title: p.Title, Hash: p.Hash(), By: "schedule nightly", Phase: runapi.PhaseEnd, Outcome: runapi.Done,
		Started: started(), Total: len(p.Steps), Done: len(p.Steps), Runs: 1, Notes: runapi.Notes{}, Attempts: map[string]int{}}
	letters := slices.Repeat([]byte{runapi.StepDone}, len(p.Steps))
	s.Begun, s.Finished = make([]int64, len(p.Steps)), make([]int64, len(p.Steps))
	g, err := plan.NewGraph(p)
	if err != nil {
		panic(err)
	}
	now := int64(42) // locking, planning
	type flight struct {
		end  int64
		step int
	}
	var flights []flight
	for i := range p.Steps {
		if g.Open(i) == 0 {
			g.Offer(i)
		}
	}
	for {
		for i := g.Take(); i >= 0; i = g.Take() {
			s.Begun[i] = now
			flights = append(flights, flight{now + took10(p.Steps[i]), i})
		}
		if len(flights) == 0 {
			break
		}
		slices.SortStableFunc(flights, func(a, b flight) int { return int(a.end - b.end) })
		f := flights[0]
		flights = flights[1:]
		now, s.Finished[f.step] = f.end, f.end
		g.Release(f.step)
		for _, j := range g.Satisfied(f.step) {
			g.Offer(j)
		}
	}
	s.Steps = string(letters)
	s.Ended = s.Started.Add(time.Duration(now+63) * 100 * time.Millisecond)
	at := func(id string) time.Time {
		i, _ := g.Index(id)
		return s.Started.Add(time.Duration(s.Finished[i]-300) * 100 * time.Millisecond)
	}
	s.Notes["shutdown-guest:stubborn"] = "switched off the hard way, as it ignored the shutdown"
	s.Orders = []runapi.Record{{At: at("shutdown-guest:stubborn"), Verb: runapi.Retry, Order: runapi.Order{By: "ann@desk", Reason: "it may be switched off, its owner says",
		Steps: []string{"shutdown-guest:stubborn"}, Force: true}}}
	s.Decisions = []runapi.Decision{
		{At: at("shutdown-guest:vm0002"), Step: "shutdown-guest:vm0002", By: "nightshift", Verdict: "act again", Evidence: "no task of it at the vCenter, the guest is as it was"},
		{At: at("shutdown-guest:stubborn"), Step: "shutdown-guest:stubborn", By: "ann@desk", Verdict: "act again", Evidence: "it is still on after 5m0s; it may be switched off, its owner says"}}
	s.Attempts["shutdown-guest:vm0002"] = 2
	s.Amendments = []runapi.Amendment{{At: at("shutdown-guest:vm0003"), Why: "guest vm0003 is on host esx002 now", From: "0123456789abcdef", To: p.Hash(), Changed: 1,
		Changes: []string{"changed: Shut down guest vm0003: it runs on host esx002"}}}
	s.Warnings = []plan.Finding{{Subject: "guest win-old", Text: "has no Tools: it is switched off the hard way", Remedy: "install VMware Tools"}}
	for i, setting := range []plan.Setting{plan.HA, plan.DRS, plan.VCLS} {
		s.Owed = append(s.Owed, plan.Debt{Target: plan.Target{Kind: plan.Cluster, Name: "Lab"}, Setting: setting, Was: []string{"true", "fullyAutomated", ""}[i], Run: run, Since: started()})
	}
	s.Versions = map[string]string{"nightshift": "v0.4.0", "vCenter vc1": "8.0.2 build 22617221", "ESXi": "7.0.3", "BMC firmware": "2.65.65.65"}
	s.Power = nightPower(p)
	return p, s
}

func nightPlan(guests int) plan.Plan {
	hosts := max(4, guests/32)
	p := plan.Plan{Schema: 1, Runbook: "power-down", Lab: "home", LabHash: "9f8e7d6c5b4a39281706f5e4d3c2b1a09f8e7d6c5b4a39281706f5e4d3c2b1a0",
		Title: fmt.Sprintf("Power down lab home: %d hosts, %d guests", hosts, guests), Limits: map[string]int{"vcenter": 16, "host": 4},
		Untouched: []plan.Finding{{Subject: "guest vcenter", Text: "kept: nightshift needs it"}, {Subject: "host nuc1", Text: "kept, as the lab file says"}}}
	minutes := func(m float64) plan.Duration { return plan.Duration(m * float64(time.Minute)) }
	add := func(s plan.Step) string {
		p.Steps = append(p.Steps, s)
		return s.ID
	}
	lab := plan.Target{Kind: plan.Lab, Name: "home"}
	mark := add(plan.Step{ID: "mark-lab:vc1", Title: "Mark vCenter vc1 as worked on by this nightshift", Group: "To begin with", Action: plan.MarkLab, Target: lab, Holds: []string{"vcenter:vc1"}, Estimate: minutes(0.05)})
	memory := add(plan.Step{ID: "remember-running", Title: fmt.Sprintf("Remember the %d guests that run", guests), Group: "To begin with", Action: plan.RememberRunning, Target: lab, Needs: []string{mark}, Estimate: minutes(0.05)})
	var settings []string
	for _, s := range []plan.Setting{plan.HA, plan.DRS, plan.VCLS} {
		settings = append(settings, add(plan.Step{ID: "suspend-" + string(s) + ":Lab", Title: "Switch off " + s.Title() + " on cluster Lab", Group: "Cluster Lab", Action: plan.SuspendSetting,
			Target: plan.Target{Kind: plan.Cluster, Name: "Lab"}, Needs: []string{memory}, Holds: []string{"vcenter:vc1"}, Estimate: minutes(0.5)}))
	}
	on := map[int][]string{}
	for i := range guests {
		name := fmt.Sprintf("vm%04d", i+1)
		switch i {
		case 0:
			name = "stubborn"
		case 4:
			name = "<script>alert(1)</script>"
		}
		s := plan.Step{ID: "shutdown-guest:" + name, Title: "Shut down guest " + name + " (Tools, 5 min, then ask)", Group: "Guests", Action: plan.ShutdownGuest,
			Target: plan.Target{Kind: plan.Guest, Name: name}, Needs: settings, Holds: []string{"vcenter:vc1", fmt.Sprintf("host:esx%03d", i%hosts+1)}, Estimate: minutes(1)}
		if i%10 == 9 {
			s.Needs = append(slices.Clone(settings), p.Steps[len(p.Steps)-1].ID)
		}
		on[i%hosts] = append(on[i%hosts], add(s))
	}
	for h := range hosts {
		name := fmt.Sprintf("esx%03d", h+1)
		t := plan.Target{Kind: plan.Host, Name: name}
		down := add(plan.Step{ID: "enter-maintenance:" + name, Title: "Put host " + name + " into maintenance mode", Group: "Host " + name, Action: plan.EnterMaintenance, Target: t,
			Needs: on[h], Holds: []string{"vcenter:vc1"}, Estimate: minutes(0.5)})
		add(plan.Step{ID: "shutdown-host:" + name, Title: "Shut down host " + name + " and wait until its BMC says Off", Group: "Host " + name, Action: plan.ShutdownHost, Target: t,
			Needs: []string{down}, Holds: []string{"bmc:" + name}, Estimate: minutes(3)})
	}
	return p
}

// took10 is how long a step takes, in tenths of a second: always the same.
func took10(s plan.Step) int64 {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(s.ID))
	n := int64(sum.Sum32() % 1000)
	switch s.Action {
	case plan.ShutdownGuest:
		if s.Target.Name == "stubborn" {
			return 4020
		}
		return 180 + n%420
	case plan.ShutdownHost:
		return 900 + n
	case plan.EnterMaintenance:
		return 30 + n%60
	case plan.SuspendSetting:
		return 20 + n%250
	}
	return 3 + n%5
}

func nightPower(p plan.Plan) *plan.Power {
	power := &plan.Power{Before: &plan.PowerReading{Hosts: map[string]float64{}, Unmetered: 1, Price: 0.32, Currency: "EUR"}, After: &plan.PowerReading{Hosts: map[string]float64{}}}
	for i, s := range p.Steps {
		if s.Action == plan.ShutdownHost {
			power.Before.Hosts[s.Target.Name], power.After.Hosts[s.Target.Name] = float64(160+i%80), float64(8+i%5)
			power.Before.Watts += float64(160 + i%80)
			power.After.Watts += float64(8 + i%5)
		}
	}
	return power
}

// nightReport is the report of a night.
func nightReport(guests int) Report {
	p, s := night(guests)
	r := Assemble(run, s, &p, s.Ended.Add(8*time.Hour))
	r.MadeBy, r.Link = "v0.4.0", "http://127.0.0.1:8233/namespaces/default/workflows/"+run
	return r
}

// Pages for `make e2e-browser`, which looks at them.
func TestPagesForTheBrowser(t *testing.T) {
	dir := os.Getenv("NIGHTSHIFT_PAGES")
	if dir == "" {
		t.Skip("NIGHTSHIFT_PAGES is not set: make e2e-browser")
	}
	blocked, open := night(20)
	open.Phase, open.Outcome, open.Ended = runapi.PhaseExecute, "", time.Time{}
	open.Steps = open.Steps[:len(open.Steps)-3] + "br."
	open.Notes[blocked.Steps[len(blocked.Steps)-3].ID] = "guests run on it: late01. Next: shut them down, then `nightshift retry`"
	open.Done, open.Blocked, open.Running = open.Done-3, 1, 1
	open.Found = map[string]string{blocked.Steps[0].ID: "LUN  naa.600144f0c0ffee00  " + strings.Repeat("zvol tank/luns/lun01 ", 12) + "\n  a line for each"}
	for name, r := range map[string]Report{"20": nightReport(20), "2000": nightReport(2000), "blocked": Assemble(run, open, &blocked, started().Add(20*time.Minute))} {
		f, err := os.Create(filepath.Join(dir, name+".html"))
		require.NoError(t, err)
		require.NoError(t, r.HTML(f))
		require.NoError(t, f.Close())
	}
}
