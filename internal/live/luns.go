package live

import (
	"strconv"
	"time"
)

// A Target is what the iSCSI target of a storage host tells, and what the volumes behind it say of themselves. Sizes are in bytes.
type Target struct {
	Host string // the storage host's name in the lab file
	// Err is why it could not be read; then nothing else is set but Host.
	Err     string   `json:",omitempty"`
	Kind    string   // lio | comstar | iscsitgt
	Running bool     // its service runs: else it serves nothing
	LUNs    []LUN    `json:",omitempty"`
	Remarks []string `json:",omitempty"` // what a person should know: a group that lets every initiator in
}

// A LUN is a logical unit of a target.
type LUN struct {
	Name    string // of its backstore
	Device  string // the zvol's device or the file behind it; empty: not known
	Dataset string `json:",omitempty"` // the ZFS volume behind it; empty: it is none
	State   string // online | offline | unknown
	Number  uint16 // as initiators see it; where they see it under several, the first
	// NoNumber: they see it under a number that its target does not tell. Number then says nothing.
	NoNumber bool `json:",omitempty"`
	// Also are further numbers under which some initiators see it.
	Also    []uint16 `json:",omitempty"`
	Type    byte     // SCSI peripheral device type: 0 = disk
	NAA     string   `json:",omitempty"` // 16 or 32 hexadecimal digits, lower case
	Serial  string   `json:",omitempty"`
	Vendor  string   `json:",omitempty"`
	Product string   `json:",omitempty"`
	Size    int64    // 0: not known
	// Sessions are the initiators that are logged in and may use it; Unknown is of how many more that is not known.
	Sessions []string `json:",omitempty"`
	Unknown  int      `json:",omitempty"`
	// VMFS is what lies on it; nil: NoVMFS says why it is not known, or that there is none.
	VMFS   *VMFSExtent `json:",omitempty"`
	NoVMFS string      `json:",omitempty"`
	// Saved are the backups that nightshift has of it, the newest first.
	Saved []SavedVolume `json:",omitempty"`
	// Table is the partition table of one of them, held against what lies on the device now; nil: not asked for.
	Table *SavedTable `json:",omitempty"`
}

// NumberText is the number for people.
func (l LUN) NumberText() string {
	if l.NoNumber {
		return "number not known"
	}
	return strconv.Itoa(int(l.Number))
}

// A SavedTable is the partition table of a backup, and what there is in its places. Errors in their order: what is behind the first
// is not known.
type SavedTable struct {
	File  string // of the backup, without the directory
	Taken time.Time
	Err   string `json:",omitempty"` // why it cannot be put back
	// Ranges are the places, SKIP:COUNT in sectors of 512 bytes; Was is the SHA-256 of what lies there now, one after the other,
	// Is that of the backup: the same where nothing is to be done.
	Ranges  []string
	Was, Is string
	Before  string // the table of now, in words
	After   string // that of the backup, in words
	// Volume is the volume that is found with it; NoVolume says why there is none.
	Volume   string `json:",omitempty"`
	NoVolume string `json:",omitempty"`
}

// A SavedVolume is a backup of the partition table, header and metadata of a volume.
type SavedVolume struct {
	File  string // its name without the directory
	Taken time.Time
}

// A VMFSExtent is what a VMFS volume says of itself on one device.
type VMFSExtent struct {
	Scheme   string   // of the partition table: none | MBR | GPT
	First    uint64   // sector of the partition
	Last     uint64   // the same; 0: there is no table
	Problems []string `json:",omitempty"` // of the partition table
	// NAA, Number and Product are of the LUN on which it was made or last resignatured; Expects is its whole identity as a vml name.
	NAA     string `json:",omitempty"`
	Expects string
	// Differs is in what the LUN is another one than the header has: ESXi takes the volume for a snapshot then.
	Differs []string `json:",omitempty"`
	Volume  string   // UUID of the LVM's volume
	Extents uint32   // devices of the volume
	Nth     uint64   // number of the first physical extent here: 0 on the first device
	// What follows is told by the first device only.
	UUID    string    `json:",omitempty"` // of the datastore
	Label   string    `json:",omitempty"`
	Version string    `json:",omitempty"` // "6.82"
	MadeBy  string    `json:",omitempty"` // MAC of the host that made it
	Made    time.Time `json:",omitzero"`
}

// A Fabric is what the hosts of a vCenter see of LUNs, and what lies on them.
type Fabric struct {
	VCenter string // its name in the lab file
	// Err is why it could not be read; then nothing else is set but VCenter.
	Err    string       `json:",omitempty"`
	Hosts  []FabricHost `json:",omitempty"`
	Stores []VMFSStore  `json:",omitempty"`
}

// A FabricHost is a host, and the disks that it sees.
type FabricHost struct {
	Ref, Name string
	MACs      []string `json:",omitempty"` // of its network cards, lower case
	Disks     []HostDisk
}

// A HostDisk is a disk as one host sees it.
type HostDisk struct {
	Name  string   // canonical: "naa.600144f0…"
	VML   string   `json:",omitempty"` // "vml.0200030000600144f0…"
	State string   // "ok", "off", "error"; several with commas
	Paths []string // "vmhba64:C0:T0:L3", those that do not work with their state behind a blank
}

// A VMFSStore is a datastore on VMFS.
type VMFSStore struct {
	Ref, Name string
	UUID      string
	Version   string
	Local     bool
	Disks     []string // canonical names of its extents, with their partitions: "naa.600144f0…:1"
	Hosts     []string // Refs of the hosts that mount it
	Guests    []string // names of the guests with files on it
}
