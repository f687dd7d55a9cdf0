//go:build storagelab

package storagelab_test

import (
	"cmp"
	"context"
	"math/rand"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"nightshift/test/storagelab"
)

// killed is how many seeds are tried: NIGHTSHIFT_SEEDS, else 20.
func killed(t *testing.T) int64 {
	t.Helper()
	word := cmp.Or(os.Getenv("NIGHTSHIFT_SEEDS"), "20")
	n, err := strconv.ParseInt(word, 10, 64)
	require.NoError(t, err)
	return n
}

// A blow is something that breaks a stream off. It tells whether it met one.
type blow struct {
	name   string
	strike func(*rand.Rand, *station) bool
}

func killing(name string, on func(*station) *storagelab.Machine, like string) blow {
	return blow{name, func(_ *rand.Rand, s *station) bool { return s.kill(on(s), like) }}
}

func atSource(s *station) *storagelab.Machine { return s.from.m }
func atTarget(s *station) *storagelab.Machine { return s.to.m }

var (
	killSender   = killing("the sender is killed", atSource, sending)
	killReceiver = killing("the receiver is killed", atTarget, receiving)
	killSource   = killing("the login at the source is killed", atSource, login)
	killTarget   = killing("the login at the target is killed", atTarget, login)
	killWorker   = blow{"the worker is killed", func(_ *rand.Rand, s *station) bool {
		under := len(s.pids(s.from.m, sending)) > 0
		s.server.Kill()
		s.serve()
		return under
	}}
	// cutLink takes the network between the hosts away: for a moment, which a stream may live through, or until its sender has noticed.
	cutLink = blow{"the link is cut", func(rng *rand.Rand, s *station) bool {
		short := rng.Intn(3) == 0
		s.lab.Cut()
		defer s.lab.Restore()
		before := s.pids(s.from.m, sending)
		if short {
			return len(before) > 0
		}
		s.lab.Await("the sender has noticed", func(context.Context) bool {
			now := s.pids(s.from.m, sending)
			return !slices.ContainsFunc(before, func(pid string) bool { return slices.Contains(now, pid) })
		})
		return len(before) > 0
	}}
)

// Whole runs in which something is killed once or twice, at moments that the seed chooses: each ends by itself, with a replica that
// is the same to the last bit, nothing done twice, and nothing left behind. The first run of a way sends in full, the others increments.
func TestReplicateKilledAtRandom(t *testing.T) {
	long(t)
	ways := []struct {
		name, send string
		blows      []blow // each in its turn
	}{
		{"direct", "limit: 2MiB", []blow{cutLink, killReceiver, killWorker, killSender, killSource}},
		{"worker", "via: worker, limit: 2MiB", []blow{killSender, killTarget, killWorker, killReceiver, killSource}},
	}
	for first, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			seeds := killed(t)
			if seeds <= int64(first) {
				t.Skip("there is no seed for it")
			}
			s := newStation(t, storagelab.ConnectAlone(t), way.send)
			runs, met := 0, 0
			for seed := int64(first); seed < seeds; seed += int64(len(ways)) {
				rng := rand.New(rand.NewSource(seed))
				if runs > 0 {
					s.from.Write(s.volumes[0], rng.Intn(40), 24)
				}
				blows := []blow{way.blows[runs%len(way.blows)]}
				if rng.Intn(2) == 0 {
					blows = append(blows, way.blows[rng.Intn(len(way.blows))])
				}
				met += s.replicateUnder(seed, rng, blows)
				runs++
				s.same()
				s.settled(runs)
			}
			require.Positive(t, met, "no stream was met by what was to break it off")
		})
	}
}

// mostLater is how long after its begin a stream is met at most: all of it takes 12 seconds at least.
const mostLater = 8 * time.Second

// replicateUnder is one run with these blows. It answers how many of them met a stream.
func (s *station) replicateUnder(seed int64, rng *rand.Rand, blows []blow) (met int) {
	s.t.Helper()
	u := s.replicate()
	for _, b := range blows {
		later := time.Duration(rng.Int63n(int64(mostLater)))
		if !s.streaming(u, later) {
			s.t.Logf("seed %d: the run was over before %s", seed, b.name)
			break
		}
		hit := b.strike(rng, s)
		if hit {
			met++
		}
		s.t.Logf("seed %d: %s %s after a stream was seen; it met one: %t", seed, b.name, later.Round(time.Millisecond), hit)
	}
	<-u.done
	require.NoError(s.t, u.result.Failed, "seed %d", seed)
	s.t.Logf("seed %d:\n%s", seed, u.result.Out)
	return met
}
