package ledger_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"strings"
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

// Whatever Temporal gives as a ledger is refused, or read and written as the same.
func FuzzWire(f *testing.F) {
	f.Add([]byte(`{"lab":"home","locks":[{"scope":"lab","holder":{"workflow":"down","firstRun":"1"}}],"debts":[],"memory":[{"endpoint":"vc1","uuid":"5012"}],"acts":[]}`))
	f.Add([]byte(`{"hold":{"until":"2026-11-22T06:00:00Z","reason":"guests","by":"ann"},"records":[{"vcenter":"vc1","packed":"H4sI"}]}`))
	f.Add([]byte(`"bm90IGd6aXA="`))
	f.Add([]byte(`" "`))
	f.Add([]byte(`null`))
	for _, text := range []string{`{"lab":"home"}`, `"H4sIAAAAAAAA"`, "", `{"lab":`, `{"lab":"` + strings.Repeat("x", 200<<10) + `"}`} {
		f.Add(folded(f, text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var w, again ledger.Wire
		if len(b) > 1<<20 || json.Unmarshal(b, &w) != nil {
			return
		}
		text, err := json.Marshal(w)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &again))
		second, err := json.Marshal(again)
		require.NoError(t, err)
		require.Equal(t, text, second)
	})
}

// folded is a text as a packed ledger would be.
func folded(t testing.TB, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	b, err := json.Marshal(out.Bytes())
	require.NoError(t, err)
	return b
}

// A packed ledger that unfolds to more than any lab has is refused, and not read to its end.
func TestALedgerThatUnfoldsWithoutEnd(t *testing.T) {
	var w ledger.Wire
	require.ErrorContains(t, json.Unmarshal(folded(t, strings.Repeat(" ", 33<<20)), &w), "more than 32 MiB")
}
