// Package activities does single steps of a plan on the systems of a lab, makes plans, and talks to the ledger. It is
// the only package that knows both Temporal and devices.
//
// Whatever changes the world goes through act (act.go), and every error leaves through classify (errors.go).
package activities

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/notify"
	"nightshift/internal/plan"
	"nightshift/internal/smbios"
)

// Config is what the activities of a worker need. All fields but Logger, Papers and Address must be set.
type Config struct {
	Lab      *inventory.Lab
	Temporal client.Client
	// Instance names this nightshift: what it writes as mark on a lab.
	Instance string
	Logger   *slog.Logger
	// Papers is the directory where pages for people are written: what to do by hand when nightshift is not there. Empty: none
	// are.
	Papers string
	// Address is where the Temporal service is, host:port.
	Address string
	// UI is where the pages of runs are in the Temporal UI, without the run's id; empty: not known.
	UI string
	// Speed divides the time that the step Wait takes, for simulated labs; 0: it takes as long as it says.
	Speed float64
}

// Activities holds what the activities of one worker share. Its methods are safe for concurrent use.
type Activities struct {
	lab      *inventory.Lab
	temporal client.Client
	instance string
	log      *slog.Logger
	clients  *clients
	machines machines
	storage  storageHosts
	streams  streams
	recorder recorder
	ledger   ledgerSystem
	hub      *hub
	pace     pace
	settle   time.Duration
	papers   string
	address  string
	machine  string // SMBIOS UUID of the one that this process runs on; empty: not known
	own      ownNeeds
	ui       string
	speed    float64

	sender    *notify.Sender
	lookout   lookout
	lookEvery time.Duration

	notes  sync.Mutex           // held while a note at a cluster is written
	places map[string]string    // the cluster of a host, by vCenter and Ref; under notes
	deaf   map[string]time.Time // when a vCenter did not take a note; under notes
}

// A pace is how often a wait looks: quickly at first, as a small lab answers fast, then less and less.
type pace struct{ first, last time.Duration }

const defaultSettle = time.Minute

// New makes the activities of a worker. Close ends their sessions.
func New(c Config) *Activities {
	log := cmp.Or(c.Logger, slog.New(slog.DiscardHandler)).With("lab", c.Lab.Lab)
	settle := cmp.Or(time.Duration(c.Lab.Policies.SettleTime), defaultSettle)
	return &Activities{
		lab: c.Lab, temporal: c.Temporal, instance: c.Instance, log: log, clients: newClients(c.Lab, log), recorder: c.Temporal,
		ledger: newLedgerClient(c.Temporal), hub: &hub{runs: map[string]*waiting{}},
		pace:   pace{200 * time.Millisecond, 5 * time.Second},
		settle: settle, streams: streams{stall: max(5*settle, leastStall)},
		papers: c.Papers, address: c.Address, machine: smbios.UUID(smbios.File), ui: c.UI, speed: c.Speed,
		sender: notify.New(), lookout: temporalLookout{c.Temporal}, lookEvery: lookEvery,
	}
}

// Close logs out everywhere. Call it when the worker has stopped.
func (a *Activities) Close() {
	a.streams.close()
	a.storage.close()
	a.clients.close()
}

// Register registers every activity under its name in package plan.
func (a *Activities) Register(r worker.ActivityRegistry) {
	for action, f := range a.steps() {
		r.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: string(action)})
	}
	for name, f := range map[string]any{
		plan.MakePlan: a.MakePlan, plan.TakeLocks: a.TakeLocks, plan.ReleaseLocks: a.ReleaseLocks, plan.ReadLedger: a.ReadLedger, plan.Nudge: a.Nudge,
		plan.MeasurePower:  a.MeasurePower,
		plan.WantedNotices: a.WantedNotices, plan.NoticeChannels: a.NoticeChannels, plan.SendNotice: a.SendNotice, plan.LookAround: a.LookAround,
	} {
		r.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
	}
}

// A stepFunc is the activity of a step.
type stepFunc = func(context.Context, plan.Call) (plan.Outcome, error)

func (a *Activities) steps() map[plan.Action]stepFunc {
	return map[plan.Action]stepFunc{
		plan.RememberRunning: a.RememberRunning, plan.ForgetRunning: a.ForgetRunning,
		plan.MarkLab: a.MarkLab, plan.UnmarkLab: a.UnmarkLab, plan.RecordLab: a.RecordLab,
		plan.SuspendSetting: a.SuspendSetting, plan.SettleDebt: a.SettleDebt,
		plan.SilenceMonitoring: a.SilenceMonitoring, plan.ResumeMonitoring: a.ResumeMonitoring,
		plan.ShutdownGuest: a.ShutdownGuest, plan.PowerOnGuest: a.PowerOnGuest, plan.CheckGuest: a.CheckGuest,
		plan.EnterMaintenance: a.EnterMaintenance, plan.ExitMaintenance: a.ExitMaintenance,
		plan.ShutdownHost: a.ShutdownHost, plan.PowerOnHost: a.PowerOnHost,
		plan.StopApplication: a.StopApplication, plan.StartApplication: a.StartApplication,
		plan.AwaitHost: a.AwaitHost, plan.AwaitDatastores: a.AwaitDatastores, plan.AwaitVCenter: a.AwaitVCenter,
		plan.CheckMains: a.CheckMains, plan.OrderLoadOff: a.OrderLoadOff,
		plan.Join:    a.Join,
		plan.MapLUNs: a.MapLUNs, plan.InspectVolume: a.InspectVolume, plan.SaveVolume: a.SaveVolume, plan.CopyBackup: a.CopyBackup, plan.RestoreTable: a.RestoreTable,
		plan.RunCommand: a.RunCommand, plan.ProbeHTTP: a.ProbeHTTP, plan.Wait: a.Wait, plan.Confirm: a.Confirm, plan.SendMessage: a.SendMessage,
		plan.RunInGuest: a.RunInGuest, plan.RebootHost: a.RebootHost, plan.SetHostOption: a.SetHostOption, plan.ReadHostOption: a.ReadHostOption,
		plan.MarkGroup: a.MarkGroup, plan.UnmarkGroup: a.UnmarkGroup,
		plan.SnapshotGroup: a.SnapshotGroup, plan.SendDataset: a.SendDataset, plan.VerifyReplicas: a.VerifyReplicas, plan.KeepPoint: a.KeepPoint,
		plan.SaveRecord: a.SaveRecord, plan.MeasureGroup: a.MeasureGroup,
		plan.ReleaseHolds: a.ReleaseHolds, plan.DestroyPoints: a.DestroyPoints,
		plan.SetChangeTracking: a.SetChangeTracking, plan.SnapshotGuest: a.SnapshotGuest, plan.RemoveSnapshot: a.RemoveSnapshot,
	}
}

// params decodes the parameters of a step.
func params[T any](c plan.Call) (T, error) {
	var p T
	if err := json.Unmarshal(c.Params, &p); err != nil {
		return p, refuse(fault.Invalid, "its parameters %s cannot be read: %w", c.Params, err)
	}
	return p, nil
}

// from makes the verb of a step out of its parameters, when act prepares it.
func from[P any](c plan.Call, whole func(context.Context, P) (verb, error)) func(context.Context) (verb, error) {
	return func(ctx context.Context) (verb, error) {
		p, err := params[P](c)
		if err != nil {
			return verb{}, err
		}
		return whole(ctx, p)
	}
}
