package inventory_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/inventory"
)

// Lab files say ask, as plans and the policies of runbooks do; leave, which they said once, is the same, so that plans keep
// their hashes.
func TestAskIsWhatLeaveWas(t *testing.T) {
	const file = `lab: home
self: {outside: true}
vcenters:
  - {name: vc1, url: "https://vc.example.com", user: u, password: env:P}
hosts:
  - {name: esx1, bmc: {url: "https://bmc.example.com", user: u, password: env:P}, shutdown: {noRights: WORD, onTimeout: WORD}}
guests:
  - {name: web01, shutdown: {noTools: WORD, onTimeout: WORD}}
ups:
  - {name: rack, server: nut.example.com, feeds: [esx1], policy: {guests: {onTimeout: WORD, noTools: WORD}, hosts: {onTimeout: WORD}}}
policies:
  guest: {onTimeout: WORD, noTools: WORD}
  host: {noRights: WORD, onTimeout: WORD}
`
	read := func(word string) *inventory.Lab {
		l, err := inventory.Parse("lab.yaml", []byte(strings.ReplaceAll(file, "WORD", word)))
		require.NoError(t, err)
		return l
	}
	was, is := read("leave"), read("ask")
	require.Equal(t, was.File, is.File)
	require.Equal(t, "ask", inventory.InFile(is.Policies.Guest.OnTimeout))
	require.Equal(t, "powerOff", inventory.InFile("powerOff"))
}
