package activities

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"nightshift/internal/bmc"
	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/ledger"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/vsphere"
)

// errCrash is the panic with which a test kills an attempt.
var errCrash = errors.New("crash")

// A world is a lab of one guest, one host with its BMC, and one cluster. It writes down every event in order, and dies
// at the one that the test wants.
type world struct {
	mu      sync.Mutex
	guest   live.Guest
	host    live.Host
	cluster live.Cluster
	bmc     live.BMC
	agents  []string
	mark    string
	tags    []string // of the guest
	note    string   // at the cluster
	// tagErr is what the tag service answers. gone: the guest is on another host now. others run on the host as well. away
	// tells whether the host's own API does not answer.
	tagErr error
	gone   bool
	others []live.Guest
	away   func() bool
	tasks  []vsphere.TaskInfo
	// option is an advanced one of the host, tracked the guest's CBT and snapshots, programs how many were started in it.
	option   string
	tracked  vsphere.Tracked
	programs int64
	book     ledger.State
	fabric   live.Fabric
	lies     live.Occupants // what lies on any LUN

	// react says what a call does; without an entry it does what it should.
	react map[string]func() error
	// readErr, where set, is what reads of the vCenter answer.
	readErr error
	// onHost, where set, runs after each read of the host: what it changes is seen by the next.
	onHost func()
	// onInspect is the same of an inspection.
	onInspect func()
	onGuest   func() // after each reading of the guest

	events  []string // "intent shutdown", "ShutdownGuest", "answer"
	memos   []plan.Memo
	crashAt int // number of the event at which the attempt dies; 0: never
	record  func() error
}

func newWorld() *world {
	return &world{
		guest:   live.Guest{Ref: "vm-1", Name: "web01", UUID: "u-guest", Host: "host-1", Power: live.PoweredOn, Connection: live.Connected, Tools: true},
		host:    live.Host{Ref: "host-1", Name: "esx21.lab", UUID: "4c4c4544-0037-3510-8051-b7c04f4d3332", Cluster: "domain-c1", Connection: live.Connected, Maintenance: true},
		cluster: live.Cluster{Ref: "domain-c1", Name: "c1", HA: true, DRS: true, DRSLevel: "fullyAutomated", DPM: true},
		bmc:     live.BMC{Power: live.On, Serial: "TAG1", UUID: "4c4c4544-0037-3510-8051-b7c04f4d3332"},
		book:    ledger.State{Lab: "home", Memory: []plan.RememberedGuest{{Endpoint: "vc1", UUID: "u-guest", Name: "web01"}}},
		react:   map[string]func() error{},
	}
}

// event writes down and, where the test wants it, crashes. The caller holds the lock.
func (w *world) event(format string, args ...any) {
	w.events = append(w.events, fmt.Sprintf(format, args...))
	if len(w.events) == w.crashAt {
		panic(errCrash)
	}
}

// receive is what all acts go through: the call arrives, has its effect, and makes a task.
func (w *world) receive(name, taskName string, effect func()) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.event("sending %s", name)
	ref := ""
	if f := w.react[name]; f != nil {
		if err := f(); err != nil {
			w.event("%s", name)
			return "", err
		}
	} else {
		effect()
	}
	if taskName != "" {
		ref = fmt.Sprintf("task-%d", len(w.tasks)+1)
		w.tasks = append(w.tasks, vsphere.TaskInfo{Ref: ref, Name: taskName, State: vsphere.TaskSuccess, Queued: time.Now(), Ended: time.Now()})
	}
	w.event("%s", name) // it arrived; whoever dies here never hears it
	return ref, nil
}

func (w *world) count(event string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, e := range w.events {
		if e == event {
			n++
		}
	}
	return n
}

// RecordActivityHeartbeatWithOptions is the server's side of a heartbeat.
func (w *world) RecordActivityHeartbeatWithOptions(_ context.Context, o client.RecordActivityHeartbeatOptions) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.record != nil {
		if err := w.record(); err != nil {
			return err
		}
	}
	m := o.Details[0].(plan.Memo)
	w.memos = append(w.memos, m)
	w.event("memo %s", m.Phase)
	return nil
}

func (w *world) Guest(context.Context, string) (live.Guest, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.onGuest != nil {
		defer w.onGuest()
	}
	return w.guest, w.readErr
}

func (w *world) ShutdownGuest(context.Context, string) error {
	_, err := w.receive("ShutdownGuest", "", func() { w.guest.Power = live.PoweredOff })
	return err
}

func (w *world) PowerOffGuest(context.Context, string) (string, error) {
	return w.receive("PowerOffGuest", "VirtualMachine.powerOff", func() { w.guest.Power = live.PoweredOff })
}

func (w *world) SuspendGuest(context.Context, string) (string, error) {
	return w.receive("SuspendGuest", "VirtualMachine.suspend", func() { w.guest.Power = live.Suspended })
}

func (w *world) PowerOnGuest(context.Context, string) (string, error) {
	return w.receive("PowerOnGuest", "VirtualMachine.powerOn", func() { w.guest.Power = live.PoweredOn })
}

func (w *world) Host(context.Context, string) (live.Host, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.onHost != nil {
		defer w.onHost()
	}
	return w.host, w.readErr
}

func (w *world) GuestsOn(context.Context, string) ([]live.Guest, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return []live.Guest{w.guest}, w.readErr
}

func (w *world) EnterMaintenance(context.Context, string, time.Duration) (string, error) {
	return w.receive("EnterMaintenance", "HostSystem.enterMaintenanceMode", func() { w.host.Maintenance = true })
}

func (w *world) ExitMaintenance(context.Context, string, time.Duration) (string, error) {
	return w.receive("ExitMaintenance", "HostSystem.exitMaintenanceMode", func() { w.host.Maintenance = false })
}

func (w *world) ShutdownHost(context.Context, string, bool) (string, error) {
	return w.receive("ShutdownHost", "HostSystem.shutdown", func() { w.bmc.Power = live.Off })
}

func (w *world) Cluster(context.Context, string) (live.Cluster, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cluster, w.readErr
}

func (w *world) VCLSRunning(context.Context, string) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.agents) > 0 { // one is gone with each look
		w.agents = w.agents[1:]
	}
	return slices.Clone(w.agents), nil
}

func (w *world) SetHA(_ context.Context, _ string, on bool) (string, error) {
	return w.receive("SetHA", "ClusterComputeResource.reconfigureEx", func() { w.cluster.HA = on })
}

func (w *world) SetDRSLevel(_ context.Context, _, level string) (string, error) {
	return w.receive("SetDRSLevel", "ClusterComputeResource.reconfigureEx", func() { w.cluster.DRSLevel = level })
}

func (w *world) SetDPM(_ context.Context, _ string, on bool) (string, error) {
	return w.receive("SetDPM", "ClusterComputeResource.reconfigureEx", func() { w.cluster.DPM = on })
}

func (w *world) SetVCLS(_ context.Context, _, value string) error {
	_, err := w.receive("SetVCLS", "", func() { w.cluster.VCLS = &value })
	return err
}

func (w *world) SetAlarmActions(_ context.Context, ref string, on bool) error {
	_, err := w.receive("SetAlarmActions "+ref, "", func() {
		alarms := live.AlarmsOff
		if on {
			alarms = live.AlarmsOn
		}
		if ref == w.host.Ref {
			w.host.Alarms = alarms
		} else {
			w.cluster.Alarms = alarms
		}
	})
	return err
}

func (w *world) Mark(context.Context) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mark, nil
}

func (w *world) SetMark(_ context.Context, value string) error {
	_, err := w.receive("SetMark", "", func() { w.mark = value })
	return err
}

func (w *world) Task(_ context.Context, ref string) (vsphere.TaskInfo, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range w.tasks {
		if t.Ref == ref {
			return t, nil
		}
	}
	return vsphere.TaskInfo{}, fault.As(fault.NotFound, errors.New("no such task"))
}

func (w *world) TasksSince(context.Context, string, time.Time) ([]vsphere.TaskInfo, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.tasks), w.readErr
}

func (w *world) Close(context.Context) error { return nil }

// worldBMC is the BMC of the world's host: its method names collide with the vCenter's.
type worldBMC struct{ w *world }

func (b worldBMC) System(context.Context) (live.BMC, error) {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	return b.w.bmc, nil
}

func (b worldBMC) Reset(_ context.Context, kind string) error {
	_, err := b.w.receive("Reset "+kind, "", func() {
		b.w.bmc.Power = live.Off
		if kind == resetOn {
			b.w.bmc.Power = live.On
		}
	})
	if saidNo(err) { // as redfish.Client marks it
		err = fault.As(fault.NotDone, err)
	}
	return err
}

func (b worldBMC) Close(context.Context) error { return nil }

// worldLedger is the world's ledger: its method names collide as well.
type worldLedger struct{ w *world }

func (l worldLedger) change(_ context.Context, _ string, c ledger.Change) error {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	if err := l.w.book.Check(c); err != nil {
		return err
	}
	switch {
	case c.Owe != nil:
		l.w.event("owe")
	case c.Settle != "":
		l.w.event("settle")
	}
	l.w.book.Apply(c, time.Now())
	return nil
}

func (l worldLedger) read(context.Context, string) (ledger.State, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	st := l.w.book
	st.Debts = slices.Clone(st.Debts)
	return st, nil
}

func (l worldLedger) ended(_ context.Context, h ledger.Holder) (bool, error) {
	return h.Workflow == "orphan", nil
}

func testLab() *inventory.Lab {
	ms := func(n int) plan.Duration { return plan.Duration(time.Duration(n) * time.Millisecond) }
	return &inventory.Lab{Dir: ".", File: inventory.File{
		Lab: "home", Self: inventory.Self{Guest: "nuc-vm"},
		VCenters: []inventory.VCenter{{Name: "vc1", Endpoint: inventory.Endpoint{URL: "https://vc1"}}},
		Guests:   []inventory.Guest{{Name: "vcsa", VCenter: "vc1", Provides: []inventory.Provision{"vcenter:vc1"}}},
		Hosts: []inventory.Host{
			{Name: "esx21", VCenter: "vc1", Address: "esx21.lab", BMC: &inventory.BMC{Serial: "TAG1"}},
			{Name: "nuc", VCenter: "vc1", Address: "nuc.lab", Keep: true, BMC: &inventory.BMC{}},
		},
		Tags:     inventory.Tags{Keep: "KeepOn"},
		Policies: inventory.Policies{SettleTime: ms(20), VCLS: ms(2000), Datastores: ms(60), Host: inventory.HostPolicy{Boot: ms(60), Maintenance: ms(2000)}},
	}}
}

// newActivities wires the activities to the world instead of devices and a Temporal server.
func newActivities(w *world) *Activities {
	lab := testLab()
	log := slog.New(slog.DiscardHandler)
	c := newClients(lab, log)
	c.resolve = func(_ context.Context, name string, _ inventory.Endpoint, _ string) (endpoint.Resolved, error) {
		return endpoint.Resolved{Name: name, URL: &url.URL{Scheme: "https", Host: name}}, nil
	}
	c.dialVC = func(context.Context, endpoint.Resolved) (vcenter, error) { return w, nil }
	c.dialBMC = func(context.Context, endpoint.Resolved, *inventory.BMC) (bmc.Session, error) { return worldBMC{w}, nil }
	return &Activities{lab: lab, instance: "me", log: log, clients: c, recorder: w, ledger: worldLedger{w}, hub: &hub{runs: map[string]*waiting{}},
		pace: pace{time.Millisecond, 4 * time.Millisecond}, settle: time.Duration(lab.Policies.SettleTime)}
}

// attemptOf runs one attempt of a step's activity. memo is what an attempt before it had heartbeated, or nil.
func attemptOf(t *testing.T, a *Activities, action plan.Action, c plan.Call, memo *plan.Memo) (plan.Outcome, error) {
	t.Helper()
	return attemptIn(t, newEnv(), a, action, c, memo)
}

func newEnv() *testsuite.TestActivityEnvironment {
	s := &testsuite.WorkflowTestSuite{}
	s.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	return s.NewTestActivityEnvironment()
}

func attemptIn(t *testing.T, env *testsuite.TestActivityEnvironment, a *Activities, action plan.Action, c plan.Call, memo *plan.Memo) (plan.Outcome, error) {
	t.Helper()
	f := a.steps()[action]
	env.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: string(action)})
	if memo != nil {
		env.SetHeartbeatDetails(*memo)
	}
	v, err := env.ExecuteActivity(f, c)
	if err != nil {
		return plan.Outcome{}, err
	}
	var out plan.Outcome
	require.NoError(t, v.Get(&out))
	return out, nil
}

func guestCall(p plan.ShutdownGuestParams) plan.Call {
	return plan.Call{Run: "run-1", Lab: "home", Step: "shutdown-guest:web01", Params: plan.Encode(p),
		Target: plan.Target{Kind: plan.Guest, Name: "web01", Endpoint: "vc1", Ref: "vm-1", UUID: "u-guest"}}
}

func hostCall(params any) plan.Call {
	return plan.Call{Run: "run-1", Lab: "home", Step: "host:esx21", Params: plan.Encode(params),
		Target: plan.Target{Kind: plan.Host, Name: "esx21.lab", Endpoint: "vc1", Ref: "host-1", UUID: "4c4c4544-0037-3510-8051-b7c04f4d3332"}}
}

func clusterCall(s plan.Setting) plan.Call {
	return plan.Call{Run: "run-1", Lab: "home", Step: "suspend:c1", Params: plan.Encode(plan.SettingParams{Setting: s}),
		Target: plan.Target{Kind: plan.Cluster, Name: "c1", Endpoint: "vc1", Ref: "domain-c1"}}
}

func within(d time.Duration) plan.Duration { return plan.Duration(d) }

// Occupants implements fabricSystem.
func (w *world) Occupants(_ context.Context, naas []string) (live.Occupants, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.readErr != nil {
		return live.Occupants{}, w.readErr
	}
	if len(naas) == 0 {
		return live.Occupants{}, errors.New("there is nothing to ask for")
	}
	return w.lies, nil
}

// LUNs implements fabricSystem.
func (w *world) LUNs(context.Context) (live.Fabric, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.readErr != nil {
		return live.Fabric{}, w.readErr
	}
	return w.fabric, nil
}
