package simlab

import (
	"fmt"
	"time"
)

// HomeSpec is a home lab: an always-on NUC that carries the management, and four PowerEdge R620 for everything else.
func HomeSpec() Spec {
	r620 := []string{"esx21", "esx22", "esx23", "esx24"}
	s := Spec{
		Name:       "home",
		Clusters:   []ClusterSpec{{Name: "Lab", HA: true, DRS: true, DPM: false, VCLS: 3}},
		Datastores: []DatastoreSpec{{Name: "nuc-local", Hosts: []string{"nuc1"}}, {Name: "shared01", Hosts: r620}},
		Self:       "nightshift", VCenterGuest: "vcenter",
		Hosts: []HostSpec{{Name: "nuc1", Keep: true, NoBMC: true, Vendor: "Intel Corporation", Model: "NUC7i5BNH", MemoryGB: 32}},
	}
	for i, name := range r620 {
		s.Hosts = append(s.Hosts, HostSpec{Name: name, Cluster: "Lab", SwappedUUID: i == 3, Boot: time.Duration(220+15*i) * time.Second})
	}
	sec := time.Second
	infra, apps := "Infrastructure", "Applications"
	s.Guests = []GuestSpec{
		{Name: "vcenter", Host: "nuc1", Folder: "Management", Keep: true, Tags: []string{"KeepOn"}, MemoryMB: 14336},
		{Name: "mgmt01", Host: "nuc1", Folder: "Management", Tags: []string{"KeepOn"}},
		{Name: "backup01", Host: "nuc1", Folder: "Management", Tags: []string{"KeepOn"}},
		{Name: "nightshift", Host: "nuc1", Folder: "Management", Keep: true},
		{Name: "dc01", Host: "esx21", Folder: infra, Tags: []string{"StartUp"}, Shutdown: 50 * sec, Boot: 70 * sec},
		{Name: "dc02", Host: "esx22", Folder: infra, Tags: []string{"StartUp"}, Shutdown: 50 * sec, Boot: 70 * sec, After: []string{"dc01"}},
		{Name: "db01", Host: "esx21", Folder: apps, Tags: []string{"StartUp"}, Shutdown: 60 * sec, Boot: 60 * sec, After: []string{"dc01"}, HTTP: true},
		{Name: "db02", Host: "esx23", Folder: apps, Shutdown: 60 * sec, Boot: 60 * sec, After: []string{"dc01"}, MultiWriter: true},
		{Name: "app01", Host: "esx22", Folder: apps, Tags: []string{"StartUp"}, After: []string{"db01"}, HTTP: true},
		{Name: "web01", Host: "esx22", Folder: apps, Tags: []string{"StartUp"}, Shutdown: 15 * sec, Boot: 30 * sec, After: []string{"app01"}, HTTP: true},
		{Name: "web02", Host: "esx23", Folder: apps, Tags: []string{"StartUp"}, Shutdown: 15 * sec, Boot: 30 * sec, After: []string{"app01"}, HTTP: true},
		{Name: "gitlab", Host: "esx23", Folder: apps, Shutdown: 75 * sec, Boot: 100 * sec, After: []string{"dc01"}, HTTP: true},
		{Name: "nas-test", Host: "esx24", Folder: infra, Shutdown: 40 * sec},
		{Name: "k8s01", Host: "esx24", Folder: apps, After: []string{"dc01"}},
		{Name: "k8s02", Host: "esx24", Folder: apps, After: []string{"dc01"}},
		{Name: "win-old", Host: "esx24", Folder: apps, NoTools: true},
		{Name: "stubborn", Host: "esx23", Folder: apps, IgnoresShutdown: true},
		{Name: "template-test", Host: "esx22", Folder: apps, Off: true},
	}
	return s
}

// SmallSpec is the smallest lab that has a cluster: two hosts, four guests. For fast tests.
func SmallSpec() Spec {
	return Spec{
		Name:     "small",
		Clusters: []ClusterSpec{{Name: "Lab", HA: true, DRS: true, VCLS: 2}},
		Hosts:    []HostSpec{{Name: "esx21", Cluster: "Lab"}, {Name: "esx22", Cluster: "Lab"}},
		Guests: []GuestSpec{
			{Name: "dc01", Host: "esx21", Tags: []string{"StartUp"}},
			{Name: "db01", Host: "esx21", Tags: []string{"StartUp"}, After: []string{"dc01"}},
			{Name: "web01", Host: "esx22", Tags: []string{"StartUp"}, After: []string{"db01"}, HTTP: true},
			{Name: "spare", Host: "esx22", Off: true},
		},
	}
}

// ScaleSpec is a lab of clusters of up to 16 hosts, with the guests spread over them; every tenth depends on another.
func ScaleSpec(hosts, guests int) Spec {
	s := Spec{Name: "scale"}
	for i := range hosts {
		cluster := fmt.Sprintf("C%02d", i/16+1)
		if i%16 == 0 {
			s.Clusters = append(s.Clusters, ClusterSpec{Name: cluster, HA: true, DRS: true, VCLS: 3})
		}
		s.Hosts = append(s.Hosts, HostSpec{Name: fmt.Sprintf("esx%03d", i+1), Cluster: cluster})
	}
	for i := range guests {
		g := GuestSpec{Name: fmt.Sprintf("vm%04d", i+1), Host: s.Hosts[i%hosts].Name}
		if i%10 == 9 {
			g.After = []string{fmt.Sprintf("vm%04d", i)}
		}
		s.Guests = append(s.Guests, g)
	}
	return s
}
