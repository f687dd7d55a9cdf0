package plan

import (
	"errors"
	"fmt"
)

// The actions of replication (of the first two: and of pruning), with the type of their Params and what holds when they are done. The point of a run is the
// snapshot, of the same name on all datasets, whose property nightshift:run is the run: no name of it is in a plan.
const (
	// MarkGroup (GroupParams; the target is the protection group): the dataset below which the replicas lie bears the mark that this run
	// works on the group.
	MarkGroup Action = "MarkGroup"
	// UnmarkGroup (GroupParams; the target is the protection group): the mark is gone.
	UnmarkGroup Action = "UnmarkGroup"
	// SnapshotGroup (GroupParams; the target is the protection group): all datasets have the point of this run, and our hold on it.
	SnapshotGroup Action = "SnapshotGroup"
	// SendDataset (SendParams; the target is the dataset): the replica has the point of this run, by its GUID.
	SendDataset Action = "SendDataset"
	// VerifyReplicas (GroupParams): both sides have the point of this run, with the same GUIDs, and the replicas are such. Read-only.
	VerifyReplicas Action = "VerifyReplicas"
	// KeepPoint (GroupParams): the point of this run has our hold on both sides and a bookmark on the source, and older ones have neither.
	KeepPoint Action = "KeepPoint"
	// SaveRecord (GroupParams): what it takes to use the replicas lies with them, made by this run: as properties on the datasets of both
	// sides, and as a file on the storage host of the replicas.
	SaveRecord Action = "SaveRecord"
	// MeasureGroup (GroupParams): how far the replica is behind, how much changes and how long the space lasts is written down. Read-only.
	MeasureGroup Action = "MeasureGroup"
)

// The actions of pruning.
const (
	// ReleaseHolds (PointsParams; the target is the dataset): our hold is on none of the points, but for the last that both sides have
	// and those in flight.
	ReleaseHolds Action = "ReleaseHolds"
	// DestroyPoints (PointsParams; the target is the dataset): the points are gone, but for those that are held, cloned, in flight or
	// the last that both sides have.
	DestroyPoints Action = "DestroyPoints"
)

// ofReplication are the actions above.
func ofReplication() []Action {
	return []Action{MarkGroup, UnmarkGroup, SnapshotGroup, SendDataset, VerifyReplicas, KeepPoint, SaveRecord, MeasureGroup, ReleaseHolds, DestroyPoints}
}

// Kinds of targets of storage.
const (
	ProtectionGroup Kind = "protection group"
	Dataset         Kind = "dataset"
)

// GroupParams are for the steps on a whole protection group.
type GroupParams struct {
	Group    string         `json:"group"` // its name in the lab file
	From     string         `json:"from"`  // storage host of the source
	To       string         `json:"to"`    // and of the replicas
	Datasets []GroupDataset `json:"datasets"`
	// Of MeasureGroup: the interval at which it is to be replicated, and how much of a volume may change in a day, in bytes.
	Every Duration `json:"every,omitempty"`
	Noise int64    `json:"noise,omitempty"`
	// Under is the dataset below which the replicas lie: its space is theirs, and the group's mark is on it. In older plans only MeasureGroup
	// has it, and there is no mark.
	Under string `json:"under,omitempty"`
}

// A GroupDataset is one of a protection group. The GUID is that of when the plan was made.
type GroupDataset struct {
	Dataset string `json:"dataset"`
	GUID    uint64 `json:"guid,string"`
	Replica string `json:"replica"`
}

// SendParams are for SendDataset.
type SendParams struct {
	Group       string `json:"group"`
	From        string `json:"from"` // storage host of the source
	To          string `json:"to"`   // and of the replica
	Dataset     string `json:"dataset"`
	GUID        uint64 `json:"guid,string"`
	Replica     string `json:"replica"`
	Raw         bool   `json:"raw,omitempty"`
	Compressed  bool   `json:"compressed,omitempty"`
	LargeBlocks bool   `json:"largeBlocks,omitempty"`
	Limit       int64  `json:"limit,omitempty"` // bytes per second; 0: none
	Via         string `json:"via"`             // direct | worker
	// Under is the dataset below which the replica lies, with the group's mark. Older plans have neither.
	Under string `json:"under,omitempty"`
}

// PointsParams are for ReleaseHolds and DestroyPoints.
type PointsParams struct {
	Group   string `json:"group"`
	Host    string `json:"host"` // storage host of the dataset
	Dataset string `json:"dataset"`
	GUID    uint64 `json:"guid,string"` // of the dataset when the plan was made
	// OtherHost and Other are where the same is on the other side: what both have is read again before anything is done.
	OtherHost string `json:"otherHost"`
	Other     string `json:"other"`
	// Common is the GUID of the newest snapshot that both had when the plan was made; 0: none. Nothing is done where one does not have
	// it any more.
	Common uint64  `json:"common,string,omitempty"`
	Points []Point `json:"points"`
	// To is the storage host of the replicas, Under the dataset there below which they lie, with the group's mark. Older plans have neither.
	To    string `json:"to,omitempty"`
	Under string `json:"under,omitempty"`
}

// A Point is a snapshot of the dataset: the name behind the @, and its GUID.
type Point struct {
	Name string `json:"name"`
	GUID uint64 `json:"guid,string"`
}

// MostPoints is how many points one step is about: as many as one command of ZFS.
const MostPoints = 100

// ParamGroup is the parameter by which a run is told its protection group.
const ParamGroup = "group"

// Ways of a stream.
const (
	ViaDirect = "direct" // from host to host
	ViaWorker = "worker" // through nightshift's worker
)

func (p *GroupParams) check() error {
	if p.Group == "" || p.From == "" || p.To == "" || len(p.Datasets) == 0 {
		return errors.New("group, from, to and datasets are needed")
	}
	for _, d := range p.Datasets {
		if d.Dataset == "" || d.Replica == "" {
			return errors.New("a dataset has no name, or no replica")
		}
	}
	return nil
}

func (p *SendParams) check() error {
	switch {
	case p.Group == "" || p.From == "" || p.To == "" || p.Dataset == "" || p.Replica == "":
		return errors.New("group, from, to, dataset and replica are needed")
	case p.Limit < 0:
		return fmt.Errorf("limit is %d, it cannot be below 0", p.Limit)
	}
	return oneOf("via", p.Via, "", ViaDirect, ViaWorker)
}

func (p *PointsParams) check() error {
	if p.Group == "" || p.Host == "" || p.Dataset == "" || p.OtherHost == "" || p.Other == "" {
		return errors.New("group, host, dataset, otherHost and other are needed")
	}
	if n := len(p.Points); n < 1 || n > MostPoints {
		return fmt.Errorf("there are %d points, 1 to %d are allowed", n, MostPoints)
	}
	for _, x := range p.Points {
		if x.Name == "" || x.GUID == 0 {
			return errors.New("a point has no name, or no GUID")
		}
	}
	return nil
}

// newStorageParams is newParams for the actions of this file.
func newStorageParams(a Action) any {
	switch a {
	case MarkGroup, UnmarkGroup, SnapshotGroup, VerifyReplicas, KeepPoint, SaveRecord, MeasureGroup:
		return new(GroupParams)
	case SendDataset:
		return new(SendParams)
	case ReleaseHolds, DestroyPoints:
		return new(PointsParams)
	}
	return nil
}
