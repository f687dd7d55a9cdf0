// Package identity keeps, with the data of a protection group, what it takes to use a replica of it: how each LUN was shown, and
// the VMs that lie on them. The record lies as user properties on the datasets of both sides and as a file on the storage host of
// the replicas, so that a fresh nightshift there, without memory and without the source, can read all of it.
//
// It makes, checks and reads records, and knows where on a storage host they lie. It does not read targets or vCenters itself, and
// knows neither plans nor Temporal. Records hold no secrets: of those that the lab file names they have the references.
package identity

import (
	"slices"
	"time"

	"nightshift/internal/inventory"
	"nightshift/internal/iscsi"
	"nightshift/internal/live"
)

// A Record is about one protection group. Fields are only added; a change of what one means is a new Version.
type Record struct {
	Lab   string    `json:"lab"`
	Group string    `json:"group"`
	Run   string    `json:"run"`  // by which it was made
	Made  time.Time `json:"made"` // UTC, to the second
	// Protection, Source and Target are as in the lab file with which it was made.
	Protection inventory.ProtectionGroup `json:"protectionGroup"`
	Source     inventory.StorageHost     `json:"source"`
	Target     inventory.StorageHost     `json:"target"`
	Datasets   []Dataset                 `json:"datasets"`
	VCenters   []VCenter                 `json:"vcenters,omitempty"`
	// Guests and Groups are the entries of the lab file that say in which order these VMs start.
	Guests []inventory.Guest `json:"guests,omitempty"`
	Groups []inventory.Group `json:"groups,omitempty"`
	// NotRead is what is missing, or of an earlier time than Made, and why.
	NotRead []live.Gap `json:"notRead,omitempty"`
}

// A Dataset is one of the group.
type Dataset struct {
	Name    string    `json:"name"`        // on the source
	GUID    uint64    `json:"guid,string"` // there
	Replica string    `json:"replica"`     // on the target
	Volume  bool      `json:"volume,omitempty"`
	Size    int64     `json:"size,omitempty"`      // of a volume, in bytes
	Block   int64     `json:"blockSize,omitempty"` // volblocksize, in bytes
	Read    time.Time `json:"read,omitzero"`       // when its LUNs were; zero: of a volume it was not told that it is shown
	LUNs    []LUN     `json:"luns,omitempty"`
}

// A LUN is a logical unit on a dataset.
type LUN struct {
	iscsi.Record
	// VMFS is what the header of the volume on it says of itself; nil: NoVMFS says why it is not known, or that there is none.
	VMFS   *VMFS  `json:"vmfs,omitempty"`
	NoVMFS string `json:"noVmfs,omitempty"`
	// VMFSRead is when VMFS was read, where that was before the rest; NotRead of the record says why.
	VMFSRead time.Time `json:"vmfsRead,omitzero"`
	Unread   bool      `json:"-"` // the header could not be read now: nobody knows whether there is one
}

// VMFS is the identity in the header of a VMFS volume.
type VMFS struct {
	Expects string `json:"expects"`       // the LUN on which it was made, as a vml name: type, number, NAA and product
	NAA     string `json:"naa,omitempty"` // of that LUN
	Volume  string `json:"volume"`        // UUID of the LVM's volume
	Extents uint32 `json:"extents"`       // devices of the volume
	Nth     uint64 `json:"firstExtent"`   // number of the first physical extent here: 0 on the first device
	// What follows is told by the first device only.
	UUID    string    `json:"uuid,omitempty"` // of the datastore
	Label   string    `json:"label,omitempty"`
	Version string    `json:"fsVersion,omitempty"`
	MadeBy  string    `json:"madeBy,omitempty"` // MAC of the host that made it
	Made    time.Time `json:"made,omitzero"`
	// Differs is in what the LUN was another one than the header has, when it was read.
	Differs []string `json:"differs,omitempty"`
}

// A VCenter is one, with the datastores and VMs on the LUNs of the group.
type VCenter struct {
	URL string `json:"url,omitempty"`
	live.Occupants
}

// NewVMFS is what a record keeps of a volume.
func NewVMFS(x *live.VMFSExtent) *VMFS {
	return &VMFS{Expects: x.Expects, NAA: x.NAA, Volume: x.Volume, Extents: x.Extents, Nth: x.Nth, UUID: x.UUID, Label: x.Label, Version: x.Version,
		MadeBy: x.MadeBy, Made: x.Made, Differs: x.Differs}
}

// NAAs are those of all LUNs of the group.
func (r *Record) NAAs() (list []string) {
	for _, d := range r.Datasets {
		for _, l := range d.LUNs {
			if naa := l.Identity.NAA; naa != "" && !slices.Contains(list, naa) {
				list = append(list, naa)
			}
		}
	}
	return list
}

// Lacks tells whether something could not be read that an earlier record may have.
func (r *Record) Lacks() bool {
	return slices.ContainsFunc(r.Datasets, func(d Dataset) bool {
		return d.Read.IsZero() && d.Volume || slices.ContainsFunc(d.LUNs, func(l LUN) bool { return l.Unread })
	}) ||
		slices.ContainsFunc(r.VCenters, func(v VCenter) bool { return v.Err != "" })
}

// Keep puts what an earlier record has into the place of what could not be read now, and says so in NotRead: a vCenter that is down, or a
// target that shows a LUN no more, must not take from the record what was told before. Lists of what is still missing afterwards are left
// empty.
func (r *Record) Keep(before *Record) {
	shown := r.NAAs()
	for i := range r.Datasets {
		d := &r.Datasets[i]
		if before == nil {
			continue
		}
		at := slices.IndexFunc(before.Datasets, func(o Dataset) bool { return o.Name == d.Name && o.GUID == d.GUID })
		switch {
		case at < 0 || before.Datasets[at].Read.IsZero():
		case !d.Read.IsZero():
			r.keepHeaders(d, before.Datasets[at])
		case d.Volume && !slices.ContainsFunc(before.Datasets[at].LUNs, func(l LUN) bool { return !slices.Contains(shown, l.Identity.NAA) }):
			// it had none, or they are on another volume now
		default:
			d.LUNs, d.Read = before.Datasets[at].LUNs, before.Datasets[at].Read
			r.NotRead = append(r.NotRead, live.Gap{What: "LUNs of " + d.Name, Why: "what is here is of " + d.Read.UTC().Format(time.RFC3339)})
		}
	}
	r.VCenters = slices.DeleteFunc(r.VCenters, func(v VCenter) bool { return v.Err != "" && !before.has(v.VCenter) })
	for i := range r.VCenters {
		if v := &r.VCenters[i]; v.Err != "" {
			old := before.VCenters[slices.IndexFunc(before.VCenters, func(o VCenter) bool { return o.VCenter == v.VCenter })]
			old.URL = v.URL
			*v = old
			r.NotRead = append(r.NotRead, live.Gap{What: "VMs of vCenter " + v.VCenter, Why: "what is here is of " + v.Read.UTC().Format(time.RFC3339)})
		}
	}
}

// keepHeaders is Keep for LUNs that were read, and their headers were not.
func (r *Record) keepHeaders(d *Dataset, before Dataset) {
	for i := range d.LUNs {
		l := &d.LUNs[i]
		at := slices.IndexFunc(before.LUNs, func(o LUN) bool { return o.Identity.NAA == l.Identity.NAA && o.VMFS != nil })
		if !l.Unread || l.Identity.NAA == "" || at < 0 {
			continue
		}
		l.VMFS, l.NoVMFS, l.VMFSRead = before.LUNs[at].VMFS, "", before.LUNs[at].VMFSRead
		if l.VMFSRead.IsZero() {
			l.VMFSRead = before.Read
		}
		r.NotRead = append(r.NotRead, live.Gap{What: "VMFS header of LUN " + l.Name, Why: "what is here is of " + l.VMFSRead.UTC().Format(time.RFC3339)})
	}
}

// KeepVMs takes the VMs and their order from an earlier record where the lab file has no vCenter that could tell them, as on the side
// of the replicas: they are on the LUNs all the same. Each vCenter says in NotRead of when that is.
func (r *Record) KeepVMs(before *Record) {
	if before == nil || len(r.VCenters) > 0 {
		return
	}
	r.VCenters, r.Guests, r.Groups = before.VCenters, before.Guests, before.Groups
	for _, v := range r.VCenters {
		r.NotRead = append(r.NotRead, live.Gap{What: "VMs of vCenter " + v.VCenter, Why: "the lab file has no vCenter; what is here is of " + v.Read.UTC().Format(time.RFC3339)})
	}
}

func (r *Record) has(vcenter string) bool {
	return r != nil && slices.ContainsFunc(r.VCenters, func(v VCenter) bool { return v.VCenter == vcenter })
}

// VMs is how many there are.
func (r *Record) VMs() (n int) {
	for _, v := range r.VCenters {
		n += len(v.Guests)
	}
	return n
}
