package plan

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzDecode: the text of a plan is read or refused; what is valid is written and read as it was, by text and packed, and
// is ordered without a panic.
func FuzzDecode(f *testing.F) {
	for _, n := range []int{0, 2} {
		b, err := json.Marshal(packable(n))
		require.NoError(f, err)
		f.Add(b)
	}
	for _, s := range []string{`{}`, `null`, `{"schema":1,"steps":[{"id":"a","needs":["a"]}]}`, `{"schema":1,"steps":[{"id":"a","action":"RunChecks","timeout":"1s","needs":["b"]},{"id":"b","needs":["a"]}]}`,
		`{"steps":[{"params":null}],"limits":{"a":-1}}`, `{"steps":{}}`, `[]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Decode(b)
		if err != nil || p.Validate() != nil {
			return
		}
		text, err := json.Marshal(p)
		require.NoError(t, err)
		q, err := Decode(text)
		require.NoError(t, err)
		require.Equal(t, p.Hash(), q.Hash())
		require.NoError(t, q.Validate())
		packed, err := p.Pack()
		require.NoError(t, err)
		q, err = Unpack(packed)
		require.NoError(t, err)
		require.Equal(t, p.Hash(), q.Hash())
		require.Empty(t, Beyond(p, q))
		p.Mermaid()
	})
}

// FuzzAmend: parameters that fit an action are the same after they were written, and an amendment is what is read then.
func FuzzAmend(f *testing.F) {
	actions := Actions()
	at := func(a Action) uint8 { return uint8(slices.Index(actions, a)) } // few
	f.Add(at(ShutdownGuest), []byte(`{"timeout":"5m","onTimeout":"powerOff"}`), "timeout", []byte(`"10m"`))
	f.Add(at(ShutdownGuest), []byte(`{"timeout":"5m","ontimeout":"powerOff"}`), "onTimeout", []byte(`"leave"`))
	f.Add(at(ShutdownHost), []byte(`{"via":"bmc","timeout":"15m"}`), "via", []byte(`"vcenter"`))
	f.Add(at(AwaitDatastores), []byte(`{"names":["a"],"timeout":"1s"}`), "rescan", []byte(`true`))
	f.Add(at(EnterMaintenance), []byte(`{"timeout":"9223372036s"}`), "timeout", []byte(`-1`))
	f.Add(at(RememberRunning), []byte(`{"guests":[{"uuid":"a","since":"2026-01-01T00:00:00Z"}]}`), "guests", []byte(`null`))
	f.Fuzz(func(t *testing.T, n uint8, raw []byte, key string, value []byte) {
		a := actions[int(n)%len(actions)]
		var to any
		if CheckParams(a, raw) != nil || json.Unmarshal(value, &to) != nil {
			return
		}
		out, err := Amend(a, raw, map[string]any{key: to})
		if err != nil {
			return
		}
		// Read with the amendment alone, the field is what it is in the whole.
		alone, err := json.Marshal(map[string]any{key: to})
		require.NoError(t, err)
		whole, part := newParams(a), newParams(a)
		require.NoError(t, json.Unmarshal(out, whole))
		require.NoError(t, json.Unmarshal(alone, part))
		require.Equal(t, fieldOf(t, part, key), fieldOf(t, whole, key))
		again, err := Amend(a, out, map[string]any{key: to})
		require.NoError(t, err)
		require.JSONEq(t, string(out), string(again))
	})
}

func fieldOf(t *testing.T, v any, key string) any {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(b, &fields))
	return fields[key]
}

// FuzzDuration: durations are read as they are written.
func FuzzDuration(f *testing.F) {
	for _, s := range []string{"", "5m", "1h30m", "-1ns", "2562047h47m16.854775807s", "9223372036854775808ns", "1e3s", "0.5", "1.5µs"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var d, again Duration
		if d.UnmarshalText([]byte(s)) != nil {
			return
		}
		text, err := d.MarshalText()
		require.NoError(t, err)
		require.NoError(t, again.UnmarshalText(text))
		require.Equal(t, d, again)
	})
}

// FuzzMemo: what an attempt left for the next is read as it was written.
func FuzzMemo(f *testing.F) {
	for _, s := range []string{`{}`, `{"intent":"power off vm-1","phase":"sent","at":"2026-01-01T00:00:00Z","earlier":["a"],"guestsOff":["b"]}`, `{"at":"9999-12-31T23:59:59-23:59"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m, again Memo
		if json.Unmarshal(b, &m) != nil {
			return
		}
		text, err := json.Marshal(m)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &again))
		require.True(t, m.At.Equal(again.At))
		again.At = m.At
		other, err := json.Marshal(again)
		require.NoError(t, err)
		require.JSONEq(t, string(text), string(other))
	})
}
