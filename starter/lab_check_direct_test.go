package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/simlab"
)

// A host that carries what the lab stands on is asked through its own API before the night in which nothing else answers.
func TestLabCheckAsksHostsThemselves(t *testing.T) {
	sim, lab := simLab(t, simlab.InsideSpec())

	of := func(rows []checkRow, subject, check string) (found []checkRow) {
		for _, r := range rows {
			if r.Subject == subject && r.Check == check {
				found = append(found, r)
			}
		}
		return found
	}
	rows := checkEverything(t.Context(), lab)
	for _, check := range []string{"login", "version", "clock"} {
		got := of(rows, "API of host esx21", check)
		require.Len(t, got, 1, check)
		require.Equal(t, checkOK, got[0].State, got)
	}
	require.Empty(t, of(rows, "host esx21", "own API"), "it is the one that the vCenter knows")
	require.Empty(t, of(rows, "API of host esx22", "login"), "the lab file gives it none")
	require.Equal(t, simlab.Logins{OK: 1}, sim.Logins()["esxi:esx21"])
	require.Empty(t, sim.Calls())

	entry, ok := lab.Host("esx21")
	require.True(t, ok)
	right := *entry.ESXi
	wrong := right
	wrong.URL, wrong.TLS = lab.VCenters[0].URL, lab.VCenters[0].TLS
	wrong.User, wrong.Password = lab.VCenters[0].User, lab.VCenters[0].Password
	entry.ESXi = &wrong
	rows, seen := checkDirect(t.Context(), lab, *entry)
	require.Nil(t, seen)
	require.Contains(t, of(rows, "API of host esx21", "version")[0].Text, "a vCenter, not the host itself")
	wrong = right
	wrong.Password = lab.VCenters[0].Password
	rows, seen = checkDirect(t.Context(), lab, *entry)
	require.Nil(t, seen)
	require.Equal(t, checkFail, of(rows, "API of host esx21", "login")[0].State)
	require.Equal(t, simlab.Logins{OK: 1, Failed: 1}, sim.Logins()["esxi:esx21"], "a refused password is tried once")
	require.Empty(t, sim.Calls())
}

func TestLabCheckNoticesAnotherHostsAPI(t *testing.T) {
	one, other := "4c4c4544-0051-3510-8052-b4c04f4a4d32", "4c4c4544-0051-3510-8052-b4c04f4a4d33"
	for direct, rows := range map[string]int{one: 0, other: 1, "": 0} {
		c := &checks{subject: "host esx21"}
		c.itself(live.Host{UUID: direct}, live.Host{UUID: one})
		require.Len(t, c.rows, rows, direct)
	}
}

func TestLabTrustShowsTheCertificatesOfHosts(t *testing.T) {
	sim, lab := simLab(t, simlab.InsideSpec())
	entry, ok := lab.Host("esx21")
	require.True(t, ok)
	entry.ESXi.TLS = inventory.TLS{}
	var got []trustFact
	for _, f := range fetchKeys(t.Context(), lab) {
		if f.Machine == "API of host esx21" {
			got = append(got, f)
		}
	}
	require.Len(t, got, 1)
	require.Equal(t, "certificate", got[0].What)
	require.Equal(t, trustNew, got[0].State)
	require.Equal(t, "hosts[0].esxi.tls.fingerprint", got[0].field)
	require.NotEmpty(t, got[0].Shows)
	require.Empty(t, sim.Logins()["esxi:esx21"], "nobody logs in")
}
