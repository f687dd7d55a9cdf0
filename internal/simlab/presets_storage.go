package simlab

// StorageSpec is a lab with two storage hosts: ss1 serves the datastores of two ESXi hosts, ss2 keeps the replicas. The
// protection group mail is two volumes, of which one has the datastore of the guest mail01 and none a replica yet; files is one that was
// replicated for ten days.
func StorageSpec() Spec {
	s := SmallSpec()
	s.Name = "storage"
	s.Datastores = []DatastoreSpec{{Name: "shared01"}, {Name: "vmfs-mail"}}
	s.Guests = append(s.Guests, GuestSpec{Name: "mail01", Host: "esx22", Datastore: "vmfs-mail", Disks: []string{"shared01"}, Tags: []string{"StartUp"}, HTTP: true})
	s.StorageHosts = []StorageHostSpec{
		{Name: "ss1", CopiesTo: "ss2", Pools: []PoolSpec{{Name: "tank"}}, Datasets: []DatasetSpec{{Name: "tank/mail", SizeGB: 64, UsedGB: 24, VMFS: "vmfs-mail"}, {Name: "tank/mail-log", SizeGB: 16, UsedGB: 6},
			{Name: "tank/files", SizeGB: 32, UsedGB: 2}}},
		{Name: "ss2", Pools: []PoolSpec{{Name: "backup"}}, Datasets: []DatasetSpec{{Name: "backup/ss1"}}},
	}
	s.Groups = []GroupSpec{{Name: "mail", Source: "ss1", Target: "ss2", Under: "backup/ss1", Datasets: []string{"tank/mail", "tank/mail-log"},
		Extra: "    keep: {source: {all: 48h, daily: 7}, target: {all: 48h, daily: 14, weekly: 8, monthly: 12}}"},
		{Name: "files", Source: "ss1", Target: "ss2", Under: "backup/ss1", Datasets: []string{"tank/files"}, History: 240,
			Extra: "    keep: {source: {all: 24h, daily: 3}, target: {all: 24h, daily: 7, weekly: 4, monthly: 12}}"}}
	return s
}

// StorageOnlySpec is StorageSpec without its ESXi hosts: the lab file names no vCenter.
func StorageOnlySpec() Spec {
	s := StorageSpec()
	s.Name = "storage-only"
	s.Clusters, s.Hosts, s.Guests, s.Datastores = nil, nil, nil, nil
	s.StorageHosts[0].Datasets[0].VMFS = "" // there is nobody to whom it could be shown
	return s
}
