package plan

import "time"

// How long a thing may take where the lab file does not say. The activity gives up after it, and the planner gives the step
// more time than that: they have to agree.
const (
	HealthLimit  = 10 * time.Minute // until a guest that was started is healthy
	VCenterLimit = 45 * time.Minute // from the start of its guest until a vCenter works: small ones on old servers need more than a quarter of an hour
	// RemoveSnapshotLimit: what was written since a snapshot was made is put together again when it is removed.
	RemoveSnapshotLimit = 4 * time.Hour
)
