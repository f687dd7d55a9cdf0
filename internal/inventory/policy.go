package inventory

import "nightshift/internal/plan"

// Tags are the names of vSphere tags with a meaning.
type Tags struct {
	Keep  string `json:"keep,omitempty"`  // leave the VM alone; default "KeepOn"
	Start string `json:"start,omitempty"` // `power-up` without --tag and without a memory offers these; default "StartUp"
}

// Policies say what to do in general.
type Policies struct {
	Guest GuestPolicy `json:"guest,omitempty"`
	Host  HostPolicy  `json:"host,omitempty"`
	// SettleTime is how long a step watches, after a call whose answer was lost, before it says that the call did not arrive. Default 1m.
	SettleTime plan.Duration `json:"settleTime,omitempty"`
	// VCLS is how long vCLS VMs may take to go away. Default 10m.
	VCLS plan.Duration `json:"vcls,omitempty"`
	// Datastores is how long datastores may take to become accessible after a host connected. Default 10m.
	Datastores plan.Duration `json:"datastores,omitempty"`
}

// ask, in the policies of guests and hosts: the machine is left as it is, and the step blocks and asks. "leave" is what lab files
// said for it once, and plans still do, as their hashes stand.
const ask = "ask"

// inPlans makes the plans' word of it.
func inPlans(policies ...*string) {
	for _, p := range policies {
		if *p == ask {
			*p = plan.LeaveGuest
		}
	}
}

// InFile is the word of the lab file for what a policy says.
func InFile(policy string) string {
	if policy == plan.LeaveGuest {
		return ask
	}
	return policy
}

// A GuestPolicy says how a guest goes down.
type GuestPolicy struct {
	Method    string        `json:"method,omitempty" jsonschema:"enum=shutdown,enum=suspend,enum=powerOff"`          // shutdown (default) | suspend | powerOff
	Timeout   plan.Duration `json:"timeout,omitempty"`                                                               // default 5m
	OnTimeout string        `json:"onTimeout,omitempty" jsonschema:"enum=ask,enum=powerOff,enum=suspend,enum=leave"` // ask (default) | powerOff | suspend
	NoTools   string        `json:"noTools,omitempty" jsonschema:"enum=ask,enum=powerOff,enum=suspend,enum=leave"`   // ask (default) | powerOff | suspend
}

// A HostPolicy says how a host goes down and comes up.
type HostPolicy struct {
	Via         string        `json:"via,omitempty" jsonschema:"enum=vcenter,enum=graceful"`              // vcenter (default) | graceful: the BMC's GracefulShutdown
	NoRights    string        `json:"noRights,omitempty" jsonschema:"enum=ask,enum=graceful,enum=leave"`  // where the vCenter refuses to shut it down: ask (default) | graceful
	Timeout     plan.Duration `json:"timeout,omitempty"`                                                  // until the BMC says Off; default 15m
	OnTimeout   string        `json:"onTimeout,omitempty" jsonschema:"enum=ask,enum=forceOff,enum=leave"` // ask (default) | forceOff
	Boot        plan.Duration `json:"boot,omitempty"`                                                     // until it is connected in vCenter; default 20m
	Maintenance plan.Duration `json:"maintenance,omitempty"`                                              // to enter or leave maintenance mode; default 10m
}

// Limits of concurrency. 0 = the default.
type Limits struct {
	VCenter int `json:"vcenter,omitempty" jsonschema:"minimum=0"` // default 16
	Host    int `json:"host,omitempty" jsonschema:"minimum=0"`    // default 4
	BMC     int `json:"bmc,omitempty" jsonschema:"minimum=0"`     // default 1
	// Storage is how many streams of a run a storage host sends or receives at a time. Default 2.
	Storage int `json:"storage,omitempty" jsonschema:"minimum=0"`
	// PowerOn is how many hosts are switched on at a time: each draws most while its fans and disks start. A host counts
	// until its BMC says On. Default 4.
	PowerOn int `json:"powerOn,omitempty" jsonschema:"minimum=0"`
}

// Runbook holds the settings of one runbook.
type Runbook struct {
	OnFailure plan.OnFailure `json:"onFailure,omitempty" jsonschema:"enum=ask,enum=skip,enum=force,enum=abort"` // ask (default) | skip | force | abort
	// Deadline ends the run in order when it takes longer. Default: none.
	Deadline plan.Duration `json:"deadline,omitempty"`
	// BlockedDeadline ends a run in order that waits for an operator for so long. Default 12h.
	BlockedDeadline plan.Duration `json:"blockedDeadline,omitempty"`
	// ApprovalDeadline: no answer for so long is a no. Default 1h.
	ApprovalDeadline plan.Duration `json:"approvalDeadline,omitempty"`
	// Approval demands an approval of the plan even where --yes is given, and of scheduled runs.
	Approval bool `json:"approval,omitempty"`
	// OnStale is what an unattended run does that wakes after it was asleep for more than 15 minutes (a suspended laptop, a
	// machine that was off): stop, continue, or ask. Default ask.
	OnStale string `json:"onStale,omitempty" jsonschema:"enum=ask,enum=stop,enum=continue"`
	// Silence says which runs switch off vCenter's alarm actions for what they work on, and ask monitoring (the list at the
	// top) to be quiet: scheduled (default), always, never.
	Silence string `json:"silence,omitempty" jsonschema:"enum=scheduled,enum=always,enum=never"`
	// Approvers demands signed approvals of people of the list at the top, never of the one who asked for the run.
	Approvers *Approvers `json:"approvers,omitempty"`
}

// Approvers says whose signed approval a runbook needs.
type Approvers struct {
	Need int      `json:"need,omitempty" jsonschema:"minimum=0"` // how many have to approve; default 1
	Of   []string `json:"of" jsonschema:"minItems=1"`            // names of people
}

// A Person is known by an SSH key.
type Person struct {
	Name string `json:"name"`
	Key  string `json:"key"` // public, as in authorized_keys: "ssh-ed25519 AAAA…"
}
