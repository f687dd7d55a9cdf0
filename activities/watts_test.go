package activities

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
	"nightshift/internal/simlab"
)

// The makes of controllers that there are, and machines without one.
func metersSpec() simlab.Spec {
	return simlab.Spec{Name: "meters", Hosts: []simlab.HostSpec{{Name: "idrac7"}, {Name: "newer", Quirks: simlab.Quirks{Newer: true}},
		{Name: "ipmi", IPMI: true}, {Name: "off", Off: true}, {Name: "nuc", NoBMC: true}}}
}

func TestMeasurePower(t *testing.T) {
	b := newBench(t, metersSpec())
	b.a.lab.Energy = &inventory.Energy{Price: 0.32, Currency: "EUR"}
	got, err := b.a.MeasurePower(t.Context(), "meters")
	require.NoError(t, err)
	sum := 0.0
	for _, host := range []string{"idrac7", "newer", "ipmi", "off"} {
		require.Equal(t, float64(b.lab.Watts(host)), got.Hosts[host], host)
		sum += got.Hosts[host]
	}
	require.Equal(t, sum, got.Watts)
	require.Greater(t, got.Hosts["idrac7"], 100.0)
	require.Less(t, got.Hosts["off"], 20.0)
	require.Equal(t, 1, got.Unmetered)
	require.Equal(t, []any{0.32, "EUR"}, []any{got.Price, got.Currency})
	for _, host := range []string{"idrac7", "newer"} {
		require.Zero(t, b.lab.BMCSessions(host), "logged out")
	}
}

// One that refuses, one that is not there: the others are metered, and nothing fails.
func TestMeasurePowerWithoutAll(t *testing.T) {
	b := newBench(t, metersSpec())
	b.lab.Inject(simlab.Fault{System: "bmc:newer", Verb: "Login", Kind: simlab.Error, Status: http.StatusUnauthorized})
	b.lab.Inject(simlab.Fault{System: "bmc:idrac7", Verb: "GET /redfish/v1/Chassis/System.Embedded.1/Power", Kind: simlab.Error, Status: http.StatusNotFound})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	got, err := b.a.MeasurePower(ctx, "meters")
	require.NoError(t, err)
	require.Contains(t, got.Hosts, "ipmi")
	require.NotContains(t, got.Hosts, "newer")
	require.Equal(t, 5-len(got.Hosts), got.Unmetered)
}
