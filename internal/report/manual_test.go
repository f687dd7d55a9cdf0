package report_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/report"
)

func manual() report.Manual {
	return report.Manual{
		Lab: "home", Run: "run-7", At: time.Date(2026, 11, 20, 23, 1, 0, 0, time.UTC),
		VCenters: []report.ManualVCenter{{Name: "vc1", URL: "https://vc1.lab", Guest: "vcsa"}},
		Hosts: []report.ManualHost{
			{Name: "esx21", VCenter: "vc1", Switch: "BMC https://10.0.0.121", ESXi: "https://10.0.0.21", First: true},
			{Name: "esx22", VCenter: "vc1", Maintenance: true},
			{Name: "nuc", VCenter: "vc1", Switch: "Wake-on-LAN 00:11:22:33:44:55", Kept: true},
		},
		Guests: []report.ManualGuest{
			{Name: "nas01", Host: "esx21", Path: "[local] nas01/nas01.vmx", Datastores: []string{"local"}, Provides: []string{"datastore:shared01"}},
			{Name: "vcsa", Host: "esx21", Path: "[shared01] vcsa/vcsa.vmx", Datastores: []string{"shared01"}, Provides: []string{"vcenter:vc1"}},
			{Name: "web01", Host: "esx22", Path: "[shared01] web01/web01.vmx", Datastores: []string{"shared01"}, After: []string{"db01"}},
		},
		Clusters: []report.ManualCluster{{Name: "Lab", VCenter: "vc1", Settings: []report.ManualSetting{{Name: "vSphere HA", Value: "true"}}}},
	}
}

// The page is part of the report on paper, and nothing that a guest is called turns it into something else.
func TestTheManualIsInTheReport(t *testing.T) {
	m := manual()
	m.Guests[2].Name = "# web\n```\n<b>01"
	r := report.Report{Run: "run-7", Title: "Power down", Manual: &m}
	var page, text bytes.Buffer
	require.NoError(t, r.HTML(&page))
	require.Contains(t, page.String(), "<details open><summary>What a person would do")
	require.Contains(t, page.String(), "nas01 on host esx21: [local] nas01/nas01.vmx")
	require.NotContains(t, page.String(), "<b>01")
	r.Markdown(&text, false)
	require.Contains(t, text.String(), "\n## By hand\n\n    How to bring lab home up by hand\n")
	require.NotContains(t, text.String(), "\n```")

	m.Guests = append(m.Guests, make([]report.ManualGuest, 100)...)
	m.Guests[50].Name = "the one in the fold"
	page.Reset()
	require.NoError(t, r.HTML(&page))
	require.Contains(t, page.String(), "<details><summary>What a person would do")
	for all, want := range map[bool]string{false: "with 103 guests: `nightshift report --manual run-7`", true: "the one in the fold"} {
		text.Reset()
		r.Markdown(&text, all)
		require.Contains(t, text.String(), want)
		require.Equal(t, all, strings.Contains(text.String(), "the one in the fold"))
	}
}

// Each fact of the page is there, and in the order in which it is needed.
func TestTheManualSaysWhatToDoInOrder(t *testing.T) {
	text := manual().Text()
	last := -1
	for _, s := range []string{"lab home", "2026-11-20 23:01 UTC", "run-7",
		"1. Switch on", "esx21: BMC https://10.0.0.121; its own address: https://10.0.0.21", "2. Take these hosts out of maintenance", "[ ] esx21",
		"3. Start what the lab stands on", "nas01 on host esx21: [local] nas01/nas01.vmx", "rescan the storage of the hosts until datastore shared01",
		"vcsa on host esx21: [shared01] vcsa/vcsa.vmx", "4. Wait for the vCenters", "vc1, in guest vcsa: https://vc1.lab",
		"5. Switch on the other hosts", "esx22: its power button", "nuc (kept): Wake-on-LAN 00:11:22:33:44:55",
		"6. Take these hosts", "esx22 was in maintenance mode before: leave it in it", "7. Give the clusters", "cluster Lab (vCenter vc1): vSphere HA = true",
		"8. Start the other guests", "web01 on host esx22: [shared01] web01/web01.vmx", "needs datastores shared01", "after db01", "9. Tell nightshift",
	} {
		i := strings.Index(text[last+1:], s)
		require.GreaterOrEqual(t, i, 0, "%q is missing, or too early, in\n%s", s, text)
		last += 1 + i
	}
}

func TestAManualOfALabThatStandsOnNothing(t *testing.T) {
	m := manual()
	m.Hosts, m.Guests, m.Clusters = m.Hosts[1:], m.Guests[2:], nil
	text := m.Text()
	require.NotContains(t, text, "stands on")
	require.NotContains(t, text, "settings back")
	require.Contains(t, text, "1. Wait for the vCenters")
}
