package inventory_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
)

// onlyStorage is a lab without a virtual side. Tests add to it, from line 5 on.
const onlyStorage = "lab: away\nself: {outside: true}\nstorageHosts:\n  - {name: ss2, ssh: {address: 10.9.0.2, " + login + "}}\n"

// oneVCenter is what the lab may have beside.
const oneVCenter = "vcenters: [{name: vc1, url: \"https://vc1.example\", user: ns, password: \"env:VC\"}]\n"

func TestALabOfStorageHostsAlone(t *testing.T) {
	l, err := inventory.Parse("lab.yaml", []byte(onlyStorage))
	require.NoError(t, err)
	require.Empty(t, l.VCenters)
	require.Empty(t, l.Hosts)
	require.Equal(t, "away", l.StorageHosts[0].Site)
	require.False(t, l.AsksByName(), "it names all by address")
	b, err := json.Marshal(l)
	require.NoError(t, err)
	require.NotContains(t, string(b), `"hosts"`)
	l, err = inventory.Parse("lab.yaml", []byte(onlyStorage+oneVCenter+"groups: [{name: db, guests: [db01]}]\n"))
	require.NoError(t, err, "a vCenter whose hosts nightshift does not switch")
	require.Empty(t, l.Hosts)
}

func TestWhatNeedsAVirtualSide(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want []string // line, field and what it says
	}{
		"no storage hosts":           {"lab: away\nself: {outside: true}\n", []string{`1  the key "vcenters" is missing`, `1  the key "hosts" is missing`}},
		"an empty list of them":      {"lab: away\nself: {outside: true}\nstorageHosts: []\n", []string{`1  the key "vcenters" is missing`, `1  the key "hosts" is missing`}},
		"storage hosts in a muddle":  {"lab: away\nself: {outside: true}\nstorageHosts: ss1\n", []string{"3 storageHosts want a list"}},
		"an empty list of vCenters":  {onlyStorage + "vcenters: []\n", []string{"5 vcenters there is no vCenter"}},
		"an empty list of hosts":     {onlyStorage + oneVCenter + "hosts: []\n", []string{"6 hosts there is no host"}},
		"hosts":                      {onlyStorage + "hosts: [{name: esx1, keep: true}]\n", []string{"5 hosts this file has no vCenter to find them in"}},
		"clusters":                   {onlyStorage + "clusters: [{name: Lab}]\n", []string{"5 clusters this file has no vCenter"}},
		"guests":                     {onlyStorage + "guests: [{name: web01}]\n", []string{"5 guests this file has no vCenter"}},
		"groups":                     {onlyStorage + "groups: [{name: web, tag: Web}]\n", []string{"5 groups this file has no vCenter"}},
		"a guest that provides one":  {onlyStorage + "guests: [{name: vc, provides: [vcenter]}]\n", []string{"5 guests this file has no vCenter"}},
		"self in a guest":            {strings.Replace(onlyStorage, "outside: true", "guest: ns", 1), []string{"2 self.guest this file has no vCenter to find the guest in"}},
		"self on a host":             {strings.Replace(onlyStorage, "outside: true", "host: esx1", 1), []string{`2 self.host there is no host "esx1"`}},
		"a guest that self needs":    {strings.Replace(onlyStorage, "outside: true", "outside: true, needs: [10.9.0.9, dns01]", 1), []string{"2 self.needs[1] this file has no vCenter"}},
		"a UPS that feeds nothing":   {onlyStorage + "ups: [{name: rack, server: nas, feeds: [ss2]}]\n", []string{`5 ups[0].feeds[0] there is no host "ss2"`}},
		"an address that self needs": {strings.Replace(onlyStorage, "outside: true", "outside: true, needs: [10.9.0.9]", 1), nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := inventory.Parse("lab.yaml", []byte(tc.text))
			var list inventory.Errors
			if len(tc.want) == 0 {
				require.NoError(t, err)
				return
			}
			require.True(t, errors.As(err, &list), "%v", err)
			require.Len(t, list, len(tc.want), "%v", err)
			for i, e := range list {
				line, rest, _ := strings.Cut(tc.want[i], " ")
				field, says, _ := strings.Cut(rest, " ")
				require.Equal(t, field, e.Field)
				require.Contains(t, e.Problem, says)
				require.Contains(t, e.Error(), "lab.yaml:"+line+":")
				require.NotEmpty(t, e.Remedy)
			}
		})
	}
}

// Editors go by the schema: it asks for no more than the parser does.
func TestTheSchemaLetsALabBeOfStorageHostsAlone(t *testing.T) {
	b, err := inventory.Schema()
	require.NoError(t, err)
	var s struct {
		Required          []string
		AnyOf             []struct{ Required []string }
		DependentRequired map[string][]string
	}
	require.NoError(t, json.Unmarshal(b, &s))
	require.Equal(t, []string{"lab", "self"}, s.Required)
	require.Equal(t, []string{"vcenters", "hosts"}, s.AnyOf[0].Required)
	require.Equal(t, []string{"storageHosts"}, s.AnyOf[1].Required)
	require.Len(t, s.DependentRequired, len(inventory.NeedVCenters()))
	require.Equal(t, []string{"vcenters"}, s.DependentRequired["hosts"])
}
