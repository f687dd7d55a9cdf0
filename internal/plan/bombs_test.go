package plan

import (
	"bytes"
	"compress/zlib"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// taken is how many bytes f takes from the heap, those that it gives back included.
func taken(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// columnsOf packs columns that no plan has.
func columnsOf(t *testing.T, c columns) []byte {
	t.Helper()
	b, err := c.write()
	require.NoError(t, err)
	return b
}

func zipped(t *testing.T, part string, times int) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, err := w.Write([]byte(`{"steps":[` + strings.Repeat(part, times) + `{}]}`))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

// blanks is zlib of so many blanks.
func blanks(t *testing.T, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, zlib.BestSpeed)
	require.NoError(t, err)
	for part := bytes.Repeat([]byte(" "), 1<<20); n > 0; n -= len(part) {
		_, err := w.Write(part)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

// A few kilobytes that stand for gigabytes are refused before memory is taken for them.
func TestAPackedPlanThatUnfoldsToTooMuchIsRefused(t *testing.T) {
	const million = 1 << 20
	long := strings.Repeat("n", million)
	one := []columnStep{{}}
	for name, c := range map[string]struct {
		packed []byte
		want   string
	}{
		"a name, a million times in a title": {columnsOf(t, columns{objects: []object{{name: long}},
			shapes: []shape{{Step: Step{Title: strings.Repeat(ownName, million)}}}, steps: one}), "unfolds to more than 22 MiB"},
		"a name, a million times in a target": {columnsOf(t, columns{objects: []object{{name: long}},
			shapes: []shape{{Step: Step{Target: Target{Ref: strings.Repeat(ownName, million)}}}}, steps: one}), "unfolds to more than 22 MiB"},
		"a name, a million times in parameters": {columnsOf(t, columns{objects: []object{{name: long}},
			shapes: []shape{{Params: strings.Repeat(ownName, million)}}, steps: one}), "unfolds to more than 22 MiB"},
		"another object, a million times": {columnsOf(t, columns{objects: []object{{name: long}},
			shapes: []shape{{Params: otherUUID + "1" + otherEnd + strings.Repeat(otherName, million)}}, steps: one}), "unfolds to more than 22 MiB"},
		"ten thousand slots for each of many steps": {columnsOf(t, columns{objects: []object{{}},
			shapes: []shape{{Step: Step{Holds: make([]string, 10_000)}}}, steps: make([]columnStep, 20_000)}), "unfolds to more than 22 MiB"},
		"too many steps":         {columnsOf(t, columns{objects: []object{{}}, shapes: []shape{{}}, steps: make([]columnStep, maxSteps+1)}), "more than 262144 steps"},
		"too many objects":       {columnsOf(t, columns{objects: make([]object, maxSteps+1)}), "more than 262144 steps"},
		"too many warnings":      {columnsOf(t, columns{head: Plan{Warnings: make([]Finding, maxSteps+1)}}), "more than 262144 steps"},
		"too many steps as JSON": {zipped(t, "{},", maxSteps), "more than 262144 steps"},
		"blanks":                 {blanks(t, 64<<20), "unfolds to more than 22 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			// What it may unfold to some times over, as buffers grow by doubling.
			require.Less(t, taken(func() { _, err = Unpack(c.packed) }), uint64(12*maxUnpacked))
			require.ErrorContains(t, err, "unpack the plan: it ")
			require.ErrorContains(t, err, c.want)
		})
	}
}

// A long circle is found in one walk, and not all of it is named.
func TestALongCircleIsToldInFewWords(t *testing.T) {
	const n = 200_000
	p := Plan{Steps: make([]Step, n)}
	for i := range p.Steps {
		p.Steps[i] = Step{ID: fmt.Sprint(i), Needs: []string{fmt.Sprint((i + 1) % n)}}
	}
	_, err := NewGraph(p)
	require.ErrorContains(t, err, `in a circle: "0" needs "1" needs `)
	require.ErrorContains(t, err, `"19" needs (199980 more) … which needs "0"`)
	require.Less(t, len(err.Error()), 1000)
}

// Parameters are known by their exact names: encoding/json takes others for the same, so that there could be two of one.
func TestParametersInAnotherSpellingAreRefused(t *testing.T) {
	for _, raw := range []string{`{"timeout":"5m","ontimeout":"powerOff"}`, `{"TIMEOUT":"5m"}`, `{"timeout":"5m","timeOut":"1h"}`} {
		require.ErrorContains(t, CheckParams(ShutdownGuest, json.RawMessage(raw)), "unknown field", raw)
	}
	_, err := Amend(ShutdownGuest, json.RawMessage(`{"timeout":"5m","ontimeout":"powerOff"}`), map[string]any{"onTimeout": "leave"})
	require.Error(t, err)
}

// A plan without steps has one hash before and after it was packed, be its list missing or empty.
func TestAPlanWithoutStepsKeepsItsHash(t *testing.T) {
	for _, p := range []Plan{{Schema: 1}, {Schema: 1, Steps: []Step{}}} {
		packedAndBack(t, p)
	}
}

// Bytes that are no UTF-8 are refused in parameters: packed as text they would become others, and the plan another.
func TestParametersThatAreNotUTF8(t *testing.T) {
	raw := json.RawMessage("{\"guests\":[{\"name\":\"a\x81b\"}]}")
	require.ErrorContains(t, CheckParams(RememberRunning, raw), "not UTF-8")
	p := Plan{Schema: 1, Steps: []Step{{ID: "a", Params: raw}}}
	packedAndBack(t, p)
}
