package simlab

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/endpoint"
	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/redfish"
)

// Each personality of a BMC, met by the client with what the lab file says: it tells who it is, switches on once, and
// no session stays behind.
func TestQuirksOfBMCs(t *testing.T) {
	for name, c := range map[string]struct {
		quirks Quirks
		knows  int
		logins int
	}{
		"an iDRAC7":                       {Quirks{}, 6, 1},
		"an iDRAC7 with old TLS":          {Quirks{LegacyTLS: true}, 6, 1},
		"one whose sessions are all held": {Quirks{Sessions: -1}, 6, 0},
		"an iDRAC9":                       {Quirks{Newer: true}, 6, 1},
		"one that tells no reset types":   {Quirks{NoResetTypes: true}, 0, 1},
		"one that has just been started":  {Quirks{NotReady: 1}, 6, 1},
	} {
		t.Run(name, func(t *testing.T) {
			spec := SmallSpec()
			spec.Hosts[0].Quirks, spec.Hosts[0].Firmware, spec.Hosts[0].SwappedUUID, spec.Hosts[0].Off = c.quirks, "2.30.30.30", true, true
			l, err := Start(t.Context(), Config{Spec: spec, Seed: 1, Speed: 100})
			require.NoError(t, err)
			defer l.Close()
			lab, r := bmcOf(t, l, "esx21")
			require.Equal(t, c.quirks.LegacyTLS, lab.Hosts[0].BMC.TLS.Legacy)
			bmc, err := redfish.Connect(t.Context(), r, "")
			require.NoError(t, err)
			require.Equal(t, c.logins, l.BMCSessions("esx21"))
			got, err := bmc.System(t.Context())
			require.NoError(t, err)
			require.Equal(t, live.Off, got.Power)
			require.Equal(t, "2.30.30.30", got.Firmware)
			require.Equal(t, l.spec.Hosts[0].Serial, got.Serial)
			require.True(t, live.SameUUID(l.spec.Hosts[0].UUID, got.UUID))
			require.Len(t, got.ResetTypes, c.knows)
			require.NoError(t, bmc.Reset(t.Context(), "On"))
			err = bmc.Reset(t.Context(), "On")
			require.ErrorIs(t, err, fault.State, "409 PSU501: it is on already")
			require.ErrorIs(t, err, fault.NotDone)
			require.Eventually(t, func() bool {
				got, err := bmc.System(t.Context())
				return err == nil && got.Power == live.On
			}, time.Minute, 10*time.Millisecond)
			require.NoError(t, bmc.Close(t.Context()))
			require.Zero(t, l.BMCSessions("esx21"))
		})
	}
}

func TestOldTLSIsRefusedWhereTheLabFileDoesNotAllowIt(t *testing.T) {
	spec := SmallSpec()
	spec.Hosts[0].Quirks.LegacyTLS = true
	l, err := Start(t.Context(), Config{Spec: spec, Seed: 1, Speed: 100})
	require.NoError(t, err)
	defer l.Close()
	lab, _ := bmcOf(t, l, "esx21")
	e := lab.Hosts[0].BMC.Endpoint
	e.TLS.Legacy = false
	r, err := endpoint.Resolve(t.Context(), "BMC of esx21", e, lab.Dir)
	require.NoError(t, err)
	_, err = redfish.Connect(t.Context(), r, "")
	require.Error(t, err)
	require.Contains(t, strings.ToLower(err.Error()), "tls")
}

// bmcOf resolves a BMC by the lab file that the lab writes.
func bmcOf(t *testing.T, l *Lab, host string) (*inventory.Lab, endpoint.Resolved) {
	t.Helper()
	path, err := l.WriteLabFile(t.TempDir())
	require.NoError(t, err)
	lab, err := inventory.Load(path)
	require.NoError(t, err)
	h, ok := lab.Host(host)
	require.True(t, ok)
	r, err := endpoint.Resolve(t.Context(), "BMC of "+host, h.BMC.Endpoint, lab.Dir)
	require.NoError(t, err)
	return lab, r
}
