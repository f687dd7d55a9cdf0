package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The actions that step runbooks have beside those of the built-in ones, with the type of their Params and what holds when
// they are done.
const (
	// RunCommand (CommandParams; the target is the machine): the command has ended with one of the exit statuses of success.
	RunCommand Action = "RunCommand"
	// RunInGuest (GuestCommandParams): the same of a program in a guest.
	RunInGuest Action = "RunInGuest"
	// ProbeHTTP (ProbeParams; the target is the lab): the URL has answered as wanted. Read-only.
	ProbeHTTP Action = "ProbeHTTP"
	// Wait (WaitParams; the target is the lab): the time has come. Read-only.
	Wait Action = "Wait"
	// Confirm (ConfirmParams; the target is the lab): a person has said yes.
	Confirm Action = "Confirm"
	// SendMessage (MessageParams; the target is the lab): Temporal has the message, and sends it to people. Nothing waits for that.
	SendMessage Action = "SendMessage"
	// RebootHost (RebootParams): the host has been booted since the plan was made, and vCenter is connected to it.
	RebootHost Action = "RebootHost"
	// SetHostOption (OptionParams): the advanced option has the value.
	SetHostOption Action = "SetHostOption"
	// ReadHostOption (OptionParams without a value): its value is in the report. Read-only.
	ReadHostOption Action = "ReadHostOption"
	// SetChangeTracking (TrackingParams): Changed Block Tracking of the guest is on, or off; off is a debt.
	SetChangeTracking Action = "SetChangeTracking"
	// SnapshotGuest (SnapshotParams): the guest has the snapshot.
	SnapshotGuest Action = "SnapshotGuest"
	// RemoveSnapshot (SnapshotParams): it does not have it.
	RemoveSnapshot Action = "RemoveSnapshot"
)

// ofSteps are the actions above.
func ofSteps() []Action {
	return []Action{RunCommand, RunInGuest, ProbeHTTP, Wait, Confirm, SendMessage, RebootHost, SetHostOption, ReadHostOption, SetChangeTracking, SnapshotGuest, RemoveSnapshot}
}

// CommandParams are for RunCommand.
type CommandParams struct {
	Machine string   `json:"machine"` // its name in the lab file
	Run     []string `json:"run"`     // program and arguments; no shell but one that is named here
	// Reads: it changes nothing, and may be run again when its answer was lost.
	Reads   bool     `json:"reads,omitempty"`
	Success []int    `json:"success,omitempty"` // exit statuses; none: 0
	Timeout Duration `json:"timeout"`           // how long it may run
}

// GuestCommandParams are for RunInGuest.
type GuestCommandParams struct {
	Run       []string `json:"run"` // program, by its full path, and arguments
	Windows   bool     `json:"windows,omitempty"`
	Directory string   `json:"directory,omitempty"`
	Reads     bool     `json:"reads,omitempty"`
	Success   []int    `json:"success,omitempty"`
	Timeout   Duration `json:"timeout"`
}

// ProbeParams are for ProbeHTTP.
type ProbeParams struct {
	URL         string   `json:"url"`
	Status      []int    `json:"status,omitempty"` // none: any below 400
	Contains    string   `json:"contains,omitempty"`
	Fingerprint string   `json:"fingerprint,omitempty"`
	Timeout     Duration `json:"timeout"` // how long it may take to answer so
}

// WaitParams are for Wait: one of For and Until is set.
type WaitParams struct {
	For   Duration `json:"for,omitempty"`
	Until string   `json:"until,omitempty"` // "22:30": the next one after the step has begun
	Zone  string   `json:"zone,omitempty"`  // of Until; empty: UTC
}

// ConfirmParams are for Confirm.
type ConfirmParams struct {
	Message string `json:"message"`
	// Timeout is how long a person may take: then the answer is no, and the run ends in order.
	Timeout Duration `json:"timeout"`
}

// MessageParams are for SendMessage.
type MessageParams struct {
	Text string `json:"text"`
	// Channels are names in the lab file; none: all that take messages of the runbook.
	Channels []string `json:"channels,omitempty"`
}

// maxMessage is how many bytes a message may have: it is read on a telephone, and goes into histories.
const maxMessage = 4096

// RebootParams are for RebootHost.
type RebootParams struct {
	Host string `json:"host"` // the host's name in the lab file
	// Booted is when it was booted, as was known when the plan was made.
	Booted  time.Time `json:"booted"`
	Timeout Duration  `json:"timeout"`
}

// OptionParams are for SetHostOption and ReadHostOption.
type OptionParams struct {
	Host   string `json:"host"` // the host's name in the lab file
	Option string `json:"option"`
	Value  string `json:"value,omitempty"` // as text: it is read as what the option is
}

// TrackingParams are for SetChangeTracking.
type TrackingParams struct {
	Enabled bool `json:"enabled"`
}

// SnapshotParams are for SnapshotGuest and RemoveSnapshot.
type SnapshotParams struct {
	Name string `json:"name"`
}

// newStepParams is newParams for the actions of this file.
func newStepParams(a Action) any {
	switch a {
	case RunCommand:
		return new(CommandParams)
	case RunInGuest:
		return new(GuestCommandParams)
	case ProbeHTTP:
		return new(ProbeParams)
	case Wait:
		return new(WaitParams)
	case Confirm:
		return new(ConfirmParams)
	case SendMessage:
		return new(MessageParams)
	case RebootHost:
		return new(RebootParams)
	case SetHostOption, ReadHostOption:
		return new(OptionParams)
	case SetChangeTracking:
		return new(TrackingParams)
	case SnapshotGuest, RemoveSnapshot:
		return new(SnapshotParams)
	}
	return newStorageParams(a)
}

func (p *CommandParams) check() error {
	return errors.Join(someCommand(p.Run), ahead("timeout", p.Timeout))
}
func (p *GuestCommandParams) check() error {
	return errors.Join(someCommand(p.Run), ahead("timeout", p.Timeout))
}
func (p *ProbeParams) check() error   { return ahead("timeout", p.Timeout) }
func (p *ConfirmParams) check() error { return ahead("timeout", p.Timeout) }
func (p *RebootParams) check() error  { return ahead("timeout", p.Timeout) }

func (p *MessageParams) check() error {
	switch {
	case strings.TrimSpace(p.Text) == "":
		return errors.New("the message has no text")
	case len(p.Text) > maxMessage:
		return fmt.Errorf("the message has %d bytes, at most %d are sent", len(p.Text), maxMessage)
	}
	return nil
}

func (p *WaitParams) check() error {
	if (p.For > 0) == (p.Until != "") {
		return errors.New("either for or until is set")
	}
	return nil
}

func (p *SnapshotParams) check() error {
	if p.Name == "" {
		return errors.New("the snapshot has no name")
	}
	return nil
}

func someCommand(run []string) error {
	if len(run) == 0 || run[0] == "" {
		return errors.New("there is no command")
	}
	return nil
}

// onlyReads tells of a step of this file whether it changes nothing.
func (s Step) onlyReads() bool {
	switch s.Action {
	case ProbeHTTP, Wait, Confirm, SendMessage, ReadHostOption:
		return true
	case RunCommand, RunInGuest:
		var p struct {
			Reads bool `json:"reads"`
		}
		return json.Unmarshal(s.Params, &p) == nil && p.Reads
	}
	return false
}

// Message is what a person is asked by a Confirm; empty for other steps.
func (s Step) Message() string {
	var p ConfirmParams
	if s.Action != Confirm || json.Unmarshal(s.Params, &p) != nil {
		return ""
	}
	return p.Message
}

// wholeDeed is what a step of this file says of its object beside the target, for comparisons: all of it.
func (s Step) wholeDeed() (string, bool) {
	for _, a := range ofSteps() {
		if s.Action == a {
			return string(s.Params), true
		}
	}
	return "", false
}
