package plan

// The activities around the steps, by name. workflows/ calls them, activities/ implements them.
const (
	// MakePlan (Request) inspects the lab, read-only, and answers a Reply.
	MakePlan = "MakePlan"
	// TakeLocks (LockRequest) takes the run's locks in the ledger; with Wait it waits for them, for as long as it may run.
	// A lock that is held fails it with an error of type "Locked".
	TakeLocks = "TakeLocks"
	// ReleaseLocks (LockRequest) gives them back; none held is no error.
	ReleaseLocks = "ReleaseLocks"
	// ReadLedger (lab name) answers the ledger.State without Memory, Records and Acts, which may be long and belong into no history.
	ReadLedger = "ReadLedger"
	// MeasurePower (lab name) reads what the BMCs of the lab meter, side by side and for a few seconds, and answers a
	// PowerReading. What does not answer in time is not metered: no error.
	MeasurePower = "MeasurePower"
	Nudge        = "Nudge" // local activity: asks the steps of a run in this process to yield at once

	// WantedNotices (name of a runbook) is a local activity: it answers the runapi.Events that somebody is to be told of.
	WantedNotices = "WantedNotices"
	// NoticeChannels (runapi.Notice) answers the names of the channels that want it.
	NoticeChannels = "NoticeChannels"
	// SendNotice (runapi.NoticeCall) sends it through one channel.
	SendNotice = "SendNotice"
	// LookAround (runapi.Watch) looks every few minutes, for hours, and answers a runapi.Sighting once there is something new.
	LookAround = "LookAround"
)

// A Request asks for a plan.
type Request struct {
	Runbook    string            `json:"runbook"`
	Lab        string            `json:"lab"`
	Parameters map[string]string `json:"parameters,omitempty"`
	// Run is the workflow id of the run that asks, to be told apart from others in the ledger; empty for a preview.
	Run string `json:"run,omitempty"`
	// Scheduled: a schedule has begun the run, and nobody watches.
	Scheduled bool `json:"scheduled,omitempty"`
	// Again: the run has carried its plan out, and looks what would have to be done again. A host that does not answer just
	// then is waited for.
	Again bool `json:"again,omitempty"`
}

// A Reply holds a plan, packed (see MaxPacked), with what one wants to read in the Temporal UI beside it.
type Reply struct {
	Title    string    `json:"title"`
	Hash     string    `json:"hash"`
	Steps    int       `json:"steps"`
	Warnings []Finding `json:"warnings,omitempty"`
	Blockers []Finding `json:"blockers,omitempty"`
	Left     []string  `json:"left,omitempty"` // Plan.Left
	// Settings are those of the runbook in the worker's lab file.
	Settings Settings `json:"settings"`
	// Versions are those of what took part: of nightshift, of the vCenters, of the hosts and their BMCs.
	Versions map[string]string `json:"versions,omitempty"`
	Packed   []byte            `json:"packed"` // Plan.Pack
}

// Settings of a runbook, resolved: no zero value means "default" any more.
type Settings struct {
	OnFailure        OnFailure `json:"onFailure"`
	Deadline         Duration  `json:"deadline,omitempty"` // 0: none
	BlockedDeadline  Duration  `json:"blockedDeadline"`
	ApprovalDeadline Duration  `json:"approvalDeadline"`
	Approval         bool      `json:"approval,omitempty"`
	// OnStale says what an unattended run does that wakes after a gap: stop or continue. Empty: ask.
	OnStale string `json:"onStale,omitempty"`
	// Approvers are those whose signed approval the plan needs; nil: none is needed.
	Approvers *Approvers `json:"approvers,omitempty"`
}

// Approvers are the people who may approve runs of a runbook, by their keys.
type Approvers struct {
	Need int        `json:"need"` // how many of them have to
	Of   []Approver `json:"of"`
	// Known are all people of the lab file: one of them has to have asked for the run, and that one cannot approve it.
	Known []Approver `json:"known"`
}

// An Approver is a person and the public key by which a signature is known as theirs.
type Approver struct {
	Name string `json:"name"`
	Key  string `json:"key"` // as in authorized_keys: "ssh-ed25519 AAAA…"
}

// A LockRequest names what to lock and for whom.
type LockRequest struct {
	Lab      string   `json:"lab"`
	Scopes   []string `json:"scopes"`
	Workflow string   `json:"workflow"`
	FirstRun string   `json:"firstRun"`
	Runbook  string   `json:"runbook"`
	By       string   `json:"by"`
	Wait     bool     `json:"wait,omitempty"`
}
