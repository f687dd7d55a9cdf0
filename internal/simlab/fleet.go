package simlab

import "fmt"

// FleetSpec is a large lab: clusters of 16 hosts, on which applications of four guests run: a database, two servers that come
// after it, and a page that comes after these. To make it takes some 40 ms a guest.
func FleetSpec(hosts, guests int) Spec {
	s := Spec{Name: "fleet"}
	for h := range hosts {
		cluster := fmt.Sprintf("C%02d", h/16+1)
		if h%16 == 0 {
			s.Clusters = append(s.Clusters, ClusterSpec{Name: cluster, HA: true, DRS: true})
		}
		s.Hosts = append(s.Hosts, HostSpec{Name: fmt.Sprintf("esx%03d", h+1), Cluster: cluster})
	}
	name := func(g int) string { return fmt.Sprintf("vm%04d", g+1) }
	for g := range guests {
		guest := GuestSpec{Name: name(g), Host: s.Hosts[g%hosts].Name, Tags: []string{"StartUp"}}
		switch first := g - g%4; g % 4 {
		case 1, 2:
			guest.After = []string{name(first)}
		case 3:
			guest.After = []string{name(first + 1), name(first + 2)}
		}
		s.Guests = append(s.Guests, guest)
	}
	return s
}
