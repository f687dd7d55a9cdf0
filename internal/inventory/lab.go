// Package inventory is the lab file: what a person says about a lab. It parses and validates it, makes its JSON
// Schema, and resolves the secrets that it names. What is really there is package live.
//
// It knows neither Temporal nor any device.
package inventory

import (
	"strings"

	"nightshift/internal/plan"
)

// A File is lab.yaml. Every name is unique within its list.
//
// The tags are the one description of the format: `json` names the keys (without omitempty a key is required) and
// `jsonschema` lists what a value may be. The parser and the JSON Schema both read them.
type File struct {
	// Lab is the lab's name: lower-case letters, digits and dashes.
	Lab string `json:"lab" jsonschema:"pattern=^[a-z0-9]([a-z0-9-]*[a-z0-9])?$,maxLength=40"`
	// Self says where nightshift itself runs, so that a run never switches that off.
	Self Self `json:"self"`
	// Sites are the places of the lab. Without the list there is one, named as the lab.
	Sites []Site `json:"sites,omitempty"`
	// VCenters and Hosts may be left out where there are storage hosts: a lab that only replicates has neither.
	VCenters []VCenter `json:"vcenters,omitempty" jsonschema:"minItems=1"`
	Clusters []Cluster `json:"clusters,omitempty"`
	// Hosts are the servers that run ESXi.
	Hosts  []Host  `json:"hosts,omitempty" jsonschema:"minItems=1"`
	Guests []Guest `json:"guests,omitempty"`
	Groups []Group `json:"groups,omitempty"`
	// ApplicationClusters go down as one thing before their members, and come up as one thing after them.
	ApplicationClusters []ApplicationCluster `json:"applicationClusters,omitempty"`
	// StorageHosts are reached over SSH.
	StorageHosts []StorageHost `json:"storageHosts,omitempty"`
	// ProtectionGroups are what is replicated from one storage host to another.
	ProtectionGroups []ProtectionGroup `json:"protectionGroups,omitempty"`
	// Machines are others that step runbooks run commands on over SSH.
	Machines []Machine `json:"machines,omitempty"`
	// Library is the directory with step runbooks of your own, relative to this file. Default: runbooks, if it is there.
	Library  string   `json:"library,omitempty"`
	Tags     Tags     `json:"tags,omitempty"`
	Policies Policies `json:"policies,omitempty"`
	// UPS are the uninterruptible power supplies that power the lab down when the mains fail, and up again.
	UPS []UPS `json:"ups,omitempty"`
	// Limits says how many steps may be under way at a time per vcenter, host (ESXi) and bmc, and how many hosts are switched on.
	Limits Limits `json:"limits,omitempty"`
	// People are those whose signatures nightshift knows.
	People []Person `json:"people,omitempty"`
	// Notifications say who is told what.
	Notifications Notifications `json:"notifications,omitempty"`
	// Runbooks holds the settings of runbooks by catalog name: "power-down".
	Runbooks map[string]Runbook `json:"runbooks,omitempty"`
	// Energy says what a kWh costs, for what reports tell of a night.
	Energy *Energy `json:"energy,omitempty"`
	// Schedules start runbooks by the clock. `nightshift apply` makes them.
	Schedules []Schedule `json:"schedules,omitempty"`
	// Monitoring is what watches the lab and is asked to be quiet while a run works on it.
	Monitoring []Monitoring `json:"monitoring,omitempty"`
}

// Self is the machine that nightshift runs on. Exactly one of Guest, Host and Outside is set.
type Self struct {
	Guest   string `json:"guest,omitempty"`   // a VM of this lab, by its name in vCenter
	Host    string `json:"host,omitempty"`    // on a host of this lab (a container or an agent beside it), by its name in this file
	Outside bool   `json:"outside,omitempty"` // a machine that no host of this lab carries
	// Needs are what else nightshift cannot do without, which it does not find by itself: guests of this lab, by their names, and
	// IP addresses. Such as the database of a Temporal server of your own.
	Needs []string `json:"needs,omitempty"`
}

// A Site is a place with a worker of its own.
type Site struct {
	Name string `json:"name"`
}

// A VCenter is a vCenter Server.
type VCenter struct {
	Name     string `json:"name"`
	Site     string `json:"site,omitempty"`
	Endpoint `json:",inline"`
}

// An Endpoint is an HTTP service with a login.
type Endpoint struct {
	URL      string    `json:"url"` // https://host[:port][/path]
	User     string    `json:"user,omitempty"`
	Password SecretRef `json:"password,omitempty"` // a reference, never the password itself: env:NAME, file:/path or exec:command
	TLS      TLS       `json:"tls,omitempty"`
	// Insecure allows http:// in URL, and only that. Every use warns.
	Insecure bool `json:"insecure,omitempty"`
}

// TLS says how the certificate of an endpoint is verified. Without either field: by the system's CAs.
type TLS struct {
	// Fingerprint is the SHA-256 of the certificate: 64 hex digits, colons allowed.
	Fingerprint string `json:"fingerprint,omitempty"`
	// CA is a PEM file, relative to the lab file.
	CA string `json:"ca,omitempty"`
	// Legacy allows TLS 1.0/1.1 and static-RSA key exchange, as old BMCs need: no forward secrecy, weak ciphers.
	// Only where it must be; together with a fingerprint.
	Legacy bool `json:"legacyTLS,omitempty"`
}

// A Cluster is a vSphere cluster. Listing it is only needed for settings of its own.
type Cluster struct {
	Name    string `json:"name"` // in vCenter
	VCenter string `json:"vcenter,omitempty"`
	// Keep leaves the cluster and all its hosts and guests alone.
	Keep bool `json:"keep,omitempty"`
}

// A Host is a server that runs ESXi. Hosts that are not listed are never touched.
type Host struct {
	Name    string `json:"name"`              // as people call it
	VCenter string `json:"vcenter,omitempty"` // may be left out where there is only one
	// Address is the host's name in vCenter, if it is another than Name.
	Address string `json:"address,omitempty"`
	// Keep leaves the host and its guests alone.
	Keep bool `json:"keep,omitempty"`
	BMC  *BMC `json:"bmc,omitempty"`
	// WakeOnLAN switches on a machine that has no BMC.
	WakeOnLAN *WakeOnLAN `json:"wakeOnLan,omitempty"`
	// ESXi is the host's own API. Needed of hosts that carry what the lab stands on: their vCenter is not there when they
	// go down last and come up first.
	ESXi *Endpoint `json:"esxi,omitempty"`
	SSH  *SSH      `json:"ssh,omitempty"`
	// Provides says what the rest of the lab needs this machine for.
	Provides []Provision `json:"provides,omitempty"`
	// Shutdown overrides policies.host for this host.
	Shutdown *HostPolicy `json:"shutdown,omitempty"`
}

// A BMC is a server's management controller (iDRAC, iLO, …), reached through Redfish (https://…) or IPMI (ipmi://host[:623]).
type BMC struct {
	Endpoint `json:",inline"`
	// BasicAuth sends user and password with each request and makes no session, for services that ask for it even to log in.
	BasicAuth bool `json:"basicAuth,omitempty"`
	// System is the path of the ComputerSystem, where the service has more than one: /redfish/v1/Systems/1
	System string `json:"system,omitempty"`
	// Serial is the server's serial number (service tag) as the BMC tells it: recorded by `lab trust`, compared at each use.
	Serial string `json:"serial,omitempty"`
	// UUID is the same for a BMC that tells no serial number.
	UUID string `json:"uuid,omitempty"`
}

// WakeOnLAN is for machines that can be switched on by a magic packet and tell nobody whether they are on.
type WakeOnLAN struct {
	MAC string `json:"mac"` // of a network card that is set to wake: 00:11:22:33:44:55
	// Broadcast is where the packet is sent, address[:port]. Default 255.255.255.255:9.
	Broadcast string `json:"broadcast,omitempty"`
	// Witness are addresses, host:port, that answer as long as the machine is on, and of which one at least is not on its
	// management network. The machine counts as off when its vCenter has lost it and none of them answers any more; a
	// step that goes to the machine itself must have told it to shut down, too.
	Witness []string `json:"witness" jsonschema:"minItems=1"`
}

// A Provision is what a machine provides to the lab: KIND or KIND:NAME. The kinds are datastore (with its name in
// vCenter), dns, ntp, identity, keys (the name is that of a key provider; without one: all) and vcenter (its name in
// this file; may be left out where there is only one).
type Provision string

// The kinds of provisions, in the order in which a lab needs them when it comes up.
const (
	ProvidesDatastore = "datastore"
	ProvidesDNS       = "dns"
	ProvidesNTP       = "ntp"
	ProvidesIdentity  = "identity"
	ProvidesKeys      = "keys"
	ProvidesVCenter   = "vcenter"
)

// Split is the provision's kind and name; the latter may be empty.
func (p Provision) Split() (kind, name string) {
	kind, name, _ = strings.Cut(string(p), ":")
	return kind, name
}

// An ApplicationCluster is a cluster inside guests (Pacemaker, Patroni, WSFC, …), which would fail over, or fence its
// members, if these went down one by one. The commands run over SSH, without a shell, as argument lists.
type ApplicationCluster struct {
	Name string `json:"name"`
	// Members are its guests, by name, or "group:NAME".
	Members []string `json:"members" jsonschema:"minItems=1"`
	// At are the machines where the commands run: the first that answers is taken.
	At []SSH `json:"at" jsonschema:"minItems=1"`
	// Status tells how the cluster is: exit status 0 is up, one of Stopped is stopped, any other is unknown.
	Status  []string `json:"status" jsonschema:"minItems=1"`
	Stopped []int    `json:"stopped,omitempty"` // exit statuses of Status that mean stopped; default [3], as in the LSB
	Stop    []string `json:"stop" jsonschema:"minItems=1"`
	Start   []string `json:"start" jsonschema:"minItems=1"`
	// Timeout is how long it may take to stop or to start. Default 10m.
	Timeout plan.Duration `json:"timeout,omitempty"`
}

// A Guest is a VM of which there is something to say. VMs that are not listed follow the policies and tags.
type Guest struct {
	Name    string `json:"name"` // in vCenter
	VCenter string `json:"vcenter,omitempty"`
	// UUID (instance UUID) tells apart VMs of one name.
	UUID string `json:"uuid,omitempty"`
	// Keep leaves it alone.
	Keep bool `json:"keep,omitempty"`
	// Provides says what the rest of the lab needs it for: it goes down after all that need it, and comes up before them.
	Provides []Provision `json:"provides,omitempty"`
	// After names guests, or "group:NAME", that must be up and healthy before this one starts. Down goes in reverse.
	After []string `json:"after,omitempty"`
	// Shutdown overrides policies.guest for this guest.
	Shutdown *GuestPolicy `json:"shutdown,omitempty"`
	// Login is an account inside the guest, with which step runbooks start programs in it.
	Login *Login `json:"login,omitempty"`
	// Health says when the guest is up. Default: the Tools' heartbeat, where Tools run.
	Health *Health `json:"health,omitempty"`
}

// A Group is a set of guests: those listed and those that bear the tag.
type Group struct {
	Name   string   `json:"name"`
	Guests []string `json:"guests,omitempty"`
	Tag    string   `json:"tag,omitempty"`
	After  []string `json:"after,omitempty"` // as Guest.After, for each of its guests
}

// Health is when a guest counts as up: all of it.
type Health struct {
	Tools   *bool         `json:"tools,omitempty"` // the Tools' heartbeat; default true
	TCP     []string      `json:"tcp,omitempty"`   // host:port
	HTTP    []string      `json:"http,omitempty"`  // URL; a status below 400
	Timeout plan.Duration `json:"timeout,omitempty"`
}
