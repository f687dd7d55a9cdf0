package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"nightshift/internal/plan"
)

func aPlan() plan.Plan {
	return plan.Plan{Schema: plan.SchemaVersion, Runbook: "power-down", Lab: "home", Title: "Power down", Created: midnight(),
		Steps: []plan.Step{{ID: "shutdown-guest:web01", Action: plan.ShutdownGuest, Target: plan.Target{Kind: plan.Guest, Name: "web01"},
			Params: plan.Encode(plan.ShutdownGuestParams{Timeout: plan.Duration(time.Minute)}), Timeout: plan.Duration(time.Minute)}}}
}

// FuzzPlanFile: a file is a plan as it was written, which is written as the same again, or refused by its name.
func FuzzPlanFile(f *testing.F) {
	path := filepath.Join(f.TempDir(), "p.json")
	require.NoError(f, writePlanFile(path, aPlan()))
	b, err := os.ReadFile(path)
	require.NoError(f, err)
	f.Add(b)
	f.Add(bytes.Replace(b, []byte("web01"), []byte("web02"), 1))
	f.Add(bytes.Replace(b, []byte(`"schema": 1`), []byte(`"schema": 2`), 1))
	f.Add(bytes.Replace(b, []byte(`"timeout": "1m0s"`), []byte(`"timeout": "1m0s", "TimeOut": "1h"`), 1))
	for _, s := range []string{"", "{}", "null", `{"plan":null}`, `{"plan":{}}`, `{"hash":"x","plan":[]}`, "{\n\n}x", `{"plan":{"schema":1,"steps":[{"id":"a","needs":["a"]}]}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "plan.json")
		require.NoError(t, os.WriteFile(path, b, 0o600))
		p, err := readPlanFile(path)
		if err != nil {
			require.ErrorContains(t, err, path)
			require.Contains(t, []int{exitUsage, exitRefused}, exitCode(err))
			return
		}
		require.NoError(t, writePlanFile(path, p))
		again, err := readPlanFile(path)
		require.NoError(t, err)
		require.Equal(t, p.Hash(), again.Hash())
	})
}

// What is no plan file says why, where and what to do; what is far too large is not read.
func TestFilesThatAreNoPlan(t *testing.T) {
	at := func(text string) string {
		path := filepath.Join(t.TempDir(), "plan.json")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	for text, want := range map[string]string{
		"{\n\"hash\": \"x\",\n\"plan\": {,}\n}": "line 3: invalid character ','",
		"{}":                                    `it has no "plan"`,
		`{"plan":{"steps":[` + strings.Repeat("{},", 1<<18) + `{}]}}`: "more than 262144 steps",
	} {
		_, err := readPlanFile(at(text))
		require.ErrorContains(t, err, want)
		require.Equal(t, exitUsage, exitCode(err))
	}
	big := at("")
	require.NoError(t, os.Truncate(big, 1<<30)) // no more than a hole
	_, err := readPlanFile(big)
	require.ErrorContains(t, err, "plan.json is larger than 64 MiB")
	_, err = readSignature(signedOptions{file: big, text: big})
	require.ErrorContains(t, err, "plan.json is larger than 64 KiB")
}

// FuzzParameters: KEY=VALUE is taken apart at its first sign, or refused; what is no JSON is text.
func FuzzParameters(f *testing.F) {
	for _, s := range []string{"tag=Start", "vm=a,b", "=x", "x", "timeout=10m", "names=[\"a\"]", "a==", "host= ", "force=tru", "n=1e999", "n=00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, pair string) {
		key, value, ok := strings.Cut(pair, "=")
		ok = ok && key != ""
		given, err := (&parameterOptions{pairs: []string{pair}}).given()
		require.Equal(t, ok, err == nil)
		params, err := stepParameters([]string{pair})
		require.Equal(t, ok, err == nil)
		if !ok {
			require.Equal(t, exitUsage, exitCode(err))
			return
		}
		require.Equal(t, map[string]string{key: value}, given)
		text, err := json.Marshal(params)
		require.NoError(t, err)
		if !json.Valid([]byte(value)) {
			require.Equal(t, value, params[key])
		} else if v, isText := params[key].(string); !isText && utf8.ValidString(key) && key != "" {
			require.NotContains(t, string(text), fmt.Sprintf("%q", v+value))
		}
		bare := &app{env: fakeEnv{}} // no lab file: nightshift's own runbooks only
		for _, rb := range []string{"power-up", "power-down", "settle", key} {
			_, params, err := (&parameterOptions{pairs: []string{pair}}).of(bare, rb)
			if err != nil {
				require.Equal(t, exitUsage, exitCode(err))
				continue
			}
			_, again, err := (&parameterOptions{pairs: []string{key + "=" + params[key]}}).of(bare, rb)
			require.NoError(t, err)
			require.Equal(t, params, again)
		}
	})
}

// FuzzUntil: a moment that is taken is ahead, and can be written into the ledger.
func FuzzUntil(f *testing.F) {
	for _, s := range []string{"08:00", "24:00", "2026-11-21 08:00", "2026-11-21T08:00", "2026-11-21T08:00:00+01:00", "9999-12-31T23:59:59-12:00", "0000-01-01 00:00", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := holdOptions{until: s, reason: "x"}.change(midnight())
		if err != nil {
			require.Equal(t, exitUsage, exitCode(err))
			return
		}
		require.True(t, c.Hold.Until.After(midnight()))
		b, err := json.Marshal(c)
		require.NoError(t, err)
		require.Contains(t, string(b), c.Hold.Until.Format(time.RFC3339))
	})
}

// A hold must fit into JSON, whose years have four digits.
func TestAHoldEndsInAYearOfFourDigits(t *testing.T) {
	_, err := parseUntil("9999-12-31T23:59:59-12:00", midnight())
	require.ErrorContains(t, err, "no year after 9999")
}

// FuzzSafeWriter: nothing that a terminal obeys comes through but our own colours, and what is harmless stays as it is.
func FuzzSafeWriter(f *testing.F) {
	for _, s := range []string{"web01\n", "\x1b[31mred\x1b[0m", "\x1b[2J\x1b]0;x\a", "\u202e\u0085\x7f\r", "\x80\xff", "\x1b[\x1b[1m"} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, b []byte, colours bool) {
		var out bytes.Buffer
		n, err := safeWriter{&out, colours}.Write(b)
		require.NoError(t, err)
		require.Equal(t, len(b), n)
		require.True(t, utf8.Valid(out.Bytes()))
		rest := out.String()
		for rest != "" {
			if n := colourLength(rest); n > 0 && colours {
				rest = rest[n:]
				continue
			}
			r, n := utf8.DecodeRuneInString(rest)
			require.False(t, obeyed(r), "%q", rest)
			rest = rest[n:]
		}
		if utf8.Valid(b) && bytes.IndexFunc(b, obeyed) < 0 {
			require.Equal(t, string(b), out.String())
		}
		require.False(t, strings.ContainsAny(oneLineOf(string(b)), "\n\t\r\x1b"))
	})
}

// FuzzSteps: each name finds one blocked step, or none is answered.
func FuzzSteps(f *testing.F) {
	f.Add("web01", "a:web01", "b:web01", "a:web01")
	f.Add("a:web01", "a:web01", "b:web02", "x")
	f.Fuzz(func(t *testing.T, name, one, two, target string) {
		blocked := []plan.Step{{ID: one, Target: plan.Target{Name: target}}, {ID: two, Target: plan.Target{Name: target + "2"}}}
		ids, err := stepIDs("run", blocked, []string{name})
		var exit *exitError
		require.True(t, err == nil && len(ids) == 1 && (ids[0] == one || ids[0] == two) || errors.As(err, &exit))
	})
}
