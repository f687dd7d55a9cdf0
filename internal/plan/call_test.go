package plan

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Temporal's UI shows a heartbeat as the JSON that it is: how far a stream is has to be there in words, and comes back as numbers.
func TestAHeartbeatCanBeRead(t *testing.T) {
	m := Memo{Intent: "the stream of tank/mail to backup/ss1/mail on ss2", Phase: "send", At: time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC), Answered: true,
		Progress: &Progress{Bytes: 11<<30 + 205<<20, Total: 23<<30 + 922<<20, Rate: 550 << 20, Left: Duration(24 * time.Second)}}
	b, err := json.MarshalIndent(m, "", "  ")
	require.NoError(t, err)
	require.Equal(t, `{
  "intent": "the stream of tank/mail to backup/ss1/mail on ss2",
  "phase": "send",
  "at": "2026-11-21T23:00:00Z",
  "answered": true,
  "progress": {
    "text": "11.2 GiB of 23.9 GiB, 550 MiB/s, about 24 s left",
    "bytes": 12026118144,
    "total": 25662849024,
    "rate": 576716800,
    "left": "24s"
  }
}`, string(b))
	var again Memo
	require.NoError(t, json.Unmarshal(b, &again))
	require.Equal(t, m, again)
}
