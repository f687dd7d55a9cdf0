package live_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/live"
)

func TestIdentify(t *testing.T) {
	const one, other = "11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555"
	for name, c := range map[string]struct {
		bmc  live.BMC
		pin  live.Pin
		host string
		want live.Identity
	}{
		"same UUID":                                {live.BMC{UUID: one}, live.Pin{}, one, live.Proven},
		"same UUID, whole in reverse":              {live.BMC{UUID: "55555555-5555-4484-3343-222211111111"}, live.Pin{}, one, live.Proven},
		"another UUID":                             {live.BMC{UUID: other, Serial: "S1"}, live.Pin{}, one, live.Contradicted},
		"no UUID told":                             {live.BMC{Serial: "S1"}, live.Pin{}, one, live.Unproven},
		"a UUID nobody set":                        {live.BMC{UUID: "00000000-0000-0000-0000-000000000000"}, live.Pin{}, one, live.Unproven},
		"a UUID that is none":                      {live.BMC{UUID: "1"}, live.Pin{}, one, live.Unproven},
		"vCenter knows none":                       {live.BMC{UUID: one}, live.Pin{}, "", live.Unproven},
		"recorded serial, another UUID":            {live.BMC{UUID: other, Serial: "s1 "}, live.Pin{Serial: "S1"}, one, live.Proven},
		"another serial than recorded, same UUID":  {live.BMC{UUID: one, Serial: "S2"}, live.Pin{Serial: "S1"}, one, live.Contradicted},
		"serial recorded, and none told":           {live.BMC{UUID: one}, live.Pin{Serial: "S1"}, one, live.Contradicted},
		"recorded UUID":                            {live.BMC{UUID: other}, live.Pin{UUID: other}, one, live.Proven},
		"another UUID than recorded":               {live.BMC{UUID: one}, live.Pin{UUID: other}, one, live.Contradicted},
		"recorded serial, another UUID than noted": {live.BMC{UUID: one, Serial: "S1"}, live.Pin{Serial: "S1", UUID: other}, one, live.Contradicted},
	} {
		t.Run(name, func(t *testing.T) {
			got, why := c.bmc.Identify(c.pin, c.host)
			require.Equal(t, c.want, got)
			require.Equal(t, got == live.Contradicted, why != "", why)
		})
	}
}
