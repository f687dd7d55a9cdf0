//go:build e2e

package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/test/command"
)

// The demo is what people see first. One after the other: each takes the usual ports where they are free. How many recovery
// points it keeps depends on the hour of the day: nothing here says it.
func TestDemo(t *testing.T) {
	t.Parallel()
	for line, shows := range map[string][]string{
		"demo --exit --speed 60": {"Power down lab home", "power-down  done ", "power-up    done "},
		"demo --storage --exit --speed 60": {
			"; was broken off: ", "; went on with a stream of which ", " kept, 3 protected", "cloned: tank/files-copy",
			"the identity guard refuses logical unit mail, which ESXi would take for a snapshot's: LUN number: the volume expects 1, the LUN would be 7",
			"identity guard       ESXi mounts it: the LUN is shown as the header has it",
		},
	} {
		t.Run(line, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			r := command.Run(ctx, binary, strings.Fields(line)...)
			require.NoError(t, r.Failed)
			for _, text := range append(shows, "none of them was sent twice") {
				require.Contains(t, r.Out+r.Err, text)
			}
		})
	}
}
