package storage

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const testUnit = 1 << 10

func newTestHost(t *testing.T) *Host {
	t.Helper()
	h := New(context.WithoutCancel(t.Context()), Config{Name: "ss1", Speed: 1e6, Unit: testUnit})
	t.Cleanup(h.Close)
	h.AddPool("tank", 1<<30)
	return h
}

// try runs a command as root.
func (h *Host) try(argv ...string) (out, errs string, exit Exit) {
	var o, e bytes.Buffer
	exit = h.Run(context.Background(), root, argv, Streams{Out: &o, Err: &e})
	return o.String(), e.String(), exit
}

func (h *Host) must(t *testing.T, line string) string {
	t.Helper()
	out, errs, exit := h.try(strings.Fields(line)...)
	require.Equal(t, Exit{}, exit, "%s: %s", line, errs)
	return strings.TrimSuffix(out, "\n")
}

// What snapshots hold is compared with whole copies, through many steps.
func TestSnapshotsHoldWhatWasThere(t *testing.T) {
	for seed := range int64(8) {
		h := newTestHost(t)
		h.must(t, "zfs create -s -V 64K tank/a")
		d := h.dataset("tank/a")
		random := rand.New(rand.NewSource(seed))
		copies := map[string]layer{}
		for step := range 80 {
			var names []string
			for _, s := range d.snaps {
				names = append(names, s.name)
			}
			switch n := random.Intn(10); {
			case n < 6:
				require.NoError(t, h.Write("tank/a", int64(random.Intn(60))*testUnit, int64(1+random.Intn(4))*testUnit))
			case n < 8:
				name := fmt.Sprint("s", step)
				copies[name] = d.shown()
				h.must(t, "zfs snapshot tank/a@"+name)
			case len(names) == 0:
			case n == 8:
				h.must(t, "zfs destroy tank/a@"+names[random.Intn(len(names))])
			default:
				h.must(t, "zfs rollback tank/a@"+names[len(names)-1])
				require.Equal(t, copies[names[len(names)-1]], d.shown())
			}
			all := int64(len(d.shown()))
			require.Equal(t, all, d.refs)
			held := map[uint64]bool{}
			for _, u := range d.head {
				held[u.id] = true
			}
			for _, s := range d.snaps {
				require.Equal(t, copies[s.name], s.content(), "seed %d, step %d: @%s", seed, step, s.name)
				require.Equal(t, int64(len(copies[s.name])), s.refs)
				alone := maps.Clone(copies[s.name])
				for _, other := range append([]layer{d.shown()}, others(copies, d, s)...) {
					maps.DeleteFunc(alone, func(i int64, u unit) bool { return other[i].id == u.id })
				}
				require.Equal(t, int64(len(alone)), s.unique(), "seed %d, step %d: @%s", seed, step, s.name)
			}
		}
	}
}

func others(copies map[string]layer, d *dataset, s *snapshot) []layer {
	var out []layer
	for _, o := range d.snaps {
		if o != s {
			out = append(out, copies[o.name])
		}
	}
	return out
}

func TestSpaceAddsUp(t *testing.T) {
	h := newTestHost(t)
	h.must(t, "zfs create -s -V 1M tank/a")
	h.must(t, "zfs create -V 1M tank/thick")
	require.NoError(t, h.Write("tank/a", 0, 512<<10))
	h.must(t, "zfs snapshot tank/a@x")
	require.NoError(t, h.Write("tank/a", 0, 256<<10))
	require.Equal(t, fmt.Sprint(512<<10+256<<10+emptyVolume), h.must(t, "zfs list -Hp -o used tank/a"))
	require.Equal(t, fmt.Sprint(256<<10), h.must(t, "zfs list -Hp -o usedbysnapshots tank/a"))
	require.Equal(t, fmt.Sprint(256<<10), h.must(t, "zfs list -Hp -o written tank/a"))
	require.Equal(t, fmt.Sprint(1<<20-emptyVolume), h.must(t, "zfs list -Hp -o usedbyrefreservation tank/thick"))
	require.Equal(t, fmt.Sprint(1<<20), h.must(t, "zfs list -Hp -o used tank/thick"))
	h.must(t, "zfs set quota=4M tank")
	free := h.must(t, "zfs list -Hp -o available tank/a")
	require.Equal(t, fmt.Sprint(4<<20-(512<<10+256<<10+emptyVolume)-1<<20-emptyFS), free)
	h.must(t, "zfs clone tank/a@x tank/c")
	require.Equal(t, fmt.Sprint(emptyVolume), h.must(t, "zfs list -Hp -o used tank/c"), "a clone takes nothing")
	require.Equal(t, fmt.Sprint(512<<10+emptyVolume), h.must(t, "zfs list -Hp -o referenced tank/c"))
}

func TestWhatANumberLooksLike(t *testing.T) {
	for n, text := range map[int64]string{0: "0B", 1023: "1023B", 1024: "1K", 1536: "1.50K", 16 << 10: "16K", 1 << 30: "1G", 1100 << 20: "1.07G", 123456789: "118M"} {
		require.Equal(t, text, number(n, false))
	}
	for text, n := range map[string]int64{"12M": 12 << 20, "1.5G": 3 << 29, "none": 0, "5": 5, "64k": 64 << 10, "2GiB": 2 << 30, "3tb": 3 << 40} {
		got, ok := size(text)
		require.True(t, ok, text)
		require.Equal(t, n, got, text)
	}
	for _, text := range []string{"", "M", "1Q", "-1x", "1 M"} {
		_, ok := size(text)
		require.False(t, ok, text)
	}
}

// As the runbook replicate asks: points of a run, found by their property, also where a dataset is not there.
func TestPointsOfARun(t *testing.T) {
	h := newTestHost(t)
	h.must(t, "zfs create -s -V 64K tank/a")
	h.must(t, "zfs create tank/b")
	h.must(t, "zfs snapshot tank/a@old")
	h.must(t, "zfs snapshot -o nightshift:run=7 tank/a@p tank/b@p")
	out, errs, exit := h.try(strings.Fields("zfs list -Hp -t snapshot -d 1 -o name,userrefs,nightshift:run tank/a tank/gone tank/b")...)
	require.Equal(t, "tank/a@old\t0\t-\ntank/a@p\t0\t7\ntank/b@p\t0\t7\n", out)
	require.Equal(t, "cannot open 'tank/gone': dataset does not exist\n", errs)
	require.Equal(t, 1, exit.Status)
}
