package labimport_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/labimport"
	"nightshift/internal/live"
)

// FuzzNames: whatever things are called in vCenter, the file is valid, and says of each name in it exactly that.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"web01", "no", "0x10", "1e3", "2001-01-01", "a: b", "a #b", "- a", "[a, b]", "{a: b}", "'", `"`, `\`, "*a", "&a", "!a", "%a", "@a", "`a",
		"?", "? a", ":", "|", ">", "~", "null", "true", " a", "a ", "a\nb: c", "a\rb", "a\u2028b", "\u202eabc", "\ufeffa", "a\x00b", "\xff", "äöü ß", "日本語", "group:a",
		"---", "...", "=", "<<", ",", "]", "}", "a%2fb", "𝒳", "a\tb", "'a' b", `"a" b`, "a:", "a,b", "0", "+1", ".5", "12:30:45", "yes", "ON", "-", "--", "\\u0041"} {
		f.Add(s, "other", "Lab")
		f.Add("web01", s, s)
	}
	f.Fuzz(func(t *testing.T, one, two, things string) {
		in := labimport.Input{
			VCenter: inventory.VCenter{Name: "vc", Endpoint: inventory.Endpoint{URL: "https://192.0.2.1", User: "night", Password: "env:P"}},
			Live: live.VCenter{
				Clusters: []live.Cluster{{Ref: "c", Name: things}},
				Hosts:    []live.Host{{Ref: "h", Name: "esx"}, {Ref: "i", Name: things, Cluster: "c"}},
				Guests: []live.Guest{{Ref: "a", Name: one, Host: "h", IP: "192.0.2.1", Folder: "/" + things, Tags: []string{things, one}},
					{Ref: "b", Name: two, Host: "i", Datastores: []string{"d"}, Tags: []string{things}}, {Ref: "e", Name: "san", IP: "192.0.2.5", Host: "h"}},
				Datastores: []live.Datastore{{Ref: "d", Name: things}},
				Warnings:   []string{things},
			},
			Setup: live.Setup{
				Datacenters: []string{things},
				Hosts:       []live.HostSetup{{Ref: "h", BMC: things, BMCUser: things, DNS: []string{"192.0.2.5", things}, Addresses: []string{things}}, {Ref: "i", BMC: "192.0.2.9", BMCUser: one}},
				Guests:      []live.GuestSetup{{Ref: "a", Product: things, HostName: things, Disks: []live.Disk{{Path: things}}}, {Ref: "b", Disks: []live.Disk{{Path: things}}}},
				VApps:       []live.VApp{{Ref: "v", Name: things, Order: []live.StartOrder{{Place: 1, Guests: []string{"a"}}, {Place: 2, Guests: []string{"b"}}}}},
				Datastores:  []live.DatastoreSetup{{Ref: "d", Via: "NFS", From: []string{"192.0.2.5"}, Sure: true}},
				Clusters: []live.ClusterSetup{{Ref: "c", DefaultPriority: "medium", RestartPriority: map[string]string{"a": "high", "b": "low"},
					Rules: []live.Rule{{Name: things, Kind: live.RuleApart, Guests: []string{"a", "b"}}}}},
			},
		}
		b, err := labimport.Write(in)
		require.NoError(t, err)
		lab, err := inventory.Parse("lab.yaml", b)
		require.NoError(t, err, string(b))
		known := []string{one, two, "san"}
		for _, g := range lab.Guests {
			require.Contains(t, known, g.Name)
			for _, a := range g.After {
				require.True(t, slices.Contains(known, a) || strings.HasPrefix(a, "group:"), a)
			}
			for _, p := range g.Provides {
				if kind, name := p.Split(); kind == inventory.ProvidesDatastore {
					require.Equal(t, things, name)
				}
			}
		}
		for _, h := range lab.Hosts {
			require.Contains(t, []string{"esx", things}, h.Address)
		}
		for _, c := range lab.Clusters {
			require.Equal(t, things, c.Name)
		}
	})
}
