//go:build e2e

package harness

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"nightshift/internal/runapi"
	"nightshift/test/kinds"
)

// A table is what came of every pair of action and fault.
type table struct {
	mu    sync.Mutex
	cells map[[2]string][]string
	skips map[string][]string // reasons, and the pairs that were left out for them
	kept  string              // the file that NIGHTSHIFT_KEEP names; empty: none
}

// A pair is what came of one, as it is kept for the next time.
type pair struct {
	Step, Fault string
	Ends        []string
}

// newTable has what a run of the harness before this one has kept: pairs that went well then are not tried again.
func newTable(t *testing.T) *table {
	t.Helper()
	b := &table{cells: map[[2]string][]string{}, skips: map[string][]string{}, kept: os.Getenv("NIGHTSHIFT_KEEP")}
	if b.kept == "" {
		return b
	}
	text, err := os.ReadFile(b.kept)
	if !errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, err)
	}
	for line := range strings.Lines(string(text)) {
		var p pair
		require.NoError(t, json.Unmarshal([]byte(line), &p))
		b.cells[[2]string{p.Step, p.Fault}] = p.Ends
	}
	return b
}

func (t *table) knows(a kinds.Kind, f fault) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.cells[[2]string{a.String(), f.name}]) > 0
}

// keep writes down what came of a pair that went well.
func (t *table) keep(tb *testing.T, a kinds.Kind, f fault) {
	tb.Helper()
	if t.kept == "" || tb.Failed() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	line, err := json.Marshal(pair{a.String(), f.name, t.cells[[2]string{a.String(), f.name}]})
	require.NoError(tb, err)
	file, err := os.OpenFile(t.kept, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(tb, err)
	defer file.Close()
	_, err = file.Write(append(line, '\n'))
	require.NoError(tb, err)
}

func (t *table) add(s subject, a kinds.Kind, f fault, sheet runapi.Sheet) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := [2]string{a.String(), f.name}
	t.cells[key] = append(t.cells[key], s.String()+": "+ending(sheet))
}

// ending is how a run ended, in a cell's words.
func ending(s runapi.Sheet) string {
	words := s.Outcome
	if n := len(s.Decisions); n > 0 {
		words += fmt.Sprintf(" (%d decided)", n)
	}
	if n := len(s.Owed); n > 0 && s.Outcome == runapi.Aborted {
		words += fmt.Sprintf(" (%d owed)", n)
	}
	return words
}

func (t *table) skip(a kinds.Kind, f fault, why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.skips[why] = append(t.skips[why], a.String()+" × "+f.name)
}

const intro = `# The harness

Made by ` + "`make harness`" + `, which breaks the first step of each kind of every runbook in every way, one at a time, on a simulated lab of two
hosts that carries its own vCenter, storage and name server, and a cluster inside guests: power-down and power-up, the same on account of a
UPS ("by UPS": nobody is asked, what fails is skipped), settle, replicate, prune, lun-map, those about VMFS, and the step runbooks
cbt-reset, l1tf-options, vcsa-restart-services, guest-repair-sysprep and one made of the actions that those have not. Each cell is one lab, on
which the runbooks that have such a step ran with that fault: of the step runbooks the first, and those on account of a UPS where the others
have no such step, or would ask. After every run: the outcome is the right one, or the run waits for a person and says why; no call that
changes something came more often than there were decisions to send it; no lock is left; what is owed is said. At the end a power-up, a
settle where something is owed, and a start of the guest that an aborted step runbook has left off, bring everything back as it was; only on
battery a guest that could not be shut down loses its storage with the rest, and members of a cluster that could not be stopped may fence
one another. "decided": a recorded decision to act again; "owed": settings that the run's end tells as debts; (direct): through the host's
own API; (alarms): of vCenter's alarm actions.

`

// print writes the table as Markdown: to the test's log, and to the file that NIGHTSHIFT_TABLE names.
func (t *table) print(tb *testing.T) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var b strings.Builder
	b.WriteString(intro)
	b.WriteString("| step |")
	for _, f := range faults() {
		b.WriteString(" " + f.name + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(faults())) + "\n")
	for _, a := range kinds.All() {
		b.WriteString("| " + a.String() + " |")
		for _, f := range faults() {
			b.WriteString(" " + cmp.Or(strings.Join(same(t.cells[[2]string{a.String(), f.name}]), "; "), "–") + " |")
		}
		b.WriteString("\n")
	}
	b.WriteString("\nLeft out:\n\n")
	for _, why := range slices.Sorted(keys(t.skips)) {
		fmt.Fprintf(&b, "- %s: %s\n", why, strings.Join(t.skips[why], ", "))
	}
	tb.Log("\n" + b.String())
	if path := os.Getenv("NIGHTSHIFT_TABLE"); path != "" && !tb.Failed() {
		require.NoError(tb, os.WriteFile(path, []byte(b.String()), 0o600))
	}
}

// same drops the runbooks' names where they all ended in the same way.
func same(cells []string) []string {
	var ends []string
	for _, c := range cells {
		_, end, _ := strings.Cut(c, ": ")
		ends = append(ends, end)
	}
	slices.Sort(ends)
	if ends = slices.Compact(ends); len(ends) == 1 {
		return ends
	}
	slices.Sort(cells)
	return cells
}

func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
