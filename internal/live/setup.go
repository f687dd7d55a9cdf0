package live

// A Setup is how the things of a vCenter are configured, beyond what runs look at: what a first lab file is guessed from.
// What could not be read, or is not there, is empty: it is unknown.
type Setup struct {
	Datacenters  []string // names
	Hosts        []HostSetup
	Guests       []GuestSetup
	Clusters     []ClusterSetup
	VApps        []VApp
	Datastores   []DatastoreSetup
	KeyProviders []KeyProvider
	Warnings     []string // what could not be read
}

// A HostSetup is that of an ESXi host.
type HostSetup struct {
	Ref          string
	BMC, BMCUser string   // address and user of its controller, where somebody told the vCenter
	Addresses    []string // of its VMkernel adapters, in their order
	DNS, NTP     []string // servers: addresses, or names
	// AutoStart lists the guests that the host starts by itself, in order; empty where that is off.
	AutoStart []StartOrder
}

// A StartOrder says that guests start at a place in an order: lower places first, those of one place side by side.
type StartOrder struct {
	Place  int
	Guests []string // Refs
}

// A GuestSetup is that of a VM.
type GuestSetup struct {
	Ref       string
	HostName  string   // as its Tools tell it
	Addresses []string // of all its network cards, as its Tools tell them
	MACs      []string // lower case
	Product   string   // of the appliance that it is: "VMware vCenter Server Appliance"
	Disks     []Disk
	SharedBus bool // a SCSI controller of it shares its bus with other VMs
}

// A Disk of a VM.
type Disk struct {
	Path        string // "[datastore1] db/quorum.vmdk"; of a raw device "LUN " and its id: equal for all VMs that use it
	MultiWriter bool
}

// A ClusterSetup is that of a vSphere cluster.
type ClusterSetup struct {
	Ref string
	// RestartPriority of HA by Ref of the guest, where it is not the cluster's: lowest | low | medium | high | highest | disabled.
	RestartPriority map[string]string
	// DefaultPriority is that of all other guests of the cluster; empty: not known.
	DefaultPriority string
	Rules           []Rule
}

// Kinds of rules.
const (
	RuleTogether = "together" // on one host
	RuleApart    = "apart"    // on different hosts
	RuleAfter    = "after"    // Guests start after Before
)

// A Rule of a cluster that is switched on.
type Rule struct {
	Name, Kind string
	Guests     []string // Refs
	Before     []string // Refs; of RuleAfter only
	// Group and BeforeGroup are the names of the groups, of RuleAfter only.
	Group, BeforeGroup string
}

// A VApp with the order in which its guests start.
type VApp struct {
	Ref, Name string
	Order     []StartOrder // sorted
}

// A DatastoreSetup says where a datastore comes from.
type DatastoreSetup struct {
	Ref   string
	Via   string   // NFS | iSCSI; empty: neither, or not known
	From  []string // addresses, or names, of the servers
	Sure  bool     // it is known that the datastore lies there; otherwise its hosts only have this server among their iSCSI targets
	Disks []string // canonical names of the devices that a VMFS datastore lies on
}

// A KeyProvider keeps keys of encrypted guests.
type KeyProvider struct {
	ID      string
	Servers []string // addresses, or names; none: a provider that the vCenter itself is
}
