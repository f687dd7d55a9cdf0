package ipmi

import (
	"testing"

	"github.com/bougou/go-ipmi/pkg/types"
	"github.com/stretchr/testify/require"

	"nightshift/internal/fault"
)

func TestWatts(t *testing.T) {
	c := open(t, goServer(t, types.CipherSuiteID17).address, quick())
	watts, err := c.Watts(t.Context())
	require.NoError(t, err)
	require.Equal(t, 182.0, watts)
}

func TestWattsThatAreNone(t *testing.T) {
	active := []byte{0xDC, 0xB6, 0, 1, 0, 0xFF, 0, 0x80, 0, 1, 2, 3, 4, 0xE8, 3, 0, 0, 0x40}
	watts, ok := wattsIn(active)
	require.True(t, ok)
	require.Equal(t, 182.0, watts)
	for name, change := range map[string]func([]byte) []byte{
		"not active":    func(b []byte) []byte { b[17] = 0; return b },
		"another group": func(b []byte) []byte { b[0] = 0xDD; return b },
		"too short":     func(b []byte) []byte { return b[:17] },
		"nothing":       func([]byte) []byte { return nil },
	} {
		_, ok := wattsIn(change(append([]byte(nil), active...)))
		require.False(t, ok, name)
	}
}

func TestAControllerWithoutDCMI(t *testing.T) {
	c := &Client{where: "BMC"}
	require.ErrorIs(t, c.judge("reading "+getPowerReading.name, 0xC1), fault.Unsupported)
}

func FuzzWatts(f *testing.F) {
	f.Add([]byte{0xDC, 0xB6, 0, 1, 0, 0xFF, 0, 0x80, 0, 1, 2, 3, 4, 0xE8, 3, 0, 0, 0x40})
	f.Fuzz(func(t *testing.T, b []byte) {
		if watts, ok := wattsIn(b); ok && (watts < 0 || watts > 0xFFFF) {
			t.Fatal(watts)
		}
	})
}
