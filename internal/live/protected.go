package live

import "time"

// Protected is what lies on the datasets of a protection group, as the target of its source host and the vCenters tell it.
type Protected struct {
	// Target has only the LUNs on the group's datasets, without what lies on them; nil: the source host has no target.
	Target   *Target
	VCenters []Occupants
}

// Occupants are the datastores and VMs of one vCenter that lie on certain LUNs. The fields with names in JSON are part of
// identity records (package identity), which outlive the lab: they are only added to.
type Occupants struct {
	VCenter string `json:"vcenter"` // its name in the lab file
	// Err is why it could not be read; then nothing else is set but VCenter.
	Err          string          `json:"-"`
	InstanceUUID string          `json:"instanceUuid,omitempty"`
	Version      string          `json:"version,omitempty"`
	Read         time.Time       `json:"read"`
	Stores       []OccupiedStore `json:"datastores,omitempty"`
	Guests       []Occupant      `json:"guests,omitempty"`
	// Others are the datastores beside on which these guests have files, too.
	Others []OccupiedStore `json:"-"`
	// NotRead is what an account may not see, or a server does not tell.
	NotRead []Gap `json:"notRead,omitempty"`
}

// A Gap is what is not known, and why.
type Gap struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// An OccupiedStore is a datastore.
type OccupiedStore struct {
	Ref     string   `json:"-"`
	Name    string   `json:"name"`
	Type    string   `json:"type,omitempty"` // VMFS | NFS | vsan | …
	UUID    string   `json:"uuid,omitempty"`
	Version string   `json:"version,omitempty"`
	Disks   []string `json:"disks,omitempty"` // of VMFS: canonical names of its extents, with their partitions: "naa.600144f0…:1"
}

// An Occupant is a VM.
type Occupant struct {
	Ref        string            `json:"-"`
	Name       string            `json:"name"`
	UUID       string            `json:"uuid,omitempty"`      // instance UUID, lower case
	BIOSUUID   string            `json:"biosUuid,omitempty"`  // as the guest sees it, lower case
	Path       string            `json:"vmx,omitempty"`       // "[datastore1] web01/web01.vmx"
	Folder     string            `json:"folder,omitempty"`    // inventory path: "/Home/vm/Applications"
	Pool       string            `json:"pool,omitempty"`      // path of its resource pool below the host or cluster, vApps included; empty: its root
	VApp       string            `json:"vApp,omitempty"`      // path of its vApp, from the outermost that it is in
	VAppStart  int               `json:"vAppStart,omitempty"` // its place in the vApp's order, lower first
	Cluster    string            `json:"cluster,omitempty"`
	Host       string            `json:"host,omitempty"`
	Power      string            `json:"power,omitempty"`
	Template   bool              `json:"template,omitempty"`
	Hardware   string            `json:"hardware,omitempty"` // "vmx-19"
	System     string            `json:"system,omitempty"`   // guest id: "debian12_64Guest"
	Firmware   string            `json:"firmware,omitempty"` // bios | efi
	Notes      string            `json:"notes,omitempty"`
	NICs       []OccupantNIC     `json:"nics,omitempty"`
	Disks      []OccupantDisk    `json:"disks,omitempty"`
	Tags       []string          `json:"tags,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`  // custom attributes by name
	Rights     []OccupantRight   `json:"permissions,omitempty"` // those set on the VM itself
	Policies   []string          `json:"policies,omitempty"`    // storage policies of its home directory, by name; disks have their own
	// Restart is its priority in vSphere HA, where it is not the cluster's; DRS its level of automation, likewise: fullyAutomated |
	// partiallyAutomated | manual | disabled.
	Restart string `json:"restartPriority,omitempty"`
	DRS     string `json:"drs,omitempty"`
	// DRSLevel is the level that stands beside DRS "disabled": it holds again as soon as DRS may move the VM.
	DRSLevel string `json:"drsLevel,omitempty"`
	// HA is what else vSphere HA does with it otherwise than with the rest of its cluster; nil: nothing.
	HA *OccupantHA `json:"ha,omitempty"`
	// Rules are those of the cluster that name it: "apart: db01, db02 (rule databases)".
	Rules       []string `json:"rules,omitempty"`
	Encrypted   bool     `json:"encrypted,omitempty"`
	KeyProvider string   `json:"keyProvider,omitempty"`
	KeyID       string   `json:"keyId,omitempty"`
	// Files are those that it has: disks, swap, deltas.
	Files []OccupantFile `json:"-"`
}

// An OccupantNIC is a network card.
type OccupantNIC struct {
	MAC     string `json:"mac"` // lower case
	Network string `json:"network,omitempty"`
	VLAN    string `json:"vlan,omitempty"` // "12", "0-4094" of a trunk; empty: not known
	Type    string `json:"type,omitempty"` // Vmxnet3, E1000e
}

// An OccupantDisk is a disk.
type OccupantDisk struct {
	Key   int    `json:"-"` // of the device in its VM: 2000
	Label string `json:"label,omitempty"`
	Path  string `json:"path,omitempty"` // of its newest file; of a raw device the mapping file
	LUN   string `json:"lun,omitempty"`  // of a raw device: "vml." name of the LUN, without vml.
	Size  int64  `json:"size,omitempty"` // in bytes
	// Independent disks are left out of snapshots.
	Independent bool `json:"independent,omitempty"`
	MultiWriter bool `json:"multiWriter,omitempty"`
	// Policies are its storage policies, by name; empty: it has none, or NotRead says so.
	Policies []string `json:"policies,omitempty"`
}

// An OccupantRight is a permission.
type OccupantRight struct {
	Principal string `json:"principal"`
	Group     bool   `json:"group,omitempty"`
	Role      string `json:"role"` // its name; where that is not known, its number
	Propagate bool   `json:"propagate,omitempty"`
}

// OccupantHA is what vSphere HA does with a VM otherwise than with the rest of its cluster, beside its restart priority: only what is set for
// the VM itself. Names in JSON and values are those of the vSphere API (ClusterDasVmSettings, ClusterVmReadiness), by which it is set
// again. Times are in seconds; 0 is not set.
type OccupantHA struct {
	// RestartTimeout is how long VMs of lower priorities wait at most until it is ready.
	RestartTimeout int `json:"restartPriorityTimeout,omitempty"`
	// Ready is when it is: none | poweredOn | guestHbStatusGreen | appHbStatusGreen, and ReadyDelay later.
	Ready      string `json:"readyCondition,omitempty"`
	ReadyDelay int    `json:"postReadyDelay,omitempty"`
	// Isolation is what its host does with it when that is cut off from the others: none | powerOff | shutdown.
	Isolation   string               `json:"isolationResponse,omitempty"`
	Monitoring  *OccupantMonitoring  `json:"vmToolsMonitoringSettings,omitempty"`
	StorageLoss *OccupantStorageLoss `json:"vmComponentProtectionSettings,omitempty"`
}

// OccupantMonitoring is when HA resets a VM that gives no sign of life.
type OccupantMonitoring struct {
	Kind            string `json:"vmMonitoring,omitempty"`     // vmMonitoringDisabled | vmMonitoringOnly | vmAndAppMonitoring
	Enabled         *bool  `json:"enabled,omitempty"`          // that of vSphere 4.0; later ones do not look at it
	ClusterSettings *bool  `json:"clusterSettings,omitempty"`  // false; nil: the vCenter did not say whether this is in force
	FailureInterval int    `json:"failureInterval,omitempty"`  // that long without a heartbeat
	MinUpTime       int    `json:"minUpTime,omitempty"`        // from a start to the first look
	MaxFailures     int    `json:"maxFailures,omitempty"`      // resets in MaxWindow
	MaxWindow       int    `json:"maxFailureWindow,omitempty"` // -1: however long
}

// OccupantStorageLoss is what HA does with a VM whose host has lost all paths to its storage (APD), or the storage for good (PDL).
type OccupantStorageLoss struct {
	APD        string `json:"vmStorageProtectionForAPD,omitempty"` // disabled | warning | restartConservative | restartAggressive
	APDDelay   int    `json:"vmTerminateDelayForAPDSec,omitempty"` // from the host's own time-out to the restart
	APDCleared string `json:"vmReactionOnAPDCleared,omitempty"`    // none | reset
	PDL        string `json:"vmStorageProtectionForPDL,omitempty"` // disabled | warning | restartAggressive
}

// Kinds of files of a VM.
const (
	FileDisk  = "disk"
	FileDelta = "snapshot delta"
	FileSwap  = "swap file"
)

// An OccupantFile is a file of a VM.
type OccupantFile struct {
	Path string // "[datastore1] web01/web01.vmdk"
	Kind string
	Size int64 // in bytes
}

// StoreOf is the datastore that a path names: "[datastore1] web01/web01.vmx" lies on datastore1.
func StoreOf(path string) string {
	if len(path) == 0 || path[0] != '[' {
		return ""
	}
	for i := range len(path) {
		if path[i] == ']' {
			return path[1:i]
		}
	}
	return ""
}
