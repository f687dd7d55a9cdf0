package redfish

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
)

// metered is an iDRAC whose chassis has these resources.
func metered(t *testing.T, resources map[string]string) *bmc {
	b := idrac7(t)
	const system, chassis = "/redfish/v1/Systems/System.Embedded.1", "/redfish/v1/Chassis/System.Embedded.1"
	b.resources[system] = strings.Replace(b.resources[system], `"Links": {`, `"Links": {"Chassis": [{"@odata.id": "`+chassis+`"}, {"@odata.id": "/redfish/v1/Chassis/Enclosure"}], `, 1)
	for path, body := range resources {
		b.resources["/redfish/v1/Chassis"+path] = body
	}
	return b
}

func TestWatts(t *testing.T) {
	const own = "/System.Embedded.1"
	environment := `{"@odata.id": "x", "EnvironmentMetrics": {"@odata.id": "/redfish/v1/Chassis/System.Embedded.1/EnvironmentMetrics"}}`
	for name, c := range map[string]struct {
		resources map[string]string
		want      float64
		says      string
	}{
		"idrac7":     {resources: map[string]string{own + "/Power": `{"PowerControl": [{"MemberId": "PowerControl", "PowerConsumedWatts": 182, "PowerCapacityWatts": 828}], "PowerSupplies": 7}`}, want: 182},
		"iLO, float": {resources: map[string]string{own + "/Power": `{"PowerControl": [{"PowerConsumedWatts": 96.5}]}`}, want: 96.5},
		"off":        {resources: map[string]string{own + "/Power": `{"PowerControl": [{"PowerConsumedWatts": 0}]}`}, want: 0},
		"newer": {resources: map[string]string{own: environment, own + "/EnvironmentMetrics": `{"PowerWatts": {"Reading": 211.25, "DataSourceUri": "y"}}`},
			want: 211.25},
		"no number there, but here": {resources: map[string]string{own + "/Power": `{"PowerControl": [{"PowerConsumedWatts": null}]}`, own: environment,
			own + "/EnvironmentMetrics": `{"PowerWatts": {"Reading": 7}}`}, want: 7},
		"the second chassis":        {resources: map[string]string{own: `{}`, "/Enclosure/Power": `{"PowerControl": [{"PowerConsumedWatts": 400}]}`}, want: 400},
		"none":                      {says: "does not meter"},
		"no power control":          {resources: map[string]string{own + "/Power": `{"PowerControl": []}`}, says: "does not meter"},
		"text where a number is":    {resources: map[string]string{own + "/Power": `{"PowerControl": [{"PowerConsumedWatts": "many"}]}`}, says: "does not meter"},
		"what no server takes":      {resources: map[string]string{own + "/Power": `{"PowerControl": [{"PowerConsumedWatts": 1e9}]}`}, says: "does not meter"},
		"less than nothing":         {resources: map[string]string{own + "/Power": `{"PowerControl": [{"PowerConsumedWatts": -1}]}`}, says: "does not meter"},
		"a link that leads nowhere": {resources: map[string]string{own: environment}, says: "does not meter"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := open(t, metered(t, c.resources).serve(), "").Watts(t.Context())
			if c.says != "" {
				require.ErrorIs(t, err, fault.Unsupported)
				require.ErrorContains(t, err, c.says)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

// A common controller is asked for no more than it takes: an old one needs half a minute for each answer.
func TestWattsTakeOneRequestBesideTheSystem(t *testing.T) {
	b := metered(t, map[string]string{"/System.Embedded.1/Power": `{"PowerControl": [{"PowerConsumedWatts": 182}]}`})
	c := open(t, b.serve(), "")
	b.mu.Lock()
	before := len(b.requests)
	b.mu.Unlock()
	_, err := c.Watts(t.Context())
	require.NoError(t, err)
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Equal(t, []string{"GET /redfish/v1/Systems", "GET /redfish/v1/Systems/System.Embedded.1", "GET /redfish/v1/Chassis/System.Embedded.1/Power"}, b.requests[before:])
}
