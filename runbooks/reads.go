package runbooks

import "nightshift/internal/inventory"

// Reads is what of a lab is read for a planner. The zero value: its vCenters, BMCs and hosts, and no storage.
type Reads struct {
	// Lenient: no vCenter has to answer, as the runbook may be there to cure one, or does without.
	Lenient bool
	// Spares tells whether, with these parameters, hosts of a vCenter that cannot be read are left as they are, where another
	// one can be read; nil: never.
	Spares func(parameters map[string]string) bool
	// UPSes: also on what the hosts run.
	UPSes bool
	// OnlyStorage: neither vCenters nor BMCs nor hosts are read.
	OnlyStorage bool
	// Storage says what it looks at on storage hosts, of parameters that may be wrong; nil: at nothing.
	Storage func(lab *inventory.Lab, parameters map[string]string) []StorageRead
	// Protected is the protection group of which it is read what lies on its datasets: the LUNs, and what the vCenters have on them; nil: of
	// none.
	Protected func(lab *inventory.Lab, parameters map[string]string) (*inventory.ProtectionGroup, bool)
	// LUNs names the storage hosts whose iSCSI targets are read, with the headers of the volumes on their LUNs; nil: none.
	LUNs func(lab *inventory.Lab, parameters map[string]string) []string
	// Tables: also, of each LUN, the saved partition table that the parameter from names, or the newest.
	Tables bool
}

// A StorageRead is what is read on one storage host. What is not there is left out of the state.
type StorageRead struct {
	Host     string   // its name in the lab file
	Datasets []string // these, without those below them; none: all of all pools
	Holds    bool     // also the tags of their snapshots
	Group    string   // also the mark of this protection group, which is on the dataset Under; empty: of none
	Under    string
}
