//go:build storagelab

package storagelab_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/test/bench/section"
	"nightshift/test/storagelab"
)

// BenchmarkStorage measures what replication costs beside the plain commands, on real ZFS: `make bench-storage`. Its machines are
// emulated: what counts are the ratios of one run. NIGHTSHIFT_BENCH_OUT names the document whose section is written.
func BenchmarkStorage(b *testing.B) {
	var doc strings.Builder
	whole := true
	for _, part := range []struct {
		name string
		do   func(*testing.B) string
	}{{"transfer", transferred}, {"cycle", cycled}, {"memory", remembered}} {
		whole = b.Run(part.name, func(b *testing.B) {
			text := ""
			for b.Loop() { // -benchtime 1x: it has repetitions of its own
				text = part.do(b)
			}
			b.ReportMetric(0, "ns/op")  // it tells nothing
			fmt.Fprint(os.Stderr, text) // of a log the first lines are shown only
			doc.WriteString(text)
		}) && whole
	}
	file := os.Getenv("NIGHTSHIFT_BENCH_OUT")
	if file == "" || !whole || strings.Count(doc.String(), "\n### ") != 3 { // -bench chose a part
		return
	}
	old, err := os.ReadFile(file)
	require.NoError(b, err)
	text := section.Storage + "\n\n" + heading(b) + doc.String()
	require.NoError(b, os.WriteFile(file, []byte(section.Put(string(old), section.Storage, text)), 0o644))
}

func heading(b *testing.B) string {
	lab := storagelab.Connect(b)
	version, _, _ := strings.Cut(lab.SS1.Run("zfs", "version"), "\n")
	load, _, _ := strings.Cut(read(b, "/proc/loadavg"), " ")
	return fmt.Sprintf(`Written by `+"`make bench-storage`"+` on %s: two QEMU machines (docs/storage-lab.md) with %s, load %s at the end. Processors may be
emulated: milliseconds are those of slow machines, and ratios are what counts. Medians.
`, time.Now().UTC().Format("2006-01-02"), version, load)
}

func read(t testing.TB, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(text)
}

func median[T ~int | ~int64 | ~float64](of []T) T {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%d ms", d.Milliseconds()) }

// cycle is one run to its end.
func (s *station) cycle() {
	s.t.Helper()
	require.NoError(s.t, s.run("run", "replicate", "-p", "group=mail", "--yes").Failed)
}

// report is that of the last run.
func (s *station) report() (r runReport) {
	s.t.Helper()
	told := s.run("report", "latest", "-o", "json")
	require.NoError(s.t, told.Failed)
	require.NoError(s.t, json.Unmarshal([]byte(told.Out), &r))
	return r
}

// A runReport is what benchmarks read of `report -o json`.
type runReport struct {
	Steps []struct {
		ID      string
		Seconds float64
	}
}

// step is how long one took.
func (r runReport) step(t testing.TB, id string) time.Duration {
	t.Helper()
	for _, s := range r.Steps {
		if s.ID == id {
			return time.Duration(s.Seconds * float64(time.Second))
		}
	}
	require.FailNow(t, "the report has no step "+id)
	return 0
}
