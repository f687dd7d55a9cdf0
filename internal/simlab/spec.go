package simlab

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// A Spec says what a lab consists of. Names are unique within their list. Durations are those of a real lab; the lab's
// speed divides them.
type Spec struct {
	Name       string // the lab: lower-case letters, digits and dashes
	Datacenter string // default "Home"
	User       string // of the vCenter; default "nightshift@vsphere.local"
	BMCUser    string // default "root"
	Version    string // of the vCenter; default "8.0.2"
	Build      string
	Clusters   []ClusterSpec
	Hosts      []HostSpec
	Guests     []GuestSpec
	Datastores []DatastoreSpec // default: one that all hosts share
	// Applications are clusters inside guests.
	Applications []ApplicationSpec
	// Machines take commands over SSH.
	Machines []MachineSpec
	// StorageHosts have ZFS pools; Groups are what is replicated between them.
	StorageHosts []StorageHostSpec
	Groups       []GroupSpec
	// Denied are SOAP methods that the vCenter refuses with NoPermission, and the privilege that it names.
	Denied map[string]string
	// Self is the guest that nightshift runs in; empty: outside. VCenterGuest is the one that the vCenter runs in.
	Self, VCenterGuest string
	VCenterBoot        time.Duration // from its guest's start until it answers; default 6 min
}

// A ClusterSpec is a cluster and its settings.
type ClusterSpec struct {
	Name     string
	HA       bool
	DRS      bool
	DRSLevel string // fullyAutomated (default) | partiallyAutomated | manual
	DPM      bool
	VSAN     bool
	// Evacuates: DRS, while it is fully automated, moves the guests of a host that is to enter maintenance mode.
	Evacuates bool
	VCLS      int // how many vCLS VMs it wants, at most one per host
}

// A HostSpec is a server with ESXi on it.
type HostSpec struct {
	Name    string // also its name in vCenter
	Cluster string // empty: standalone
	Keep    bool   // the lab file leaves it alone
	NoBMC   bool
	IPMI    bool // its BMC speaks IPMI instead of Redfish
	// WakeOnLAN: it has no BMC, and wakes by a magic packet to MAC. A witness of it answers while ESXi runs. On Linux only.
	WakeOnLAN bool
	MAC       string // default: made of the seed and the name
	// UUID and Serial identify it in vCenter and at its BMC; default: made of the seed and the name.
	UUID, Serial  string
	SwappedUUID   bool // the BMC writes the UUID's first three fields in the other byte order
	Vendor, Model string
	Firmware      string // of the BMC; default "2.65.65.65"
	Quirks        Quirks // of the BMC
	MemoryGB      int
	Version       string // of ESXi; default "7.0.3"
	Build         string
	Off           bool // at the start
	Maintenance   bool // at the start
	Lockdown      string
	FreeLicense   bool          // its licence allows reading only
	Direct        bool          // the lab file names its own API
	Provides      []string      // as that of a guest
	Boot          time.Duration // from BMC On to ESXi answering; default 4 min
	Shutdown      time.Duration // from the order to Off; default 1 min
}

// A GuestSpec is a VM.
type GuestSpec struct {
	Name, Host, Folder string
	Datastore          string   // default: the first that its host has
	UUID, BIOSUUID     string   // default: made of the seed and the name
	Tags               []string // names of vSphere tags
	Off                bool     // at the start
	NoTools            bool
	IgnoresShutdown    bool
	Question           string   // a question that is pending at the start and blocks a shutdown until it is answered
	MultiWriter        bool     // has a multi-writer disk
	Disks              []string // further disks, by their datastores
	Tracked            bool     // Changed Block Tracking is on
	FT                 bool
	KeyProvider        string        // encrypted by a key of this provider
	Shutdown           time.Duration // default 30 s
	Boot               time.Duration // until the Tools answer; default 45 s
	MemoryMB           int64
	// Provides says what the lab needs it for, as the lab file does: dns, ntp, identity, keys. Datastores and the vCenter
	// are said elsewhere in the spec.
	Provides []string
	// For the lab file: dependencies, whether it is to be left alone, and whether it has a health page.
	After []string
	Keep  bool
	HTTP  bool
	// Login: programs can be started in it through its Tools, and the lab file says with which account.
	Login bool
}

// A DatastoreSpec is storage that the hosts named see; no names: all.
type DatastoreSpec struct {
	Name  string
	Hosts []string
	// ProvidedBy is the guest that serves it. While that is not up, nobody reads the datastore; when it is up again, each
	// host sees it after a rescan, or from its next boot on.
	ProvidedBy string
}

func orDefault[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}

// complete fills in defaults and refuses what cannot be.
func (s Spec) complete(seed int64) (Spec, error) {
	if s.Name == "" {
		return s, fmt.Errorf("simulated lab: the spec has no name")
	}
	s.Datacenter = orDefault(s.Datacenter, "Home")
	s.User = orDefault(s.User, "nightshift@vsphere.local")
	s.BMCUser = orDefault(s.BMCUser, "root")
	s.Version, s.Build = orDefault(s.Version, "8.0.2"), orDefault(s.Build, "22617221")
	if len(s.Datastores) == 0 {
		s.Datastores = []DatastoreSpec{{Name: "shared01"}}
	}
	clusters, hosts := map[string]bool{}, map[string]bool{}
	s.Clusters = append([]ClusterSpec(nil), s.Clusters...)
	for i := range s.Clusters {
		c := &s.Clusters[i]
		c.DRSLevel = orDefault(c.DRSLevel, "fullyAutomated")
		clusters[c.Name] = true
	}
	s.Hosts = append([]HostSpec(nil), s.Hosts...)
	for i := range s.Hosts {
		h := &s.Hosts[i]
		if h.Cluster != "" && !clusters[h.Cluster] || hosts[h.Name] {
			return s, fmt.Errorf("simulated lab %s: host %q: given twice, or its cluster %q is not in the spec", s.Name, h.Name, h.Cluster)
		}
		hosts[h.Name] = true
		h.complete(s.Name, seed)
	}
	s.VCenterBoot = orDefault(s.VCenterBoot, 6*time.Minute)
	if err := s.completeGuests(seed, hosts); err != nil {
		return s, err
	}
	if err := s.completeApplications(); err != nil {
		return s, err
	}
	if err := s.checkMachines(); err != nil {
		return s, err
	}
	if err := s.completeStorage(); err != nil {
		return s, err
	}
	return s, s.checkProviders()
}

func (s *Spec) completeGuests(seed int64, hosts map[string]bool) error {
	seen := map[string]bool{}
	s.Guests = append([]GuestSpec(nil), s.Guests...)
	for i := range s.Guests {
		g := &s.Guests[i]
		if !hosts[g.Host] || seen[g.Name] {
			return fmt.Errorf("simulated lab %s: guest %q: given twice, or its host %q is not in the spec", s.Name, g.Name, g.Host)
		}
		seen[g.Name] = true
		g.Datastore = orDefault(g.Datastore, s.datastoreOf(g.Host))
		if g.Datastore == "" {
			return fmt.Errorf("simulated lab %s: guest %q: its host %q has no datastore", s.Name, g.Name, g.Host)
		}
		g.complete(s.Name, seed)
	}
	return nil
}

// checkProviders refuses providers that are not there, and storage that would have to serve itself.
func (s *Spec) checkProviders() error {
	at := map[string]string{}
	for _, g := range s.Guests {
		at[g.Name] = g.Datastore
	}
	if _, ok := at[s.VCenterGuest]; !ok && s.VCenterGuest != "" {
		return fmt.Errorf("simulated lab %s: the guest of the vCenter, %q, is not in the spec", s.Name, s.VCenterGuest)
	}
	for _, d := range s.Datastores {
		on, ok := at[d.ProvidedBy]
		if d.ProvidedBy != "" && (!ok || on == d.Name) {
			return fmt.Errorf("simulated lab %s: datastore %q: the guest that provides it, %q, is not in the spec, or lies on it", s.Name, d.Name, d.ProvidedBy)
		}
	}
	return nil
}

func (h *HostSpec) complete(lab string, seed int64) {
	sum := derived(seed, lab, "host", h.Name)
	hex := strings.ReplaceAll(sum.String(), "-", "")
	// Dell's UUIDs begin with "DELL" and carry the service tag.
	h.UUID = orDefault(h.UUID, fmt.Sprintf("4c4c4544-00%s-10%s-80%s-b4c04f%s", hex[0:2], hex[2:4], hex[4:6], hex[6:12]))
	h.Serial = orDefault(h.Serial, strings.ToUpper(hex[12:18])+"J")
	h.MAC = orDefault(h.MAC, macOf(seed, lab, h.Name))
	h.Vendor, h.Model = orDefault(h.Vendor, "Dell Inc."), orDefault(h.Model, "PowerEdge R620")
	h.Firmware = orDefault(h.Firmware, "2.65.65.65")
	h.MemoryGB = orDefault(h.MemoryGB, 96)
	h.Version, h.Build = orDefault(h.Version, "7.0.3"), orDefault(h.Build, "21930508")
	h.Lockdown = orDefault(h.Lockdown, "lockdownDisabled")
	h.Boot, h.Shutdown = orDefault(h.Boot, 4*time.Minute), orDefault(h.Shutdown, time.Minute)
}

func (g *GuestSpec) complete(lab string, seed int64) {
	g.UUID = orDefault(g.UUID, derived(seed, lab, "instance", g.Name).String())
	g.BIOSUUID = orDefault(g.BIOSUUID, derived(seed, lab, "bios", g.Name).String())
	g.Shutdown, g.Boot = orDefault(g.Shutdown, 30*time.Second), orDefault(g.Boot, 45*time.Second)
	g.MemoryMB = orDefault(g.MemoryMB, 2048)
}

func (s *Spec) datastoreOf(host string) string {
	for _, d := range s.Datastores {
		if d.on(host) {
			return d.Name
		}
	}
	return ""
}

func (d DatastoreSpec) on(host string) bool {
	for _, h := range d.Hosts {
		if h == host {
			return true
		}
	}
	return len(d.Hosts) == 0
}

// derived is a UUID that is the same for the same seed, lab and name, and another for any other.
func derived(seed int64, lab, kind, name string) uuid.UUID {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte(fmt.Sprintf("nightshift-simlab/%d/%s/%s/%s", seed, lab, kind, name)))
}
