package live_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/live"
)

func TestAddresses(t *testing.T) {
	for ip, urls := range map[string]map[string]bool{
		"192.168.4.5": {"https://192.168.4.5": true, "https://192.168.4.5:443/sdk": true, "https://[::ffff:192.168.4.5]": true, "https://192.168.4.6": false, "https://vc.lab": false, ":": false},
		"fd00::5":     {"https://[fd00::5]:443": true, "https://[fd00::6]": false},
		"127.0.0.1":   {"https://127.0.0.1": false},
		"":            {"https://192.168.4.5": false, "https://": false},
	} {
		for url, same := range urls {
			require.Equal(t, same, live.Guest{IP: ip}.AnswersAt(url), "%s at %s", ip, url)
		}
	}
}
