// Package live is what was read from the systems of a lab at one moment: plain data that device clients make and
// planners read. What a person says about the lab is package inventory.
package live

import (
	"strings"
	"time"
)

// A State is the whole lab.
type State struct {
	At       time.Time
	VCenters []VCenter // those that could be read
	BMCs     []BMC     // one per host of the lab file that has a BMC
	// Instance names this nightshift: what it writes as mark.
	Instance string
	// Hosts are those of the lab file that were read through their own API, as their vCenter does not answer, or as they
	// carry what the lab stands on.
	Hosts []DirectHost
	// Needs are the addresses that nightshift itself uses: its name servers, its Temporal server.
	Needs []Need
	// Machine is the SMBIOS UUID of the machine that nightshift runs on, lower case; empty: not known.
	Machine string
	// UPSes are those of the lab file, where the runbook looks at them.
	UPSes []UPS
	// Targets are the iSCSI targets of storage hosts, where the runbook looks at LUNs.
	Targets []Target
	// Protected is what lies on the datasets of the protection group that the runbook replicates; nil: it was not asked for.
	Protected *Protected
	// Storage are the storage hosts that the runbook looks at, with what it looks at there.
	Storage []StorageHost
}

// A UPS is what one tells of the supply of the hosts that it feeds.
type UPS struct {
	Name string // in the lab file
	// Err is why it could not be asked; then nothing else is set but Name.
	Err string
	// OnBattery: the mains are away.
	OnBattery bool
	// GoesOff: it was told to switch its load off, and will, whatever the mains do.
	GoesOff bool
}

// A DirectHost is what an ESXi host tells of itself.
type DirectHost struct {
	Host string // name in the lab file
	// Err is why it could not be read; then nothing else is set but Host.
	Err string
	// ESXi is its inventory: one host, without clusters. Refs are the host's own, other than its vCenter's.
	ESXi VCenter
}

// A Need is something that nightshift itself cannot do without.
type Need struct {
	What    string // NameServer, "its Temporal server", "an address of self.needs"
	Address string // IP address
}

// NameServer is what a Need is that only counts where the lab file gives machines by their names.
const NameServer = "its name server"

// A VCenter is what one vCenter tells.
type VCenter struct {
	Name         string // in the lab file
	InstanceUUID string
	Version      string // "8.0.3"
	Build        string
	APIType      string        // VirtualCenter | HostAgent
	ClockOffset  time.Duration // its clock less ours
	// Remembered is set where the vCenter does not answer and this is what it last told, from the ledger. Nothing in it says
	// how things are now: power and connection states are empty.
	Remembered time.Time
	Mark       string // who works on it: the custom attribute; empty: nobody
	Clusters   []Cluster
	Hosts      []Host
	Guests     []Guest
	Datastores []Datastore
	Tasks      []Task // queued or running
	// Warnings are what could not be read for lack of rights: "tags: no permission".
	Warnings []string
}

// A Cluster and the settings that a power-down takes away.
type Cluster struct {
	Ref, Name string
	HA        bool
	DRS       bool   // enabled
	DRSLevel  string // fullyAutomated | partiallyAutomated | manual
	DPM       bool
	VSAN      bool
	// VCLS is the value of config.vcls.clusters.<Ref>.enabled; nil: not set.
	VCLS *string
	// Alarms says whether the cluster's own alarms act: AlarmsOn, …
	Alarms string `json:",omitempty"`
}

// Whether the alarms of a cluster or a host act. Empty: it is not known.
const (
	AlarmsOn     = "on"
	AlarmsOff    = "off"
	AlarmsDenied = "denied" // on, and the account may not switch them off
)

// Connection states of hosts and guests, as vSphere names them.
const (
	Connected     = "connected"
	Disconnected  = "disconnected"
	NotResponding = "notResponding"
)

// Power states of guests, as vSphere names them.
const (
	PoweredOn  = "poweredOn"
	PoweredOff = "poweredOff"
	Suspended  = "suspended"
)

// A Host is an ESXi host.
type Host struct {
	Ref, Name   string
	Cluster     string // Ref of its cluster; empty: standalone
	UUID        string // SMBIOS UUID, lower case
	Serial      string // service tag, where vCenter knows it
	Connection  string
	Power       string // poweredOn | poweredOff | standBy | unknown
	Maintenance bool
	Booted      time.Time // when it was last booted, by its vCenter's clock, to the second; zero: not known
	Lockdown    string    // lockdownDisabled | lockdownNormal | lockdownStrict
	Version     string
	Build       string
	ReadOnly    bool     // its licence allows reading only (the free ESXi)
	Datastores  []string // Refs
	MACs        []string // of its network cards, lower case; none: not known
	// Alarms says whether the host's own alarms act: AlarmsOn, …; a host itself does not tell.
	Alarms string `json:",omitempty"`
}

// A Guest is a VM.
type Guest struct {
	Ref, Name      string
	UUID           string // instance UUID, lower case
	BIOSUUID       string // SMBIOS UUID as the guest sees it, lower case
	Folder         string // inventory path of its folder
	Host           string // Ref of the host
	Cluster        string // Ref of the host's cluster; empty: none
	Power          string
	Connection     string // connected | disconnected | inaccessible | invalid | orphaned
	Tools          bool   // VMware Tools run
	ToolsInstalled bool   // VMware Tools are installed, as far as vCenter knows; of use where the guest is off
	Heartbeat      string // green | yellow | red | gray; empty: the vCenter tells of none
	Template       bool
	VCLS           bool // an agent VM of vSphere Cluster Services
	FT             bool // Fault Tolerance is on
	Encrypted      bool
	KeyProvider    string    // id of the key provider, where encrypted
	NoSuspend      string    // why it cannot be suspended: "multi-writer disk", "passthrough device", "vGPU"
	Consolidation  bool      // disks need consolidation
	Question       *Question // the VM waits for an answer
	Tags           []string
	Datastores     []string // Refs of those that hold its files
	Path           string   // of its configuration file: "[datastore1] web01/web01.vmx"
	IP             string   // as the Tools tell it
}

// A Question is what a VM waits for.
type Question struct {
	ID, Text string
	Choices  []string
}

// A Datastore is storage that hosts see.
type Datastore struct {
	Ref, Name, Type string
	Accessible      bool
	Hosts           []string // Refs of the hosts that mount it
}

// A Task of a vCenter that is queued or running.
type Task struct {
	Ref        string
	Name       string // descriptionId: "VirtualMachine.migrate"
	Entity     string // Ref
	EntityName string
	State      string // queued | running
	Since      time.Time
}

// Power states of a BMC's system, as Redfish names them (DSP0266, PowerState).
const (
	On          = "On"
	Off         = "Off"
	PoweringOn  = "PoweringOn"
	PoweringOff = "PoweringOff"
	Paused      = "Paused"
)

// A BMC is what a management controller tells of its server.
type BMC struct {
	Host       string // name in the lab file
	Power      string
	ResetTypes []string // AllowableValues of ComputerSystem.Reset
	UUID       string   // lower case
	Serial     string
	Model      string
	Firmware   string
	Boot       string // where its server stands in its boot, in the words of the BMC: "OSBootStarted", "InPost"; empty: it does not tell
	// Err is why it could not be read; then nothing else is set but Host.
	Err string
}

// MAC is a MAC address as Host.MACs has it: lower case, with colons.
func MAC(s string) string { return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(s)), "-", ":") }

// SameUUID compares SMBIOS UUIDs, of which some BMCs and ESXi write the first three fields in the other byte order
// (SMBIOS 2.6, §7.2.1), and IPMI the whole of it in reverse (IPMI 2.0, §20.8).
func SameUUID(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	return a == b || swapUUID(a) == b || len(a) == 36 && (reverseUUID(a) == b || reverseUUID(a) == swapUUID(b) || reverseUUID(b) == swapUUID(a))
}

// reverseUUID turns all 16 bytes round.
func reverseUUID(s string) string {
	h := strings.ReplaceAll(s, "-", "")
	if len(h) != 32 {
		return s
	}
	var b strings.Builder
	for i := 30; i >= 0; i -= 2 {
		b.WriteString(h[i : i+2])
	}
	r := b.String()
	return r[0:8] + "-" + r[8:12] + "-" + r[12:16] + "-" + r[16:20] + "-" + r[20:]
}

func swapUUID(s string) string {
	if len(s) != 36 {
		return s
	}
	h := strings.ReplaceAll(s, "-", "")
	if len(h) != 32 {
		return s
	}
	swap := func(from, to int) string {
		var b strings.Builder
		for i := to - 2; i >= from; i -= 2 {
			b.WriteString(h[i : i+2])
		}
		return b.String()
	}
	return swap(0, 8) + "-" + swap(8, 12) + "-" + swap(12, 16) + "-" + h[16:20] + "-" + h[20:]
}
