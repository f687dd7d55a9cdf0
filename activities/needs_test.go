package activities

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/live"
)

func TestNeeds(t *testing.T) {
	stub, upstream := filepath.Join(t.TempDir(), "stub"), filepath.Join(t.TempDir(), "upstream")
	require.NoError(t, os.WriteFile(stub, []byte("# local\nnameserver 127.0.0.53\noptions edns0\n"), 0o600))
	require.NoError(t, os.WriteFile(upstream, []byte("nameserver 10.0.0.2\nnameserver fe80::1%eth0\nnameserver\nnameserver none\n"), 0o600))
	before := resolverFiles
	t.Cleanup(func() { resolverFiles = before })
	resolverFiles = []string{filepath.Join(t.TempDir(), "none"), stub, upstream}
	dns := []live.Need{{What: "its name server", Address: "10.0.0.2"}, {What: "its name server", Address: "fe80::1"}}

	a := newActivities(newWorld())
	require.Equal(t, dns, a.needs(t.Context()), "an endpoint is given by its name")
	a.address = "127.0.0.1:7233"
	require.Equal(t, dns, a.needs(t.Context()), "what is on this machine is not listed")
	a.lab.VCenters[0].URL = "https://10.0.0.1"
	a.lab.Hosts = nil
	require.Empty(t, a.needs(t.Context()), "nothing is asked by name")
	a.address = "10.0.0.9:7233"
	require.Equal(t, []live.Need{{What: "its Temporal server", Address: "10.0.0.9"}}, a.needs(t.Context()))
	a.address = "temporal.invalid:7233"
	require.Equal(t, dns, a.needs(t.Context()), "a name that is not known just now still needs the server")
}
