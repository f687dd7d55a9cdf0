package labimport_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/labimport"
	"nightshift/internal/live"
)

var update = flag.Bool("update", false, "write the golden files anew")

// fullLab has something of everything that is looked at.
func fullLab() labimport.Input {
	in := labimport.Input{
		VCenter: inventory.VCenter{Name: "vcsa", Endpoint: inventory.Endpoint{URL: "https://vcsa.lab.example", User: `LAB\night`, Password: "env:VC_PASSWORD",
			TLS: inventory.TLS{Fingerprint: strings.Repeat("AB:", 31) + "AB"}}},
		Typed:     true,
		Addresses: map[string][]string{"vcsa.lab.example": {"192.0.2.10"}, "pool.ntp.org": {"203.0.113.1"}},
		Live: live.VCenter{Name: "vcsa", APIType: "VirtualCenter",
			Clusters:   []live.Cluster{{Ref: "domain-c1", Name: "Lab", HA: true, DRS: true, DRSLevel: "fullyAutomated"}},
			Datastores: []live.Datastore{{Ref: "ds-1", Name: "local21"}, {Ref: "ds-2", Name: "nfs01"}, {Ref: "ds-3", Name: "vmfs01"}, {Ref: "ds-4", Name: "nas"}},
			Warnings:   []string{"tags of \"x\": no permission"}},
		Setup: live.Setup{
			Datacenters: []string{"Home Lab"},
			Datastores: []live.DatastoreSetup{
				{Ref: "ds-1"}, {Ref: "ds-2", Via: "NFS", From: []string{"192.0.2.5"}, Sure: true},
				{Ref: "ds-3", Via: "iSCSI", From: []string{"192.0.2.6"}}, {Ref: "ds-4", Via: "NFS", From: []string{"192.0.2.99"}, Sure: true}},
			KeyProviders: []live.KeyProvider{{ID: "kms1", Servers: []string{"192.0.2.7"}}, {ID: "native"}},
		},
	}
	dns, ntp := []string{"192.0.2.53", "192.0.2.1"}, []string{"pool.ntp.org"}
	host := func(n int, name, cluster, bmc, user string) {
		ref := fmt.Sprintf("host-%d", n)
		in.Live.Hosts = append(in.Live.Hosts, live.Host{Ref: ref, Name: name, Cluster: cluster, Connection: live.Connected})
		in.Setup.Hosts = append(in.Setup.Hosts, live.HostSetup{Ref: ref, BMC: bmc, BMCUser: user, Addresses: []string{fmt.Sprintf("192.0.2.%d", 20+n)}, DNS: dns, NTP: ntp})
	}
	host(1, "esx21.lab.example", "domain-c1", "192.0.2.121", "root")
	host(2, "esx22.lab.example", "domain-c1", "192.0.2.122", "")
	host(3, "esx23.lab.example", "domain-c1", "192.0.2.125", "root")
	host(4, "esx24.lab.example", "domain-c1", "192.0.2.125", "root") // one chassis, one address
	host(5, "nuc1.lab.example", "", "", "")
	in.Setup.Hosts[4].AutoStart = []live.StartOrder{{Place: 1, Guests: []string{"vm-2"}}, {Place: 2, Guests: []string{"vm-3"}}}
	guest := func(n int, name, host, store, ip string, tags ...string) *live.Guest {
		ref := fmt.Sprintf("vm-%d", n)
		in.Live.Guests = append(in.Live.Guests, live.Guest{Ref: ref, Name: name, UUID: fmt.Sprintf("00000000-0000-4000-8000-%012x", n), Host: host, Folder: "/Home Lab/vm/" + strings.ToUpper(name[:1]),
			Power: live.PoweredOn, Tools: true, IP: ip, Datastores: []string{store}, Tags: tags})
		in.Setup.Guests = append(in.Setup.Guests, live.GuestSetup{Ref: ref, Disks: []live.Disk{{Path: "[" + store + "] " + name + "/disk.vmdk"}}})
		return &in.Live.Guests[len(in.Live.Guests)-1]
	}
	guest(1, "vcsa", "host-5", "ds-2", "192.0.2.10")
	guest(2, "san01", "host-5", "ds-1", "192.0.2.5")
	guest(3, "dc01", "host-1", "ds-2", "192.0.2.53", "StartUp", "Infra: \"core\"")
	guest(4, "db01", "host-1", "ds-2", "", "StartUp", "Prod")
	guest(5, "db02", "host-2", "ds-2", "", "Prod")
	guest(6, "web, 01", "host-1", "ds-2", "", "Prod")
	guest(7, "no: 7", "host-2", "ds-3", "").Tools = false
	guest(8, "iscsi", "host-2", "ds-1", "192.0.2.6")
	guest(9, "kms", "host-2", "ds-1", "192.0.2.7")
	guest(10, "secret", "host-2", "ds-1", "").Encrypted = true
	in.Live.Guests[9].KeyProvider = "kms1"
	guest(11, "hidden", "host-2", "ds-1", "").Encrypted = true
	in.Live.Guests[10].KeyProvider = "native"
	guest(12, "twin", "host-2", "ds-1", "")
	guest(13, "twin", "host-2", "ds-1", "")
	guest(14, "golden image", "host-2", "ds-1", "").Template = true
	for i := range 5 {
		guest(20+i, fmt.Sprintf("node%d", i), "host-2", "ds-1", "")
	}
	for _, n := range []int{3, 4} {
		in.Setup.Guests[n].Disks = append(in.Setup.Guests[n].Disks, live.Disk{Path: "[nfs01] db/quorum.vmdk", MultiWriter: true})
	}
	in.Setup.VApps = []live.VApp{{Ref: "resgroup-v1", Name: "Shop", Order: []live.StartOrder{
		{Place: 1, Guests: []string{"vm-4"}}, {Place: 2, Guests: []string{"vm-6", "vm-14"}}, {Place: 3, Guests: []string{"vm-7"}}}}}
	in.Setup.Clusters = []live.ClusterSetup{{Ref: "domain-c1",
		RestartPriority: map[string]string{"vm-3": "highest", "vm-4": "low", "vm-5": "low", "vm-21": "disabled"},
		Rules: []live.Rule{{Name: "db apart", Kind: live.RuleApart, Guests: []string{"vm-5", "vm-4"}},
			{Name: "nodes apart", Kind: live.RuleApart, Guests: []string{"vm-20", "vm-21", "vm-22"}},
			{Name: "together", Kind: live.RuleTogether, Guests: []string{"vm-20", "vm-6"}},
			{Name: "nodes after", Kind: live.RuleAfter, Group: "k8s nodes", Guests: []string{"vm-20", "vm-21", "vm-22", "vm-23", "vm-24"}, BeforeGroup: "base", Before: []string{"vm-3", "vm-4", "vm-5"}},
			{Name: "zz backwards", Kind: live.RuleAfter, Group: "dc", Guests: []string{"vm-3"}, BeforeGroup: "k8s", Before: []string{"vm-20"}}}}}
	return in
}

func write(t testing.TB, in labimport.Input) (string, *inventory.Lab) {
	t.Helper()
	b, err := labimport.Write(in)
	require.NoError(t, err)
	lab, err := inventory.Parse("lab.yaml", b)
	require.NoError(t, err, string(b))
	return string(b), lab
}

func TestGolden(t *testing.T) {
	got, _ := write(t, fullLab())
	path := filepath.Join("testdata", "full.yaml")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run go test ./internal/labimport -update, and read what it wrote")
	require.Equal(t, string(want), got)
}

func guestOf(t *testing.T, lab *inventory.Lab, name string) *inventory.Guest {
	t.Helper()
	g, ok := lab.Guest(lab.VCenters[0].Name, name, "")
	require.True(t, ok, name)
	return g
}

func TestWhatIsFound(t *testing.T) {
	text, lab := write(t, fullLab())
	require.Equal(t, "home-lab", lab.Lab)
	require.True(t, lab.Self.Outside)
	require.Equal(t, `LAB\night`, lab.VCenters[0].User)

	h := func(name string) *inventory.Host {
		x, ok := lab.Host(name)
		require.True(t, ok, name)
		return x
	}
	require.Equal(t, "https://192.0.2.121", h("esx21").BMC.URL)
	require.Equal(t, "root", h("esx21").BMC.User)
	require.False(t, h("esx21").Keep)
	require.Empty(t, h("esx22").BMC.User, "nobody told who logs in")
	require.Nil(t, h("esx23").BMC, "two hosts have this address")
	require.True(t, h("esx23").Keep && h("esx24").Keep, "they could not be switched on again")
	require.True(t, h("nuc1").Keep, "it carries the vCenter")
	require.Equal(t, "nuc1.lab.example", h("nuc1").Address)

	vcsa := guestOf(t, lab, "vcsa")
	require.True(t, vcsa.Keep)
	require.Equal(t, []inventory.Provision{"vcenter:vcsa"}, vcsa.Provides)
	san := guestOf(t, lab, "san01")
	require.True(t, san.Keep, "the vCenter has its files there")
	require.Equal(t, []inventory.Provision{"datastore:nfs01"}, san.Provides)
	require.Equal(t, []inventory.Provision{"dns"}, guestOf(t, lab, "dc01").Provides)
	require.Equal(t, []inventory.Provision{"keys:kms1"}, guestOf(t, lab, "kms").Provides)
	require.Equal(t, []string{"db01"}, guestOf(t, lab, "web, 01").After)
	require.Equal(t, []string{"web, 01"}, guestOf(t, lab, "no: 7").After)
	nodes, ok := lab.Group("k8s-nodes")
	require.True(t, ok)
	require.Equal(t, []string{"group:base"}, nodes.After)
	require.Len(t, nodes.Guests, 5)

	for _, want := range []string{
		"Left out, as the order would go in a circle: dc01 after node0 (from rule zz backwards)",
		"? Its hosts ask this guest for iSCSI targets", "datastore nas: NFS from 192.0.2.99. ? Does that stay on",
		"they share [nfs01] db/quorum.vmdk (multi-writer); rule db apart keeps them on different hosts",
		"members: [db01, db02]", "members: [node0, node1, node2]", "several of one name, or for their characters: twin",
		`Not read, and so not in here: tags of "x": no permission`, "1 guest without running VMware Tools (no: 7)",
	} {
		require.Contains(t, strings.Join(strings.Fields(strings.NewReplacer("\n# ", " ", "# ", " ").Replace(text)), " "), strings.Join(strings.Fields(want), " "))
	}
	require.NotContains(t, text, "golden image")
}

// The same lab in another order makes the same file.
func TestTheOrderOfTheInputDoesNotMatter(t *testing.T) {
	want, _ := write(t, fullLab())
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		in := fullLab()
		shuffle(r, in.Live.Hosts)
		shuffle(r, in.Live.Guests)
		shuffle(r, in.Live.Datastores)
		shuffle(r, in.Setup.Hosts)
		shuffle(r, in.Setup.Guests)
		shuffle(r, in.Setup.Datastores)
		shuffle(r, in.Setup.Clusters[0].Rules)
		got, _ := write(t, in)
		require.Equal(t, want, got)
	}
}

func shuffle[T any](r *rand.Rand, list []T) {
	r.Shuffle(len(list), func(i, k int) { list[i], list[k] = list[k], list[i] })
}

func TestSelfIsFoundByWhatTheMachineTells(t *testing.T) {
	const bios = "4c4c4544-0051-3510-8052-b4c04f4a4d32"
	for name, m := range map[string]labimport.Machine{
		"SMBIOS UUID":    {UUID: bios},
		"in other order": {UUID: "44454c4c-5100-1035-8052-b4c04f4a4d32"},
		"MAC":            {MACs: []string{"00:50:56:aa:bb:cc"}},
		"IP":             {Addresses: []string{"127.0.0.1", "192.0.2.77"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := fullLab()
			in.Live.Guests[4].BIOSUUID, in.Live.Guests[4].IP = bios, "192.0.2.77"
			in.Setup.Guests[4].MACs = []string{"00:50:56:aa:bb:cc"}
			in.Machine = m
			_, lab := write(t, in)
			require.Equal(t, "db02", lab.Self.Guest)
			h, ok := lab.Host("esx22")
			require.True(t, ok)
			require.True(t, h.Keep, "it carries nightshift")
			require.True(t, guestOf(t, lab, "db02").Keep)

			in.Live.Guests[5].BIOSUUID, in.Live.Guests[5].IP = bios, "192.0.2.77" // a copy
			in.Setup.Guests[5].MACs = in.Setup.Guests[4].MACs
			_, lab = write(t, in)
			require.True(t, lab.Self.Outside, "nobody knows which of the two it is")
		})
	}
}

func TestAnApplianceIsProposedAsTheVCenter(t *testing.T) {
	in := fullLab()
	in.Addresses = nil
	_, lab := write(t, in)
	_, inside := lab.VCenterGuest("vcsa")
	require.False(t, inside)
	in.Setup.Guests[0].Product = "VMware vCenter Server Appliance"
	_, lab = write(t, in)
	g, inside := lab.VCenterGuest("vcsa")
	require.True(t, inside)
	require.Equal(t, "vcsa", g.Name)
	in.Setup.Guests[1].Product = "VMware vCenter Server Appliance"
	text, lab := write(t, in)
	_, inside = lab.VCenterGuest("vcsa")
	require.False(t, inside)
	require.Contains(t, text, "Is it one of san01, vcsa?", "two of them: a person knows")
}

// Every machine answers at the loopback address.
func TestLoopbackTellsNothing(t *testing.T) {
	in := fullLab()
	in.VCenter.URL, in.Addresses = "https://127.0.0.1:8989", nil
	in.Live.Guests[3].IP, in.Machine.Addresses = "127.0.0.1", []string{"127.0.0.1", "::1"}
	_, lab := write(t, in)
	_, inside := lab.VCenterGuest("vcsa")
	require.False(t, inside)
	require.True(t, lab.Self.Outside)
}

func TestAStorageGuestThatNeedsItselfIsNoProvider(t *testing.T) {
	in := fullLab()
	in.Live.Guests[1].Datastores = []string{"ds-2"}
	text, lab := write(t, in)
	require.Empty(t, lab.Providers(inventory.ProvidesDatastore))
	require.Contains(t, text, "circle")
}

// Nothing is known but names: that is what a bare simulator tells.
func TestBareLab(t *testing.T) {
	in := labimport.Input{VCenter: inventory.VCenter{Name: "vcenter", Endpoint: inventory.Endpoint{URL: "https://192.0.2.1", User: "u", Password: "env:P"}}}
	_, err := labimport.Write(in)
	require.ErrorContains(t, err, "no host")
	in.Live.Hosts = []live.Host{{Ref: "host-1", Name: "192.0.2.21"}, {Ref: "host-2", Name: "fd00::21"}, {Ref: "host-3", Name: "ESX.a"}, {Ref: "host-4", Name: "esx.b"}, {Ref: "host-5", Name: ""}}
	text, lab := write(t, in)
	require.Equal(t, "lab", lab.Lab)
	var got []string
	for _, h := range lab.Hosts {
		require.True(t, h.Keep)
		got = append(got, h.Name+"="+h.Address)
	}
	require.Equal(t, []string{"192.0.2.21=192.0.2.21", "ESX.a=ESX.a", "esx.b=esx.b", "fd00-21=fd00::21"}, got)
	require.Contains(t, text, "1 host cannot stand here")
}

// Two thousand guests make a file that a person can read.
func TestLargeLab(t *testing.T) {
	in := fullLab()
	for i := range 2000 {
		in.Live.Guests = append(in.Live.Guests, live.Guest{Ref: fmt.Sprintf("vm-%d", 1000+i), Name: fmt.Sprintf("vm%04d", i), Host: "host-2", Folder: fmt.Sprintf("/Home Lab/vm/team%d", i%100),
			Power: live.PoweredOn, Tags: []string{fmt.Sprintf("Team%d", i%10)}, Datastores: []string{"ds-2"}})
	}
	text, lab := write(t, in)
	require.Less(t, len(lab.Guests), 30)
	require.Less(t, strings.Count(text, "\n"), 300)
	require.Contains(t, text, "and 69 folders more")
}

// A vApp of many guests is written as groups.
func TestManyGuestsInAVApp(t *testing.T) {
	in := fullLab()
	in.Setup.VApps[0].Order = nil
	for place := range 3 {
		var refs []string
		for i := range 40 {
			ref := fmt.Sprintf("vm-%d-%d", place, i)
			in.Live.Guests = append(in.Live.Guests, live.Guest{Ref: ref, Name: ref, Datastores: []string{"ds-1"}})
			refs = append(refs, ref)
		}
		in.Setup.VApps[0].Order = append(in.Setup.VApps[0].Order, live.StartOrder{Place: place, Guests: refs})
	}
	_, lab := write(t, in)
	g, ok := lab.Group("Shop-1")
	require.True(t, ok)
	require.Len(t, g.Guests, 40)
	require.Equal(t, []string{"group:Shop-0"}, g.After)
	require.True(t, slices.ContainsFunc(lab.Groups, func(g inventory.Group) bool { return g.Name == "Shop-2" }))
}

func TestLabName(t *testing.T) {
	for in, want := range map[string]string{"Home Lab": "home-lab", "DC0": "dc0", "--": "", "": "", "Žižkov": "i-kov", strings.Repeat("a-", 30): strings.Repeat("a-", 19) + "a"} {
		require.Equal(t, want, labimport.LabName(in), in)
	}
}

func flat(text string) string {
	return strings.Join(strings.Fields(strings.NewReplacer("\n# ", " ", "# ", " ").Replace(text)), " ")
}

// A datastore that hosts share, and of which no server shows, is somebody's to explain; that of one host, and vSAN, are not.
func TestWhoServesADatastoreThatHostsShareIsAsked(t *testing.T) {
	in := fullLab()
	in.Live.Datastores = append(in.Live.Datastores, live.Datastore{Ref: "ds-7", Name: "fc01", Type: "VMFS", Hosts: []string{"host-1", "host-2"}},
		live.Datastore{Ref: "ds-8", Name: "own21", Type: "VMFS", Hosts: []string{"host-1"}}, live.Datastore{Ref: "ds-9", Name: "vsan01", Type: "vsan", Hosts: []string{"host-1", "host-2"}})
	in.Setup.Datastores = append(in.Setup.Datastores, live.DatastoreSetup{Ref: "ds-7"}, live.DatastoreSetup{Ref: "ds-8"}, live.DatastoreSetup{Ref: "ds-9"})
	text, _ := write(t, in)
	require.Contains(t, flat(text), "datastore fc01: shared by esx21, esx22, and vCenter shows no server of it (Fibre Channel, SAS, …). ? What serves it, and does that stay on")
	require.Contains(t, text, "datastore:fc01")
	require.NotContains(t, text, "own21")
	require.NotContains(t, text, "vsan01")
}

// Most guests have the cluster's own restart priority: few are a group, of many a person is asked.
func TestTheClustersOwnRestartPriorityHasAPlaceInTheOrder(t *testing.T) {
	few := labimport.Input{VCenter: fullLab().VCenter, Live: live.VCenter{Name: "vcsa", Clusters: []live.Cluster{{Ref: "c1", Name: "Lab", HA: true}},
		Hosts: []live.Host{{Ref: "h1", Name: "esx1", Cluster: "c1", Connection: live.Connected}, {Ref: "h2", Name: "other", Connection: live.Connected}}}}
	guest := func(in *labimport.Input, name, host string) {
		in.Live.Guests = append(in.Live.Guests, live.Guest{Ref: "vm-" + name, Name: name, UUID: fmt.Sprintf("00000000-0000-4000-8000-%012x", len(in.Live.Guests)+1), Host: host, Power: live.PoweredOn})
	}
	for _, name := range []string{"dc01", "web01", "web02", "batch"} {
		guest(&few, name, "h1")
	}
	guest(&few, "elsewhere", "h2")
	few.Setup.Clusters = []live.ClusterSetup{{Ref: "c1", DefaultPriority: "medium", RestartPriority: map[string]string{"vm-dc01": "high", "vm-batch": "low"}}}
	_, lab := write(t, few)
	medium, ok := lab.Group("Lab-ha-medium")
	require.True(t, ok)
	require.Equal(t, []string{"web01", "web02"}, medium.Guests)
	require.Equal(t, []string{"group:Lab-ha-high"}, medium.After)
	low, _ := lab.Group("Lab-ha-low")
	require.Equal(t, []string{"group:Lab-ha-medium"}, low.After)

	many := few
	many.Live.Guests = slices.Clone(few.Live.Guests)
	for i := range 20 {
		guest(&many, fmt.Sprintf("node%d", i), "h1")
	}
	text, lab := write(t, many)
	_, ok = lab.Group("Lab-ha-medium")
	require.False(t, ok, "nobody reads a list of all guests")
	low, _ = lab.Group("Lab-ha-low")
	require.Equal(t, []string{"group:Lab-ha-high"}, low.After)
	require.Contains(t, flat(text), "? vSphere HA restarts 22 guests of cluster Lab, which have its default priority, medium, after group Lab-ha-high. Which of them need that? These say under guests: after: [group:Lab-ha-high]")
	require.Contains(t, flat(text), "? vSphere HA restarts group Lab-ha-low (priority low) after 22 guests of cluster Lab")

	many.Live.Clusters = []live.Cluster{{Ref: "c1", Name: "Lab"}}
	text, _ = write(t, many)
	require.NotContains(t, text, "22 guests", "HA restarts nobody there")
	few.Setup.Clusters[0].RestartPriority = nil
	text, _ = write(t, few)
	require.NotContains(t, text, "Lab-ha", "all have one priority, which is no order")
}
