package ledger_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"nightshift/internal/ledger"
	"nightshift/internal/plan"
)

// The memory of 10,000 guests stays below what Temporal warns of, and is the same on the other side.
func TestALargeLedgerIsPacked(t *testing.T) {
	for n, largest := range map[int]int{3: 1 << 10, 10_000: 512 << 10} {
		st := ledger.State{Lab: "home", Locks: []ledger.Lock{}, Debts: []plan.Debt{}, Acts: []ledger.Act{}}
		for i := range n {
			st.Memory = append(st.Memory, plan.RememberedGuest{Endpoint: "vcenter", UUID: uuid.NewSHA1(uuid.NameSpaceURL, fmt.Append(nil, i)).String(),
				Name: fmt.Sprintf("vm%05d", i), Host: fmt.Sprintf("esx%03d", i%64), Run: "power-down-home-20261120-220000", Tools: true})
		}
		b, err := json.Marshal(ledger.Wire(st))
		require.NoError(t, err)
		require.Less(t, len(b), largest)
		require.Equal(t, n > 10, b[0] == '"', "a small one can be read in the Temporal UI")
		var back ledger.Wire
		require.NoError(t, json.Unmarshal(b, &back))
		require.Equal(t, st, ledger.State(back))
		t.Logf("%d guests: %d bytes", n, len(b))
	}
	var w ledger.Wire
	require.Error(t, json.Unmarshal([]byte(`"bm90IGd6aXA="`), &w))
}
