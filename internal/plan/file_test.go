package plan

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func aFile(tb testing.TB) []byte {
	tb.Helper()
	b, err := FileOf(Plan{Schema: SchemaVersion, Runbook: "power-down", Lab: "home", Title: "Power down",
		Created: time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC),
		Steps: []Step{{ID: "shutdown-guest:web01", Action: ShutdownGuest, Target: Target{Kind: Guest, Name: "web01"},
			Params: Encode(ShutdownGuestParams{Timeout: Duration(time.Minute)}), Timeout: Duration(time.Minute)}}}).Text()
	require.NoError(tb, err)
	return b
}

func TestWhatIsNoPlanFileSaysWhy(t *testing.T) {
	for text, want := range map[string]string{
		"{\n\"hash\": \"x\",\n\"plan\": {,}\n}": "is not a plan file: line 3: invalid character ','",
		"{}":                                    `is not a plan file: it has no "plan"`,
		`{"plan":{"steps":[` + strings.Repeat("{},", 1<<18) + `{}]}}`: "more than 262144 steps",
		`{"plan":{"schema":99}}`:                                   "was made by a newer nightshift (plan schema 99, this one knows 1)",
		`{"plan":{"schema":1,"steps":[{"id":"a","needs":["a"]}]}}`: "is not a valid plan: ",
	} {
		_, err := ParseFile([]byte(text))
		require.ErrorContains(t, err, want)
		require.NotErrorIs(t, err, ErrChanged)
	}
	p, err := ParseFile(bytes.Replace(aFile(t), []byte("web01"), []byte("web02"), 1))
	require.ErrorIs(t, err, ErrChanged)
	require.Equal(t, "power-down", p.Runbook)
}

// FuzzFile: a file is a plan as it was written, which is written as the same again, or refused.
func FuzzFile(f *testing.F) {
	b := aFile(f)
	f.Add(b)
	f.Add(bytes.Replace(b, []byte("web01"), []byte("web02"), 1))
	f.Add(bytes.Replace(b, []byte(`"schema": 1`), []byte(`"schema": 2`), 1))
	f.Add(bytes.Replace(b, []byte(`"timeout": "1m0s"`), []byte(`"timeout": "1m0s", "TimeOut": "1h"`), 1))
	for _, s := range []string{"", "{}", "null", `{"plan":null}`, `{"plan":{}}`, `{"hash":"x","plan":[]}`, "{\n\n}x", `{"plan":{"schema":1,"steps":[{"id":"a","needs":["a"]}]}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParseFile(b)
		if err != nil {
			require.True(t, errors.Is(err, ErrChanged) || p.Runbook == "")
			return
		}
		text, err := FileOf(p).Text()
		require.NoError(t, err)
		again, err := ParseFile(text)
		require.NoError(t, err)
		require.Equal(t, p.Hash(), again.Hash())
	})
}
