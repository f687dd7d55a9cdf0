package runapi

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a run of 10,000 guests hands over, and answers, beside its plan stays far below what Temporal warns of.
func TestLongListsArePacked(t *testing.T) {
	const n = 20_000
	s := Sheet{Steps: strings.Repeat("d", n), Notes: Notes{}}
	for i := range n {
		s.Begun = append(s.Begun, int64(i/2+i*7919%300))
		s.Finished = append(s.Finished, s.Begun[i]+int64(i*104729%900))
		s.Notes[fmt.Sprintf("shutdown-guest:vm%05d", i)] = "was already powered off"
	}
	s.Finished[7] = -1
	b, err := json.Marshal(s)
	require.NoError(t, err)
	require.Less(t, len(b), 256<<10)
	var again Sheet
	require.NoError(t, json.Unmarshal(b, &again))
	require.Equal(t, s, again)
}

func TestShortListsAreReadable(t *testing.T) {
	s := Sheet{Begun: Tenths{1, -1}, Notes: Notes{"a": "b"}}
	b, err := json.Marshal(s)
	require.NoError(t, err)
	require.Contains(t, string(b), `"begun":[1,-1],"notes":{"a":"b"}`)
	var again Sheet
	require.NoError(t, json.Unmarshal(b, &again))
	require.Equal(t, s.Begun, again.Begun)
	require.Equal(t, s.Notes, again.Notes)
}

func TestABrokenListIsAnError(t *testing.T) {
	for _, text := range []string{`{"begun":"?"}`, `{"begun":"AAAA"}`, `{"notes":"AAAA"}`, `{"begun":{}}`, `{"notes":[]}`} {
		require.Error(t, json.Unmarshal([]byte(text), &Sheet{}), text)
	}
	cut, err := packed([]byte{0x80})
	require.NoError(t, err)
	require.ErrorContains(t, new(Tenths).UnmarshalJSON(cut), "cut off")
}
