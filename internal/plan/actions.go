package plan

import (
	"encoding/json"
	"slices"
	"time"
)

// An Action is the name of an activity that does one step. Workflows dispatch by it; activities/ registers under it.
type Action string

// The actions on a lab, with the type of their Params and what holds when they are done.
const (
	// RememberRunning (RememberParams): the guests of the list are in the lab's memory as "ran before". The activity adds
	// Run from its Call: a plan that named its run would not have the hash of its preview.
	RememberRunning Action = "RememberRunning"
	// ForgetRunning (RememberParams): those of them that are seen powered on are not any more. The others stay, as they
	// have not been brought back: their start was skipped, or the run was aborted before it.
	ForgetRunning Action = "ForgetRunning"
	// MarkLab (no params): the vCenter bears the mark that this nightshift works on it.
	MarkLab Action = "MarkLab"
	// UnmarkLab (no params): the mark is gone.
	UnmarkLab Action = "UnmarkLab"

	// RecordLab (RecordParams): the ledger has what the vCenter knows of its hosts, guests and datastores, for a power-up that
	// begins without it, and a page with what a person would do by hand lies in the state directory.
	RecordLab Action = "RecordLab"

	// SuspendSetting (SettingParams): the cluster's setting is as power-down wants it; what it was is a debt.
	SuspendSetting Action = "SuspendSetting"
	// SettleDebt (SettingParams): the setting is as the debt says, and the debt is gone.
	SettleDebt Action = "SettleDebt"

	// SilenceMonitoring (MonitoringParams): the monitoring was told to be quiet; that is a debt.
	SilenceMonitoring Action = "SilenceMonitoring"
	// ResumeMonitoring (MonitoringParams): it was told to watch again, and the debt is gone.
	ResumeMonitoring Action = "ResumeMonitoring"

	// ShutdownGuest (ShutdownGuestParams): the guest is off, or suspended where the policy says so.
	ShutdownGuest Action = "ShutdownGuest"
	// PowerOnGuest (no params): the guest is powered on.
	PowerOnGuest Action = "PowerOnGuest"
	// CheckGuest (CheckGuestParams): the guest's health checks pass. Read-only.
	CheckGuest Action = "CheckGuest"

	// EnterMaintenance (HostParams): the host is in maintenance mode.
	EnterMaintenance Action = "EnterMaintenance"
	// ExitMaintenance (HostParams): it is not.
	ExitMaintenance Action = "ExitMaintenance"
	// ShutdownHost (ShutdownHostParams): the host was told to shut down and the BMC says Off.
	ShutdownHost Action = "ShutdownHost"
	// PowerOnHost (PowerOnHostParams): the BMC says On.
	PowerOnHost Action = "PowerOnHost"
	// AwaitHost (HostParams): the vCenter says that the host is connected; with Unnoticed, that it is again. Read-only.
	AwaitHost Action = "AwaitHost"
	// AwaitDatastores (AwaitDatastoresParams): the host can use the datastores. Read-only but for the rescans that it is told
	// to make.
	AwaitDatastores Action = "AwaitDatastores"
	// AwaitVCenter (no params; the target is the vCenter): it answers, lets us log in, and its inventory can be read. Read-only.
	AwaitVCenter Action = "AwaitVCenter"

	// StopApplication (ApplicationParams): the application cluster says that it is stopped.
	StopApplication Action = "StopApplication"
	// StartApplication (ApplicationParams): it says that it is up.
	StartApplication Action = "StartApplication"

	// CheckMains (MainsParams): the point of no return. The mains are not back: the descent goes on, and nothing ends it any more.
	// Where they are back at all UPSes, and steadily, the run ends in order. Read-only.
	CheckMains Action = "CheckMains"
	// OrderLoadOff (LoadOffParams; the target is the UPS): it has taken the order to switch its load off.
	OrderLoadOff Action = "OrderLoadOff"

	// Join (no params; the target is the lab): nothing is done. Many steps wait for it in place of each of many others: so a
	// group that comes after a group needs as many edges as the two have members, and not the product.
	Join Action = "Join"
)

// Actions lists every action, in the order above, then those of replication, those on LUNs and those of step runbooks.
func Actions() []Action {
	return slices.Concat([]Action{RememberRunning, ForgetRunning, MarkLab, UnmarkLab, RecordLab, SuspendSetting, SettleDebt, SilenceMonitoring, ResumeMonitoring, ShutdownGuest, PowerOnGuest,
		CheckGuest, EnterMaintenance, ExitMaintenance, ShutdownHost, PowerOnHost, AwaitHost, AwaitDatastores, AwaitVCenter,
		StopApplication, StartApplication, CheckMains, OrderLoadOff, Join}, ofReplication(), ofLUNs(), ofSteps())
}

// RememberParams are for RememberRunning and ForgetRunning.
type RememberParams struct {
	Guests []RememberedGuest `json:"guests"`
}

// A RememberedGuest ran before the first power-down that no power-up has settled. The key is Endpoint and UUID.
type RememberedGuest struct {
	Endpoint string    `json:"endpoint"` // the vCenter's name in the lab file
	UUID     string    `json:"uuid"`     // instance UUID
	Name     string    `json:"name"`
	Host     string    `json:"host,omitempty"` // on which it ran
	Since    time.Time `json:"since,omitzero"` // when it was remembered
	Run      string    `json:"run,omitempty"`  // by which run
	// Ref is its managed object id when the plan was made. For ForgetRunning, which looks whether it runs; not remembered.
	Ref string `json:"ref,omitempty"`
	// Tools ran in it: so it counts as up when they do again.
	Tools bool `json:"tools,omitempty"`
}

// A Setting of a cluster, or of a host, that a power-down changes and a power-up gives back.
type Setting string

const (
	HA  Setting = "ha"  // dasConfig.enabled: off
	DRS Setting = "drs" // drsConfig.defaultVmBehavior: manual. DRS itself is never disabled: that deletes all resource pools
	DPM Setting = "dpm" // dpmConfigInfo.enabled: off
	// Maintenance is a host's: runtime.inMaintenanceMode. What it was is always "false": a host that was in it before is
	// left in it.
	Maintenance Setting = "maintenance"
	// Alarms is a cluster's, or a host's: alarmActionsEnabled. Off, its alarms are shown and do nothing.
	Alarms Setting = "alarms"
	// Watch is a monitoring's of the lab file: whether it raises alarms. Nobody can read it; a debt says that it was told not to.
	Watch Setting = "watch"
	// ChangeTracking is a guest's: config.changeTrackingEnabled. What it was is always "true".
	ChangeTracking Setting = "changeTracking"
	VCLS           Setting = "vcls" // config.vcls.clusters.<domain-cN>.enabled: false (retreat mode), done when no vCLS VM is left
)

// Title is the setting in a person's words.
func (s Setting) Title() string {
	switch s {
	case HA:
		return "vSphere HA"
	case DRS:
		return "DRS automation level"
	case DPM:
		return "DPM"
	case VCLS:
		return "vCLS"
	case Maintenance:
		return "maintenance mode"
	case Alarms:
		return "alarm actions"
	case Watch:
		return "watching"
	case ChangeTracking:
		return "Changed Block Tracking"
	}
	return string(s)
}

// SettingParams are for SuspendSetting and SettleDebt; the target is the cluster, or, of Alarms, a host.
type SettingParams struct {
	Setting Setting `json:"setting"`
}

// MonitoringParams are for SilenceMonitoring and ResumeMonitoring.
type MonitoringParams struct {
	Monitoring string `json:"monitoring"` // its name in the lab file
}

// MonitoringDebt is the id of the debt of a monitoring that is quiet.
func MonitoringDebt(name string) string { return DebtID("monitoring", name, Watch) }

// A Debt is something that was switched off and must be switched on again. It is written down before the act.
type Debt struct {
	ID      string    `json:"id"` // DebtID
	Target  Target    `json:"target"`
	Setting Setting   `json:"setting"`
	Was     string    `json:"was"` // the value to give back: "true", "fullyAutomated"; "" = the option was not set
	Run     string    `json:"run"` // workflow id of the run that owes it
	Since   time.Time `json:"since"`
}

// DebtID is the key under which a debt is kept: one per cluster and setting.
func DebtID(endpoint, clusterRef string, s Setting) string {
	return endpoint + "/" + clusterRef + "/" + string(s)
}

// What to do with a guest that cannot be, or was not, shut down by its Tools.
const (
	ShutdownByTools = "shutdown" // as Method: ask the Tools

	LeaveGuest    = "leave"    // leave it on and block
	PowerOffGuest = "powerOff" // pull the plug
	SuspendGuest  = "suspend"  // suspend it to disk
)

// ShutdownGuestParams are for ShutdownGuest.
type ShutdownGuestParams struct {
	Method    string   `json:"method"`    // "shutdown" (through the Tools; default), "suspend", "powerOff"
	Timeout   Duration `json:"timeout"`   // how long the guest may take to shut down
	OnTimeout string   `json:"onTimeout"` // leave | powerOff | suspend
	NoTools   string   `json:"noTools"`   // the same, where no Tools run
	// Host is the Ref of the host on which it was when the plan was made: on another one the step asks for a new plan.
	Host string `json:"host,omitempty"`
}

// CheckGuestParams are for CheckGuest: all of them must pass.
type CheckGuestParams struct {
	Tools bool     `json:"tools,omitempty"` // the Tools run, and their heartbeat, where vCenter tells of one, is green (or yellow)
	TCP   []string `json:"tcp,omitempty"`   // host:port that accepts a connection
	HTTP  []string `json:"http,omitempty"`  // URL that answers with a status below 400
}

// HostParams are for EnterMaintenance, ExitMaintenance and AwaitHost.
type HostParams struct {
	Host string `json:"host"` // the host's name in the lab file
	// Evacuate is for EnterMaintenance: DRS moves the guests that run on it to other hosts.
	Evacuate bool `json:"evacuate,omitempty"`
	// Unnoticed is for AwaitHost: when the plan was made, the vCenter called the host connected though it was off.
	Unnoticed bool `json:"unnoticed,omitempty"`
}

// What to do with a host that the vCenter may not, or did not, shut down.
const (
	LeaveHost   = "leave"     // block
	GracefulBMC = "graceful"  // ask the BMC for a GracefulShutdown (ACPI power button)
	ForceOffBMC = "forceOff"  // cut its power, only after all its guests were seen off
	ViaVCenter  = "vcenter"   // ShutdownHost_Task, the default way
	ViaBMC      = GracefulBMC // GracefulShutdown from the start
)

// ShutdownHostParams are for ShutdownHost.
type ShutdownHostParams struct {
	Host      string   `json:"host"`      // the host's name in the lab file
	Via       string   `json:"via"`       // vcenter | graceful
	NoRights  string   `json:"noRights"`  // where the vCenter refuses: leave | graceful
	Timeout   Duration `json:"timeout"`   // how long the host may take until the BMC says Off
	OnTimeout string   `json:"onTimeout"` // leave | forceOff
}

// PowerOnHostParams are for PowerOnHost.
type PowerOnHostParams struct {
	Host string `json:"host"`
}

// AwaitDatastoresParams are for AwaitDatastores.
type AwaitDatastoresParams struct {
	Host       string   `json:"host"`
	Datastores []string `json:"datastores,omitempty"` // managed object ids
	// Names are used instead of ids where the step goes to the host itself, which has ids of its own.
	Names []string `json:"names,omitempty"`
	// Rescan has the host look for its storage again and again while something is missing, as its provider came up after it.
	Rescan bool `json:"rescan,omitempty"`
}

// RecordParams are for RecordLab.
type RecordParams struct {
	VCenter string `json:"vcenter"` // its name in the lab file
}

// ApplicationParams are for StopApplication and StartApplication.
type ApplicationParams struct {
	Application string   `json:"application"` // its name in the lab file
	Timeout     Duration `json:"timeout"`     // how long it may take
	// Commands identifies the commands, and the machines where they run, as the lab file had them when the plan was made: on
	// others the step asks for a new plan, and that goes beyond the approved one. Empty in older plans.
	Commands string `json:"commands,omitempty"`
}

// MainsParams are for CheckMains.
type MainsParams struct {
	UPS    []string `json:"ups"`    // their names in the lab file
	Steady Duration `json:"steady"` // how long the mains must be there without a break to count as back
}

// LoadOffParams are for OrderLoadOff.
type LoadOffParams struct {
	UPS          string   `json:"ups"`          // its name in the lab file
	Hosts        []string `json:"hosts"`        // that it feeds, by their names in the lab file: all have to be Off
	Delay        Duration `json:"delay"`        // from the order until the load is off
	RestartDelay Duration `json:"restartDelay"` // from the return of the mains until it is on again
	// Servers are what the BMCs of hosts told of themselves when the plan was made, where the lab file has nothing recorded.
	Servers map[string]Server `json:"servers,omitempty"`
}

// A Server is how a BMC tells which machine it is of. Either may be empty.
type Server struct {
	Serial string `json:"serial,omitempty"`
	UUID   string `json:"uuid,omitempty"`
}

// Encode makes the Params of a step.
func Encode(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // the types above always marshal
	}
	return b
}
