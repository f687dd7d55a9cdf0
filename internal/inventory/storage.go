package inventory

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"nightshift/internal/plan"
)

// A StorageHost serves datastores: a machine with ZFS pools, and an iSCSI target in front of them.
type StorageHost struct {
	Name string `json:"name"`
	Site string `json:"site,omitempty"`
	// SSH is the way in; its user is the service account, to which `nightshift lab prepare-storage` gives the rights that it needs.
	SSH SSH `json:"ssh"`
	// Elevate is how commands are run that `zfs allow` cannot permit: sudo (default), pfexec (default with an illumos target), or none
	// where the service account may do all by itself.
	Elevate string `json:"elevate,omitempty" jsonschema:"enum=sudo,enum=pfexec,enum=none"`
	// Target is its iSCSI target. Without it, LUNs are neither read nor published there.
	Target *StorageTarget `json:"target,omitempty"`
	// RestorePartitions lets the runbook vmfs-restore-partition write partition tables of its zvols, where the target is lio:
	// `nightshift lab prepare-storage` then installs a program that can do that, and nothing else.
	RestorePartitions bool `json:"restorePartitions,omitempty"`
	// VMFSCopies is where the runbook vmfs-backup copies the backups of its volumes to, beside nightshift's own state directory.
	VMFSCopies *VMFSCopies `json:"vmfsCopies,omitempty"`
	// Replication is where other storage hosts reach it, if not at ssh.address.
	Replication *Replication `json:"replication,omitempty"`
}

// Ways to run what the service account may not do by itself.
const (
	ElevateSudo   = "sudo"
	ElevatePfexec = "pfexec"
	ElevateNone   = "none"
)

// A StorageTarget is the iSCSI target of a storage host.
type StorageTarget struct {
	Kind string `json:"kind" jsonschema:"enum=lio,enum=comstar,enum=iscsitgt"` // lio (Linux) | comstar (illumos) | iscsitgt (old Solaris)
	// Portal is where initiators reach it: an IP address, with the port if it is not 3260.
	Portal string `json:"portal,omitempty"`
	// Unproven is a person's word that runs may publish on comstar or iscsitgt, though nobody has tried nightshift's commands on a real one:
	// accept. No runbook publishes yet; `nightshift lab record HOST --publish` shows the commands.
	Unproven string `json:"unproven,omitempty" jsonschema:"enum=accept"`
	// CHAP is where the secrets are kept with which initiators prove themselves to it. Identity records name these places, never a secret:
	// whoever shows the LUNs again, on another host, needs to know them.
	CHAP []TargetCHAP `json:"chap,omitempty"`
}

// TargetCHAP is how initiators prove themselves to a target and, where there is a mutual user, the target to them.
type TargetCHAP struct {
	Initiators   []string  `json:"initiators" jsonschema:"minItems=1"` // their IQNs
	User         string    `json:"user"`
	Secret       SecretRef `json:"secret"`                 // a reference, never the secret itself
	MutualUser   string    `json:"mutualUser,omitempty"`   // with which the target proves itself
	MutualSecret SecretRef `json:"mutualSecret,omitempty"` // a reference, never the secret itself
}

// CHAPOf is how an initiator proves itself; nil: the lab file does not say. Names of iSCSI are the same in capitals and small letters
// (RFC 3722), and targets tell them in small ones, whatever the initiator shows.
func (t *StorageTarget) CHAPOf(initiator string) *TargetCHAP {
	if t == nil {
		return nil
	}
	for i := range t.CHAP {
		if slices.ContainsFunc(t.CHAP[i].Initiators, func(name string) bool { return strings.EqualFold(name, initiator) }) {
			return &t.CHAP[i]
		}
	}
	return nil
}

// Kinds of targets.
const (
	TargetLIO      = "lio"
	TargetCOMSTAR  = "comstar"
	TargetIscsitgt = "iscsitgt"
)

// iscsiPort is the one that IANA has given to iSCSI.
const iscsiPort = 3260

// Replication is a way from one storage host to another.
type Replication struct {
	Address string `json:"address"` // host[:port] of its SSH server; the host key is that of ssh
}

// Proven says whether nightshift may change the target: its commands were tried on a real one, or a person accepts that not.
func (t *StorageTarget) Proven() bool { return t.Kind == TargetLIO || t.Unproven != "" }

// ReplicationAddress is where other storage hosts reach its SSH server: host and port.
func (h *StorageHost) ReplicationAddress() (host, port string) {
	address := h.SSH.Address
	if h.Replication != nil {
		address = h.Replication.Address
	}
	if host, port, err := net.SplitHostPort(address); err == nil {
		return host, port
	}
	return strings.Trim(address, "[]"), sshPort
}

const sshPort = "22"

// StorageHost finds a storage host by its name.
func (l *Lab) StorageHost(name string) (*StorageHost, bool) {
	return find(l.StorageHosts, func(h *StorageHost) bool { return h.Name == name })
}

func (h *StorageHost) fillIn(site string) {
	h.Site = cmp.Or(h.Site, site)
	elevate := ElevateSudo
	if t := h.Target; t != nil {
		if t.Kind != TargetLIO {
			elevate = ElevatePfexec
		}
		if a, err := netip.ParseAddr(strings.Trim(t.Portal, "[]")); err == nil {
			t.Portal = netip.AddrPortFrom(a, iscsiPort).String()
		}
	}
	h.Elevate = cmp.Or(h.Elevate, elevate)
	if h.VMFSCopies != nil {
		h.VMFSCopies.fillIn()
	}
}

// A ProtectionGroup is a set of zvols and file systems that are replicated together: each of its recovery points is one
// atomic snapshot of all of them.
type ProtectionGroup struct {
	Name   string           `json:"name" jsonschema:"pattern=^[a-z0-9][a-z0-9-]*$,maxLength=40"` // lower-case letters, digits and dashes
	Source ProtectionSource `json:"source"`
	Target ProtectionTarget `json:"target"`
	// Every is how often it is to be replicated: by it the age of the newest replica is judged. The runs themselves are started by
	// hand or by schedules.
	Every plan.Duration `json:"every"`
	Send  Send          `json:"send,omitempty"`
	Hooks SnapshotHooks `json:"hooks,omitempty"`
	// Noise is how much of a volume may change in a day before it is warned of: 500MiB, 1GiB. Default 1GiB.
	Noise Size `json:"noise,omitempty"`
	// Keep says which recovery points stay; `nightshift run prune` destroys the others. A side that it does not name is never pruned.
	Keep Retentions `json:"keep,omitempty"`
}

// A ProtectionSource is what is protected.
type ProtectionSource struct {
	Host string `json:"host"` // one of storageHosts
	// Datasets are zvols and file systems of one pool, each by its whole name: tank/mail. Those below a file system are not part
	// of it: list them, too.
	Datasets []string `json:"datasets" jsonschema:"minItems=1,maxItems=300"`
}

// MostDatasets is how many datasets a group has at most: their snapshots are taken, and held, by one command.
const MostDatasets = 300

// A ProtectionTarget is where the replicas go.
type ProtectionTarget struct {
	Host string `json:"host"` // one of storageHosts
	// Under is the dataset below which they lie, each by its source's name without the pool: tank/mail goes to UNDER/mail.
	Under string `json:"under"`
}

// Send says how streams are sent.
type Send struct {
	Raw         bool  `json:"raw,omitempty"`         // as they lie on disk, encrypted ones without their keys
	Compressed  *bool `json:"compressed,omitempty"`  // blocks stay compressed on the way; default true
	LargeBlocks *bool `json:"largeBlocks,omitempty"` // blocks of more than 128 KiB stay whole; default true
	// Limit is how much is sent in a second at most: 50MiB. Default: no limit.
	Limit Size   `json:"limit,omitempty"`
	Via   string `json:"via,omitempty" jsonschema:"enum=direct,enum=worker"` // direct (default): from host to host | worker: through nightshift's worker, where the hosts do not reach each other
}

// Ways of a stream.
const (
	ViaDirect = plan.ViaDirect
	ViaWorker = plan.ViaWorker
)

// SnapshotHooks bring applications to rest for a snapshot. After runs wherever Before was sent, whatever became of it.
type SnapshotHooks struct {
	Before *SnapshotHook `json:"before,omitempty"`
	After  *SnapshotHook `json:"after,omitempty"`
}

// A SnapshotHook is a command; exit status 0 is a yes.
type SnapshotHook struct {
	Command []string `json:"command" jsonschema:"minItems=1"` // the list of its words; no shell splits it
	At      string   `json:"at"`                              // the machine where it runs, over SSH: one of machines, storageHosts, or a host with ssh
	// Timeout is how long it may take. Default 1m.
	Timeout plan.Duration `json:"timeout,omitempty"`
}

// Retentions say which recovery points stay, on either side.
type Retentions struct {
	Source *Retention `json:"source,omitempty"`
	Target *Retention `json:"target,omitempty"`
	// Zone is the IANA name of the time zone in which days begin: Europe/Berlin. Default UTC.
	Zone string `json:"zone,omitempty"`
}

// A Retention keeps a recovery point that any of its rules wants.
type Retention struct {
	All     plan.Duration `json:"all,omitempty"`                                                                                 // every one that is younger than this
	Daily   int           `json:"daily,omitempty" jsonschema:"minimum=0"`                                                        // the last one of each of so many days
	Weekly  int           `json:"weekly,omitempty" jsonschema:"minimum=0"`                                                       // the last one of each of so many weeks, which end with Weekday
	Weekday string        `json:"weekday,omitempty" jsonschema:"enum=Mon,enum=Tue,enum=Wed,enum=Thu,enum=Fri,enum=Sat,enum=Sun"` // default Sun
	Monthly int           `json:"monthly,omitempty" jsonschema:"minimum=0"`                                                      // the last one of each of so many months
	Yearly  int           `json:"yearly,omitempty" jsonschema:"minimum=0"`                                                       // the last one of each of so many years
}

// Day is the weekday of the weekly ones; Sunday where nothing is said.
func (r *Retention) Day() time.Weekday {
	for d := time.Sunday; d <= time.Saturday; d++ {
		if strings.HasPrefix(d.String(), r.Weekday) {
			return d
		}
	}
	return time.Sunday
}

// Replica is where a dataset of the group is received on the target.
func (g *ProtectionGroup) Replica(dataset string) string {
	_, rest, _ := strings.Cut(dataset, "/")
	return g.Target.Under + "/" + rest
}

// Overlaps tells whether a lab file cannot have both groups: something of the one lies where something of the other does, or in it.
func (g *ProtectionGroup) Overlaps(o *ProtectionGroup) bool {
	theirs := o.places()
	return slices.ContainsFunc(g.places(), func(a [2]string) bool {
		return slices.ContainsFunc(theirs, func(b [2]string) bool {
			return a[0] == b[0] && (slices.Contains(around(a[1]), b[1]) || slices.Contains(around(b[1]), a[1]))
		})
	})
}

// places are the host and name of each dataset and replica.
func (g *ProtectionGroup) places() (all [][2]string) {
	for _, d := range g.Source.Datasets {
		all = append(all, [2]string{g.Source.Host, d}, [2]string{g.Target.Host, g.Replica(d)})
	}
	return all
}

// Pool is that of all datasets of the group.
func (g *ProtectionGroup) Pool() string {
	pool, _, _ := strings.Cut(g.Source.Datasets[0], "/")
	return pool
}

// ProtectionGroup finds a protection group by its name.
func (l *Lab) ProtectionGroup(name string) (*ProtectionGroup, bool) {
	return find(l.ProtectionGroups, func(g *ProtectionGroup) bool { return g.Name == name })
}

const (
	defaultNoise       = Size("1GiB")
	defaultHookTimeout = plan.Duration(time.Minute)
	defaultWeekday     = "Sun"
)

func (g *ProtectionGroup) fillIn() {
	yes := true
	s := &g.Send
	s.Via = cmp.Or(s.Via, ViaDirect)
	s.Compressed, s.LargeBlocks = cmp.Or(s.Compressed, &yes), cmp.Or(s.LargeBlocks, &yes)
	g.Noise = cmp.Or(g.Noise, defaultNoise)
	g.Keep.Zone = cmp.Or(g.Keep.Zone, "UTC")
	for _, h := range []*SnapshotHook{g.Hooks.Before, g.Hooks.After} {
		if h != nil {
			h.Timeout = cmp.Or(h.Timeout, defaultHookTimeout)
		}
	}
	for _, r := range []*Retention{g.Keep.Source, g.Keep.Target} {
		if r != nil && r.Weekly > 0 {
			r.Weekday = cmp.Or(r.Weekday, defaultWeekday)
		}
	}
}
