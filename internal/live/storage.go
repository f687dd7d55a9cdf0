package live

import (
	"cmp"
	"slices"
	"time"
)

// A StorageHost is what one ZFS host tells. Sizes are in bytes.
type StorageHost struct {
	Host string // name in the lab file
	// Err is why it could not be read; then nothing else is set but Host.
	Err string `json:",omitempty"`
	// System is the operating system and its release: "Linux 6.1.0-40-cloud-amd64"; ZFS the version of its tools, "2.3.2",
	// and Module that of the kernel's part. Either is empty where the system does not tell (illumos).
	System string
	ZFS    string `json:",omitempty"`
	Module string `json:",omitempty"`
	// Ahead is how much its clock is ahead of nightshift's, at least; below 0: behind.
	Ahead    time.Duration `json:",omitempty"`
	Pools    []ZPool       `json:",omitempty"`
	Datasets []ZDataset    `json:",omitempty"`
	Holds    []ZHold       `json:",omitempty"`
	// Mark is that of the protection group that was asked for: which nightshift works on it. Empty: none does.
	Mark string `json:",omitempty"`
}

// A ZPool is one imported pool.
type ZPool struct {
	Name                  string
	GUID                  uint64
	Health                string // ONLINE | DEGRADED | FAULTED | OFFLINE | UNAVAIL | REMOVED | SUSPENDED
	Size, Allocated, Free int64
	ReadOnly              bool `json:",omitempty"`
}

// A ZDataset is a file system or a volume.
type ZDataset struct {
	Name      string
	Volume    bool
	GUID      uint64
	CreateTXG uint64
	Creation  time.Time
	// Used is what it and all below it take, with snapshots and what is reserved; Referenced what it holds itself; Written what
	// was written since its newest snapshot; Available what may still be written.
	Used, Referenced, Written, Available int64
	UsedBySnapshots, UsedByReservation   int64
	// Quota and RefReservation are 0 where there is none.
	Quota, RefReservation int64
	VolSize, VolBlockSize int64 `json:",omitempty"`
	ReadOnly              bool
	VolMode               string `json:",omitempty"` // default | full | geom | dev | none
	Mounted               bool   `json:",omitempty"`
	Origin                string `json:",omitempty"` // the snapshot that it is a clone of
	Encryption            string `json:",omitempty"` // empty: not encrypted
	KeyStatus             string `json:",omitempty"` // available | unavailable
	ResumeToken           string `json:",omitempty"` // of a receive that was broken off
	Part                  ZPart  `json:",omitzero"`  // of that; zero: it was not asked for, or nobody can tell
	Snapshots             []ZSnapshot
	Bookmarks             []ZBookmark `json:",omitempty"`
}

// A ZSnapshot is one of a dataset; Name is what stands behind the @.
type ZSnapshot struct {
	Name                      string
	GUID                      uint64
	CreateTXG                 uint64 // orders the snapshots of one pool
	Creation                  time.Time
	Used, Referenced, Written int64    // Used: what destroying it alone gives back; Written: since the snapshot before it
	Holds                     int      // how many
	Clones                    []string `json:",omitempty"`
	Doomed                    bool     `json:",omitempty"` // destroyed as soon as its last hold or clone is gone
}

// A ZPart is what a dataset holds of a stream that was broken off: the snapshot that it is to become, as the sender called it
// ("tank/mail@name"), and its GUID.
type ZPart struct {
	Snapshot string
	GUID     uint64
}

// A ZBookmark is what remains of a snapshot to send from; Name is what stands behind the #, GUID is the snapshot's.
type ZBookmark struct {
	Name      string
	GUID      uint64
	CreateTXG uint64
	Creation  time.Time // of the snapshot
}

// A ZHold keeps a snapshot from being destroyed.
type ZHold struct {
	Snapshot string // "tank/mail@name"
	Tag      string
}

// Dataset finds one by its name; nil: it is not there.
func (h *StorageHost) Dataset(name string) *ZDataset {
	i := slices.IndexFunc(h.Datasets, func(d ZDataset) bool { return d.Name == name })
	if i < 0 {
		return nil
	}
	return &h.Datasets[i]
}

// Sort puts the snapshots and bookmarks in the order in which they were made.
func (d *ZDataset) Sort() {
	slices.SortStableFunc(d.Snapshots, func(a, b ZSnapshot) int { return cmp.Compare(a.CreateTXG, b.CreateTXG) })
	slices.SortStableFunc(d.Bookmarks, func(a, b ZBookmark) int { return cmp.Compare(a.CreateTXG, b.CreateTXG) })
}

// Snapshot finds one by its name; nil: it is not there.
func (d *ZDataset) Snapshot(name string) *ZSnapshot {
	i := slices.IndexFunc(d.Snapshots, func(s ZSnapshot) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &d.Snapshots[i]
}

// Newest is the newest snapshot; nil: there is none.
func (d *ZDataset) Newest() *ZSnapshot {
	if len(d.Snapshots) == 0 {
		return nil
	}
	return &d.Snapshots[len(d.Snapshots)-1]
}
