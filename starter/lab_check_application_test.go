package main

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/simlab"
)

// The check logs in at each machine of an application cluster once, and changes nothing.
func TestLabCheckAsksApplicationClusters(t *testing.T) {
	sim, lab := simLab(t, simlab.ClusterAppSpec())
	app := lab.ApplicationClusters[0]
	for _, s := range app.At {
		rows := checkApplication(t.Context(), app, s, lab.Dir)
		require.Len(t, rows, 2)
		require.Equal(t, checkOK, rows[0].State, rows)
		require.Equal(t, checkRow{"application cluster pg at " + s.Address, "status", checkOK, "up (exit status 0: cluster pg is running, 2 of 2 members are up)", ""}, rows[1])
	}
	sim.Inject(simlab.Fault{Verb: "cluster status", Kind: simlab.Error, Status: 1, Times: 1})
	rows := checkApplication(t.Context(), app, app.At[0], lab.Dir)
	require.Equal(t, checkFail, rows[1].State)
	require.Contains(t, rows[1].Text, "says neither up nor stopped: exit status 1")
	require.Equal(t, simlab.Logins{OK: 2}, sim.Logins()["ssh:pg01"])

	wrong := app.At[0]
	wrong.HostKey = app.At[1].HostKey
	rows = checkApplication(t.Context(), app, wrong, lab.Dir)
	require.Len(t, rows, 1)
	require.Equal(t, checkFail, rows[0].State)
	require.Contains(t, rows[0].Text, "it shows host key SHA256:")
	require.Equal(t, "nightshift lab trust", rows[0].Remedy)
	wrong = app.At[1]
	wrong.Key = "none"
	require.Equal(t, "lab file", checkApplication(t.Context(), app, wrong, lab.Dir)[0].Check)
	require.Equal(t, simlab.Logins{OK: 2}, sim.Logins()["ssh:pg01"], "no password for another machine")
	require.Empty(t, sim.Calls())
}

func TestLabTrustShowsTheHostKeysOfApplicationClusters(t *testing.T) {
	sim, lab := simLab(t, simlab.ClusterAppSpec())
	lab.ApplicationClusters[0].At[1].HostKey = ""
	var got []string
	for _, f := range fetchKeys(t.Context(), lab) {
		if f.What == "host key" {
			got = append(got, fmt.Sprint(f.Machine, " ", f.Address, " ", f.State, " ", f.field))
		}
	}
	at := lab.ApplicationClusters[0].At
	require.Equal(t, []string{
		"application cluster pg " + at[0].Address + " same applicationClusters[0].at[0].hostKey",
		"application cluster pg " + at[1].Address + " new applicationClusters[0].at[1].hostKey",
	}, got)
	require.Empty(t, sim.Logins()["ssh:pg01"], "nobody logs in")
}
