package main

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
)

// lab check says what controls each machine's power, and what it can do.
func TestLabCheckTellsThePowerControl(t *testing.T) {
	s := live.BMC{ResetTypes: []string{"On", "ForceOff", "GracefulShutdown"}}
	for name, x := range map[string]struct {
		bmc    live.BMC
		policy inventory.HostPolicy
		state  string
		text   string
	}{
		"what is needed":   {s, inventory.HostPolicy{OnTimeout: "forceOff"}, checkOK, "by Redfish: can On, ForceOff, GracefulShutdown; needed: On, ForceOff"},
		"it cannot":        {live.BMC{ResetTypes: []string{"On"}}, inventory.HostPolicy{Via: "graceful"}, checkFail, "by Redfish: it does not know GracefulShutdown, only On"},
		"it does not tell": {live.BMC{}, inventory.HostPolicy{}, checkWarn, "by Redfish: it does not say which resets it knows; needed: On"},
	} {
		t.Run(name, func(t *testing.T) {
			c := &checks{}
			c.powerControl(byRedfish, x.bmc, x.policy)
			require.Len(t, c.rows, 1)
			require.Equal(t, "power control", c.rows[0].Check)
			require.Equal(t, x.state, c.rows[0].State)
			require.Equal(t, x.text, c.rows[0].Text)
		})
	}
}

func TestLabCheckOfAHostWithoutABMC(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	h := inventory.Host{Name: "nuc1", WakeOnLAN: &inventory.WakeOnLAN{MAC: "00-11-22-AA-BB-CC", Witness: []string{l.Addr().String()}}}
	rows, seen := checkPower(t.Context(), &inventory.Lab{}, h)
	require.Len(t, rows, 2)
	require.Contains(t, rows[0].Text, "it is on")
	require.Contains(t, rows[1].Text, "by Wake-on-LAN")
	require.Equal(t, live.On, seen.Power)

	for mac, want := range map[string]string{"00:11:22:aa:bb:cc": checkOK, "00:11:22:aa:bb:cd": checkFail, "": checkWarn} {
		c := &checks{}
		x := live.Host{}
		if mac != "" {
			x.MACs = []string{mac}
		}
		c.macBelongs(&h, x)
		require.Equal(t, want, c.rows[0].State, mac)
	}
}

func TestIPMIHasNoCertificate(t *testing.T) {
	e := inventory.Endpoint{URL: "ipmi://127.0.0.1:1", User: "u", Password: "env:NIGHTSHIFT_TEST_IPMI"}
	require.Equal(t, trustNone, certificateFact(t.Context(), "BMC of esx21", e, "f").State)
	t.Setenv("NIGHTSHIFT_TEST_IPMI", "calvin-says-no")
	rows, _ := checkPower(t.Context(), &inventory.Lab{}, inventory.Host{Name: "esx21", BMC: &inventory.BMC{Endpoint: e}})
	require.Equal(t, checkWarn, rows[0].State)
	require.Contains(t, rows[0].Text, "reached by IPMI")
	require.Equal(t, "login", rows[1].Check)
	require.Equal(t, checkFail, rows[1].State)
}
