package kinds

import (
	"time"

	"nightshift/internal/simlab"
)

// LostDataset is a LUN of the lab that no host uses.
const LostDataset = "tank/spare"

// Lab is the smallest lab that has every kind of step: of two hosts one carries the storage, the name server and the
// vCenter of all, and there is a cluster inside guests.
func Lab() simlab.Spec {
	hosts, started := []string{"esx21", "esx22"}, []string{"StartUp"} // which counts where nothing is remembered
	return simlab.Spec{
		Name:         "kinds",
		Clusters:     []simlab.ClusterSpec{{Name: "Lab", HA: true, DRS: true, DPM: true, VCLS: 2, Evacuates: true}},
		Datastores:   []simlab.DatastoreSpec{{Name: "local21", Hosts: hosts[:1]}, {Name: "shared01", ProvidedBy: "san01"}},
		Hosts:        []simlab.HostSpec{{Name: hosts[0], Cluster: "Lab", Direct: true}, {Name: hosts[1], Cluster: "Lab"}},
		VCenterGuest: "vcenter",
		VCenterBoot:  time.Minute,
		Guests: []simlab.GuestSpec{
			{Name: "san01", Host: hosts[0], Datastore: "local21", Tags: started},
			{Name: "dc01", Host: hosts[0], Datastore: "local21", Provides: []string{"dns"}, Tags: started},
			{Name: "vcenter", Host: hosts[0], Datastore: "local21", Tags: started},
			{Name: "pg01", Host: hosts[0], Datastore: "shared01", Shutdown: 10 * time.Second, HTTP: true, Tags: started},
			{Name: "pg02", Host: hosts[1], Datastore: "shared01", HTTP: true, Tags: started},
			{Name: "web01", Host: hosts[1], Datastore: "shared01", After: []string{"pg01"}, HTTP: true, Login: true, Tracked: true, Tags: started},
			{Name: "spare", Host: hosts[1], Datastore: "shared01", Off: true},
		},
		Applications: []simlab.ApplicationSpec{{Name: "pg", Members: []string{"pg01", "pg02"}}},
		Machines:     []simlab.MachineSpec{{Name: "box", TakesAll: true}, {Name: "appliance", Appliance: true}},
		StorageHosts: []simlab.StorageHostSpec{
			{Name: "ss1", CopiesTo: "ss2", Pools: []simlab.PoolSpec{{Name: "tank"}}, Datasets: []simlab.DatasetSpec{{Name: "tank/mail", SizeGB: 16, UsedGB: 4}, {Name: LostDataset, SizeGB: 1, VMFS: "spare"}}},
			{Name: "ss2", Pools: []simlab.PoolSpec{{Name: "backup"}}, Datasets: []simlab.DatasetSpec{{Name: "backup/ss1"}}},
		},
		Groups: []simlab.GroupSpec{{Name: "mail", Source: "ss1", Target: "ss2", Under: "backup/ss1", Datasets: []string{"tank/mail"},
			Extra: "    keep: {source: {daily: 1}, target: {daily: 1}}"}},
	}
}
