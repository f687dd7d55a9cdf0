package activities

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
)

func TestNeeds(t *testing.T) {
	stub, upstream := filepath.Join(t.TempDir(), "stub"), filepath.Join(t.TempDir(), "upstream")
	require.NoError(t, os.WriteFile(stub, []byte("# local\nnameserver 127.0.0.53\noptions edns0\n"), 0o600))
	require.NoError(t, os.WriteFile(upstream, []byte("nameserver 10.0.0.2\nnameserver fe80::1%eth0\nnameserver\nnameserver none\n"), 0o600))
	before := resolverFiles
	t.Cleanup(func() { resolverFiles = before })
	resolverFiles = []string{filepath.Join(t.TempDir(), "none"), stub, upstream}
	dns := []live.Need{{What: "its name server", Address: "10.0.0.2"}, {What: "its name server", Address: "fe80::1"}}

	a := newActivities(newWorld())
	require.Equal(t, dns, a.needs(t.Context()), "an endpoint is given by its name")
	a.address = "127.0.0.1:7233"
	require.Equal(t, dns, a.needs(t.Context()), "what is on this machine is not listed")
	a.lab.VCenters[0].URL = "https://10.0.0.1"
	a.lab.Hosts = nil
	require.Empty(t, a.needs(t.Context()), "nothing is asked by name")
	a.address = "10.0.0.9:7233"
	require.Equal(t, []live.Need{{What: "its Temporal server", Address: "10.0.0.9"}}, a.needs(t.Context()))
	a.lab.Self.Needs = []string{"pg01", "10.0.0.8"}
	require.Equal(t, []live.Need{{What: "its Temporal server", Address: "10.0.0.9"}, {What: "an address of self.needs", Address: "10.0.0.8"}}, a.needs(t.Context()))
	a.lab.Self.Needs = nil
	a.address = "temporal.invalid:7233"
	require.Equal(t, dns, a.needs(t.Context()), "a name that is not known just now still needs the server")
}

// A guest that has become one that nightshift itself cannot do without since the plan was made is left alone.
func TestWhatNightshiftNeedsIsLookedForBeforeTheAct(t *testing.T) {
	files := func(t *testing.T, text string) {
		file := filepath.Join(t.TempDir(), "resolv.conf")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		before := resolverFiles
		t.Cleanup(func() { resolverFiles = before })
		resolverFiles = []string{file}
	}
	for name, c := range map[string]struct {
		change func(*Activities)
		says   string // empty: it may go down
	}{
		"a vCenter": {func(a *Activities) { a.lab.VCenters[0].URL = "https://10.0.0.5/sdk" }, "is where vCenter vc1 runs, by its address"},
		"another vCenter": {func(a *Activities) {
			a.lab.VCenters = append(a.lab.VCenters, inventory.VCenter{Name: "vc2", Endpoint: inventory.Endpoint{URL: "https://10.0.0.5"}})
		}, "is where vCenter vc2 runs"},
		"the Temporal server": {func(a *Activities) { a.address = "10.0.0.5:7233" }, "is what nightshift itself needs ("},
		"its database": {func(a *Activities) {
			a.lab.VCenters[0].URL, a.lab.Hosts, a.address = "https://10.0.0.1", []inventory.Host{{Name: "esx21", VCenter: "vc1", ESXi: &inventory.Endpoint{URL: "https://10.0.0.2"}}}, "10.0.0.3:7233"
			a.lab.Self.Needs = []string{"10.0.0.5"}
		}, "is what nightshift itself needs (an address of self.needs is 10.0.0.5)"},
		"its database's guest": {func(a *Activities) { a.lab.Self.Needs = []string{"web01"} }, "is what nightshift itself needs (self.needs)"},
		"nightshift itself":    {func(a *Activities) { a.machine = "4c4c4544-0042-3510-8051-b4c04f565231" }, "is the one that nightshift runs in"},
		"the name server":      {func(*Activities) {}, "its name server is 10.0.0.5"},
		"a name server that is not asked": {func(a *Activities) {
			a.lab.VCenters[0].URL, a.lab.Hosts, a.address = "https://10.0.0.1", []inventory.Host{{Name: "esx21", VCenter: "vc1", ESXi: &inventory.Endpoint{URL: "https://10.0.0.2"}}}, "10.0.0.3:7233"
		}, ""},
		"a vCenter that the lab file knows of": {func(a *Activities) {
			a.lab.VCenters[0].URL, a.lab.Hosts[0].ESXi.URL, a.lab.Hosts = "https://10.0.0.5", "https://10.0.0.2", a.lab.Hosts[:1]
			a.lab.Hosts[0].BMC = nil
			a.lab.Guests = []inventory.Guest{{Name: "web01", VCenter: "vc1", Provides: []inventory.Provision{"vcenter:vc1"}}}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			files(t, "nameserver 10.0.0.5\n")
			w := newWorld()
			w.guest.IP, w.guest.BIOSUUID = "10.0.0.5", "4c4c4544-0042-3510-8051-b4c04f565231"
			a := directActivities(w)
			c.change(a)
			_, err := attemptOf(t, a, plan.ShutdownGuest, direct(guestCall(patient)), nil)
			if c.says == "" {
				require.NoError(t, err)
				require.Equal(t, 1, w.count("ShutdownGuest"))
				return
			}
			requireType(t, err, Unsafe)
			require.ErrorContains(t, err, c.says)
			require.Empty(t, w.events)
		})
	}
}
