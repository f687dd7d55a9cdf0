package simlab

import "time"

// Labs that carry what they stand on.

// DRBoxSpec is a disaster-recovery box: one ESXi host with a boot disk, and on it a storage VM that serves the datastore
// of everything else back to that same host, its vCenter and its name server included. nightshift is outside.
func DRBoxSpec() Spec {
	return Spec{
		Name:         "drbox",
		Hosts:        []HostSpec{{Name: "drhost", Direct: true, MemoryGB: 64}},
		Datastores:   []DatastoreSpec{{Name: "boot"}, {Name: "iscsi01", ProvidedBy: "zfs01"}},
		VCenterGuest: "vcenter",
		Guests: []GuestSpec{
			{Name: "zfs01", Host: "drhost", Datastore: "boot", Boot: 60 * time.Second, MemoryMB: 8192},
			{Name: "dns01", Host: "drhost", Datastore: "iscsi01", Provides: []string{"dns", "ntp"}, Tags: []string{"StartUp"}},
			{Name: "vcenter", Host: "drhost", Datastore: "iscsi01", MemoryMB: 14336},
			{Name: "db01", Host: "drhost", Datastore: "iscsi01", Tags: []string{"StartUp"}, HTTP: true},
			{Name: "web01", Host: "drhost", Datastore: "iscsi01", Tags: []string{"StartUp"}, After: []string{"db01"}, HTTP: true},
		},
	}
}

// OneHostSpec is one host that carries everything on its own disks. nightshift is outside.
func OneHostSpec() Spec {
	return Spec{
		Name:         "onehost",
		Hosts:        []HostSpec{{Name: "esx01", Direct: true}},
		Datastores:   []DatastoreSpec{{Name: "local01"}},
		VCenterGuest: "vcenter",
		Guests: []GuestSpec{
			{Name: "vcenter", Host: "esx01", MemoryMB: 14336},
			{Name: "dc01", Host: "esx01", Provides: []string{"dns", "identity"}, Tags: []string{"StartUp"}},
			{Name: "app01", Host: "esx01", Tags: []string{"StartUp"}, After: []string{"dc01"}, HTTP: true},
			{Name: "old01", Host: "esx01", NoTools: true},
		},
	}
}

// InsideSpec is a cluster of three hosts, of which the first carries on its own disks what all of them stand on: a storage
// VM, a domain controller, a clock and the vCenter. nightshift is outside.
func InsideSpec() Spec {
	hosts := []string{"esx21", "esx22", "esx23"}
	s := Spec{
		Name:         "inside",
		Clusters:     []ClusterSpec{{Name: "Lab", HA: true, DRS: true, VCLS: 3}},
		Datastores:   []DatastoreSpec{{Name: "local21", Hosts: hosts[:1]}, {Name: "shared01", ProvidedBy: "san01"}},
		VCenterGuest: "vcenter",
		Guests: []GuestSpec{
			{Name: "san01", Host: "esx21", Datastore: "local21", Boot: 60 * time.Second, MemoryMB: 8192},
			{Name: "dc01", Host: "esx21", Datastore: "local21", Provides: []string{"dns", "identity"}, Tags: []string{"StartUp"}},
			{Name: "ntp01", Host: "esx21", Datastore: "local21", Provides: []string{"ntp"}},
			{Name: "vcenter", Host: "esx21", Datastore: "local21", MemoryMB: 14336},
			{Name: "db01", Host: "esx22", Datastore: "shared01", Tags: []string{"StartUp"}, HTTP: true},
			{Name: "app01", Host: "esx22", Datastore: "shared01", Tags: []string{"StartUp"}, After: []string{"db01"}, HTTP: true},
			{Name: "web01", Host: "esx23", Datastore: "shared01", Tags: []string{"StartUp"}, After: []string{"app01"}, HTTP: true},
			{Name: "test01", Host: "esx23", Datastore: "shared01"},
			{Name: "spare", Host: "esx23", Datastore: "shared01", Off: true},
		},
	}
	for i, name := range hosts {
		s.Hosts = append(s.Hosts, HostSpec{Name: name, Cluster: "Lab", Direct: i == 0})
	}
	return s
}
