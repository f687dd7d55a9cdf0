package plan

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestActivityIDsTellTheirStep(t *testing.T) {
	for _, step := range []string{"shutdown-guest:web01", "shutdown-guest:my db (old)", "mark-lab:vc1"} {
		seen := map[string]bool{}
		for n := range 12 {
			id := ActivityID(step, n)
			require.False(t, seen[id], id)
			seen[id] = true
			require.Equal(t, step, StepOf(id))
		}
	}
	require.Equal(t, "mark-lab:vc1", ActivityID("mark-lab:vc1", 0), "what Temporal shows is the step")
}
