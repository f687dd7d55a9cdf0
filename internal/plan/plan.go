// Package plan is a run as data: a graph of steps with everything that is needed to show it, to approve it and to
// carry it out. Planners (runbooks/) make plans, workflows/ execute them, activities/ do single steps.
//
// It is plain Go: it knows neither Temporal nor any device.
package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
)

// SchemaVersion is the version of the Plan's JSON form. Fields are only added; a change of meaning raises it.
const SchemaVersion = 1

// AllLeft is in the title of a plan without steps whose hosts are all left alone: of them nobody says that they are up, or down.
const AllLeft = "everything is left alone"

// A Plan says what a run will do. Two plans with the same Hash do the same things to the same objects.
type Plan struct {
	Schema  int    `json:"schema"`
	Runbook string `json:"runbook"` // catalog name: "power-down"
	Title   string `json:"title"`   // a person's words: "Power down lab home: 4 hosts, 12 guests"
	Lab     string `json:"lab"`
	LabHash string `json:"labHash"` // of the lab file that the planner read
	// Definition is the hash of the file of a step runbook, with those that it uses. Empty: the runbook is one of nightshift's own.
	Definition string `json:"definition,omitempty"`
	// Created is when the state was inspected. Not part of the hash.
	Created time.Time `json:"created"`
	// Parameters are the runbook's, as given by the person or the schedule that asked.
	Parameters map[string]string `json:"parameters,omitempty"`
	// Limits maps a key of Step.Holds, or its part before ':', to how many steps may hold it at a time. Default 1.
	Limits map[string]int `json:"limits,omitempty"`
	Steps  []Step         `json:"steps"`
	// Untouched names what was left out on purpose, with the reason: kept hosts and guests.
	Untouched []Finding `json:"untouched,omitempty"`
	Warnings  []Finding `json:"warnings,omitempty"`
	// Blockers stop the run before its first step.
	Blockers []Finding `json:"blockers,omitempty"`
	// Rollups are what becomes of snapshots, dataset by dataset: for people.
	Rollups []Rollup `json:"rollups,omitempty"`
	// Left are the subjects of what a power-down on account of a UPS leaves as it is because something stands in its way, and
	// should be tried again: why is among the warnings.
	Left []string `json:"left,omitempty"`
}

// A Finding is something about the plan that a person should read.
type Finding struct {
	Subject string `json:"subject"`          // "guest web01"
	Text    string `json:"text"`             // what is the matter
	Remedy  string `json:"remedy,omitempty"` // what to do about it
	// Passes is set by a planner on a blocker that may be gone in a minute or two, by itself: the witnesses of a host differ. It
	// is for whoever makes the plan, and goes into none.
	Passes bool `json:"-"`
}

func (f Finding) String() string {
	s := f.Subject + ": " + f.Text
	if f.Remedy != "" {
		s += " (" + f.Remedy + ")"
	}
	return s
}

// OnFailure says what happens when a step has failed for good.
type OnFailure string

const (
	Ask   OnFailure = "ask"   // the step blocks until an operator decides; the default
	Skip  OnFailure = "skip"  // its dependents go on as if it were done; the report says so
	Force OnFailure = "force" // the step runs once more with Call.Force set, then it is as Ask
	Abort OnFailure = "abort" // the run ends in order: nothing new is begun but the Always steps
)

// Valid reports whether o is one of the policies, the empty one (Ask) included.
func (o OnFailure) Valid() bool {
	switch o {
	case "", Ask, Skip, Force, Abort:
		return true
	}
	return false
}

// A Step is one thing to do: one activity.
type Step struct {
	ID        string          `json:"id"`     // unique in the plan and readable, as it is the activity id: "shutdown-guest:web01"
	Title     string          `json:"title"`  // a person's words: "Shut down guest web01 (Tools, 5 min, then power off)"
	Group     string          `json:"group"`  // heading under which lists fold it: "Guests", "Host esx21"
	Action    Action          `json:"action"` // what to do: the name of the activity
	Target    Target          `json:"target"` // to what
	Params    json.RawMessage `json:"params,omitempty"`
	Needs     []string        `json:"needs,omitempty"` // ids of the steps that must be done, or skipped, before
	Holds     []string        `json:"holds,omitempty"` // keys, such as "vcenter:vc1", under which it takes one slot each
	OnFailure OnFailure       `json:"onFailure,omitempty"`
	// Own tells that others rely on OnFailure: what whoever starts the run says of failing steps does not replace it.
	Own bool `json:"own,omitempty"`
	// Always steps run after an abort too: what was switched off is switched on again.
	Always bool `json:"always,omitempty"`
	// OnlyAfter is the id of the step without which an Always step has nothing to undo, or nobody to ask: after an abort it
	// runs only if that one had begun.
	OnlyAfter string `json:"onlyAfter,omitempty"`
	// Queue is the task queue of the site where the step must run; empty: the run's own.
	Queue    string   `json:"queue,omitempty"`
	Estimate Duration `json:"estimate,omitempty"` // how long it usually takes
	Timeout  Duration `json:"timeout"`            // of one attempt, waiting included
}

// A Target is what a step acts on. Before acting, the identity is compared with the live system: nothing is acted on
// whose Ref, Name or UUID is another one than when the plan was made.
type Target struct {
	Kind     Kind   `json:"kind"`
	Name     string `json:"name"`               // as people call it
	Endpoint string `json:"endpoint,omitempty"` // the vCenter's name in the lab file
	Ref      string `json:"ref,omitempty"`      // managed object id: "vm-42", "host-9", "domain-c8"
	UUID     string `json:"uuid,omitempty"`     // guest: instance UUID; host: SMBIOS UUID; lower case
	// Direct is the host of the lab file through whose own API the step acts, as the vCenter is not there then. The object is
	// found there by its UUID and Name: Ref is the vCenter's and not compared.
	Direct string `json:"direct,omitempty"`
}

func (t Target) String() string { return string(t.Kind) + " " + t.Name }

// A Kind of target.
type Kind string

const (
	Guest       Kind = "guest"
	Host        Kind = "host"
	Cluster     Kind = "cluster"
	Lab         Kind = "lab"
	VCenter     Kind = "vCenter"
	Application Kind = "application cluster"
	// Watcher is a monitoring of the lab file.
	Watcher Kind = "monitoring"
	UPS     Kind = "UPS"
	Machine Kind = "machine" // that is reached over SSH, by its name in the lab file
	// LUN is a logical unit of a storage host, or a device of one; Endpoint is the storage host, UUID the NAA.
	LUN Kind = "LUN"
)

// Duration is a time.Duration that reads "5m0s" in JSON.
type Duration time.Duration

func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes the form of time.Duration.String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads the form of time.ParseDuration.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// Hash identifies what the plan does: all of it but Created. Lower-case hex of SHA-256.
func (p Plan) Hash() string {
	p.Created = time.Time{}
	b, err := json.Marshal(p)
	if err != nil { // Params that are not JSON; Validate says so in better words
		b = []byte(err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// ShortHash is how people see a hash.
func ShortHash(hash string) string { return hash[:min(12, len(hash))] }

// TaskQueue is where the workflows of a lab run, and the steps of a lab with one site.
func TaskQueue(lab string) string { return "nightshift-" + lab }

// SiteQueue is where the steps of one of several sites run.
func SiteQueue(lab, site string) string {
	return strings.Join([]string{TaskQueue(lab), site}, "-")
}

// Changes reports whether the step changes a guest, a host or a cluster: not the read-only ones, nor those that only
// keep nightshift's own books.
func (s Step) Changes() bool {
	switch s.Action {
	case CheckGuest, AwaitHost, AwaitDatastores, AwaitVCenter, RememberRunning, ForgetRunning, RecordLab, MarkLab, UnmarkLab, MarkGroup, UnmarkGroup, CheckMains, Join, VerifyReplicas, MeasureGroup, CopyBackup:
		return false
	}
	return !s.onlyReads() && !s.looksAtLUNs()
}

// TakesDown reports whether the step switches a machine off that somebody has to bring up again.
func (s Step) TakesDown() bool { return s.Action == ShutdownGuest || s.Action == ShutdownHost }

// Minor reports whether the step only keeps those quiet who watch the lab, or lets them speak again: that it failed is told,
// and holds nothing up.
func (s Step) Minor() bool {
	switch s.Action {
	case SilenceMonitoring, ResumeMonitoring:
		return true
	case SuspendSetting, SettleDebt:
		var p SettingParams
		return json.Unmarshal(s.Params, &p) == nil && p.Setting == Alarms
	}
	return false
}

// NeverSends reports whether the step only looks, asks a person, or stands for other steps: it is never half done.
func (s Step) NeverSends() bool { return s.Waits() || s.Action == Confirm || s.Action == Join }

// Waits reports whether the step only looks until something is as it should be: it may be left at any time, and begun
// again, and nothing is lost but the time when it began.
func (s Step) Waits() bool {
	switch s.Action {
	case CheckGuest, AwaitHost, AwaitDatastores, AwaitVCenter, CheckMains, ProbeHTTP, Wait:
		return true
	}
	return s.looksAtLUNs()
}
