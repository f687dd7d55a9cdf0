//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"testing"

	"nightshift/internal/simlab"
)

// TestKilledWhereTheLabStandsOnItself is TestKilledAtAnyMoment on labs that carry their own vCenter, storage and name
// servers, and on one with clusters inside guests: on each without and with systems cut off besides, the hosts' own APIs
// among them.
func TestKilledWhereTheLabStandsOnItself(t *testing.T) {
	t.Parallel()
	labs := []func() simlab.Spec{simlab.InsideSpec, simlab.DRBoxSpec, simlab.ClusterAppSpec}
	n := int64(2 * len(labs))
	if os.Getenv("NIGHTSHIFT_SEEDS") != "" {
		n = seeds(t)
	}
	for seed := range n {
		spec := labs[seed%int64(len(labs))]()
		t.Run(fmt.Sprintf("%s seed %d", spec.Name, seed), func(t *testing.T) {
			t.Parallel() // most of it is waiting
			killedDownAndUp(t, spec, seed, seed/int64(len(labs))%2 == 1)
		})
	}
}
