package redfish

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBootState(t *testing.T) {
	for text, want := range map[string]string{
		`{"PowerState": "On"}`: "",
		`{"PowerState": "On", "BootProgress": {"LastState": "MemoryInitializationStarted"}}`:                    "MemoryInitializationStarted",
		`{"PowerState": "On", "BootProgress": {"LastState": "None"}, "Oem": {"Hpe": {"PostState": "InPost"}}}`:  "InPost",
		`{"PowerState": "On", "BootProgress": {"LastState": "OEM", "OemLastState": "No memory configured"}}`:    "No memory configured",
		`{"PowerState": "On", "BootProgress": {"LastState": "SetupEntered", "OemLastState": "F1 to continue"}}`: "F1 to continue, SetupEntered",
		`{"PowerState": "On", "Oem": {"Hp": {"PostState": "InPostDiscoveryComplete"}}}`:                         "InPostDiscoveryComplete",
		`{"PowerState": "On", "BootProgress": "soon", "Oem": ["Hpe"]}`:                                          "",
		`{"PowerState": "On", "BootProgress": null, "Oem": null}`:                                               "",
		`{"PowerState": "On", "BootProgress": {"LastState": "a\u001b[2J` + strings.Repeat("x", 1000) + `"}}`:    "",
	} {
		var s computerSystem
		require.NoError(t, json.Unmarshal([]byte(text), &s))
		require.Equal(t, "On", s.PowerState, "it costs nobody the power state")
		if got := s.bootState(); want != "" || !strings.Contains(text, "u001b") {
			require.Equal(t, want, got, text)
		} else {
			require.NotContains(t, got, "\x1b")
			require.Less(t, len(got), 700)
		}
	}
}
