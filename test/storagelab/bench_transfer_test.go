//go:build storagelab

package storagelab_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/test/storagelab"
)

const (
	pairsTransferred = 5
	mibTransferred   = 384
	// leastRatio is how fast replicate is to be at least, where plain commands are 1.
	leastRatio = 0.95
)

// plainTransfer is the stream that nightshift sends, as a person would send it, and prints how many milliseconds that took.
const plainTransfer = `sent=$(mktemp)
began=$(date +%s%N)
{ zfs send -c -L "$1"; echo $? >"$sent"; } | ssh -o BatchMode=yes "$2" zfs receive -s -u -o readonly=on -o volmode=none "$3"
ended=$(date +%s%N)
test "$(cat "$sent")" = 0
rm "$sent"
echo $(((ended - began) / 1000000))`

// transferred compares the transfer stage of replicate with plain commands, in pairs of which each begins every other one. Each has two
// turns in a pair, so that a machine that becomes slower, or faster, does so for both.
func transferred(b *testing.B) string {
	lab := storagelab.ConnectAlone(b)
	s := newStationOf(b, lab, "", volume{"mail", 2 * mibTransferred, mibTransferred})
	lab.Prepare(s.from.pool, s.to.pool)
	mail, plain := s.volumes[0], s.to.pool.Dataset("plain")
	lab.SS1.Run("zfs", "snapshot", mail+"@plain")
	var once sync.Once
	by := map[string]func() time.Duration{
		"plain": func() time.Duration {
			said := lab.SS1.As("zfsadm").Script(plainTransfer, mail+"@plain", lab.SS2.Private, plain)
			lab.SS2.Run("zfs", "destroy", "-r", plain)
			ms, err := strconv.Atoi(said)
			require.NoError(b, err, said)
			return time.Duration(ms) * time.Millisecond
		},
		"replicate": func() time.Duration {
			s.cycle()
			took := s.report().step(b, "send:"+mail)
			once.Do(s.same)
			s.forget()
			return took
		},
	}
	for _, way := range []string{"plain", "replicate"} {
		by[way]() // the first of each finds nothing in caches
	}
	var text strings.Builder
	fmt.Fprintf(&text, `
### Transfer

A volume in full, %d MiB of random data, each time to nothing: `+"`zfs send -c -L | ssh zfs receive -s -u`, and the step of `replicate`"+`
that sends, with all that it reads before and after. In a pair each has two turns, as one begins, the other, the other, the one: these machines'
processors are shared with others, and the same command takes up to twice as long at one time as at another.

| pair | plain | replicate | plain / replicate |
| ---: | ---: | ---: | ---: |
`, mibTransferred)
	var ratios []float64
	for pair := range pairsTransferred {
		order := []string{"plain", "replicate", "replicate", "plain"}
		if pair%2 == 1 {
			order = []string{"replicate", "plain", "plain", "replicate"}
		}
		took := map[string]time.Duration{}
		for _, way := range order {
			took[way] += by[way]()
			lab.SS2.Run("zpool", "wait", "-t", "free", s.to.pool.Name) // what was destroyed is freed in the background
			lab.SS2.Run("zpool", "sync", s.to.pool.Name)
		}
		ratio := float64(took["plain"]) / float64(took["replicate"])
		ratios = append(ratios, ratio)
		fmt.Fprintf(&text, "| %d | %s | %s | %.3f |\n", pair+1, milliseconds(took["plain"]), milliseconds(took["replicate"]), ratio)
	}
	b.ReportMetric(median(ratios), "plain/replicate")
	held := "held"
	if median(ratios) < leastRatio {
		held = "not held"
	}
	fmt.Fprintf(&text, "| median | | | **%.3f** |\n\nAt least %.2f of the speed of plain commands: %s.\n", median(ratios), leastRatio, held)
	return text.String()
}
