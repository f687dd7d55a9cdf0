// Package storage is a storage host that is not there: a model of OpenZFS behind an SSH server, which takes the commands that
// nightshift sends to a real one, refuses what that refuses, in its words and with its exit statuses, and moves streams of real
// bytes. It is for the simulated lab and for tests; what it must do is in test/contract, which runs on real hosts, too.
//
// Sources of words and statuses: OpenZFS 2.3 (cmd/zfs, lib/libzfs, module/zfs) and what its tools printed on real machines
// (testdata). It knows of the product only the scripts that are sent to hosts.
package storage

import (
	"context"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// Config says what a host is. Durations are those of a real one; Speed divides them.
type Config struct {
	Name    string
	Account string  // the service account; default "zfsadm"
	Speed   float64 // default 1
	Seed    int64   // of GUIDs, pids and contents
	// Unit is how much of a volume is written or sent at least, in bytes; default 16 KiB. In streams, Scale bytes become one; default 1. Both
	// keep a large host small: nothing else tells of it.
	Unit, Scale int64
	// Rate is how much a sender reads in a second of the lab's time, in bytes; default: as much as goes.
	Rate int64
	// NoPacer: it has neither mbuffer nor pv.
	NoPacer bool
	// Waits: the login shells of its accounts wait for what they run, as dash does, and tell of a signal by their own status.
	Waits bool
}

// A Host is one such host. Its methods may be called at any time, by anyone.
type Host struct {
	cfg  Config
	ctx  context.Context //nolint:containedctx // the host's own life
	stop context.CancelFunc

	mu    sync.Mutex
	rng   *rand.Rand
	pools map[string]*pool // that are imported, and
	away  map[string]*pool // those that are not
	procs map[int]*process
	pid   int
	txg   uint64

	target *lio // its iSCSI target; nil: none

	ahead atomic.Int64 // how much its clock is, in nanoseconds

	files map[string][]byte // by path

	net   *Network
	addr  string     // of its SSH server
	key   ssh.Signer // its SSH server's
	own   ssh.Signer // by which its service account logs in at other hosts
	trust []login    // who may log in
	known map[string]ssh.PublicKey
}

// New makes a host, which lives until ctx ends.
func New(ctx context.Context, cfg Config) *Host {
	cfg.Account = orDefault(cfg.Account, "zfsadm")
	cfg.Speed, cfg.Unit, cfg.Scale = orDefault(cfg.Speed, 1), orDefault(cfg.Unit, 16<<10), orDefault(cfg.Scale, 1)
	h := &Host{cfg: cfg, rng: rand.New(rand.NewSource(cfg.Seed)), pools: map[string]*pool{}, away: map[string]*pool{}, procs: map[int]*process{}, pid: 700, txg: 4, //nolint:gosec // no secrets
		known: map[string]ssh.PublicKey{}, files: map[string][]byte{}}
	h.ctx, h.stop = context.WithCancel(ctx)
	return h
}

// Close ends everything that runs on the host.
func (h *Host) Close() { h.stop() }

// Crash is a loss of current: all that ran is gone. What had arrived of streams stays.
func (h *Host) Crash() {
	h.mu.Lock()
	var all []*process
	for _, p := range h.procs {
		all = append(all, p)
	}
	h.mu.Unlock()
	for _, p := range all {
		p.kill("KILL")
	}
}

// now is what its clock says.
func (h *Host) now() time.Time { return time.Now().Add(time.Duration(h.ahead.Load())) }

// SetClock puts its clock ahead; below 0: behind.
func (h *Host) SetClock(ahead time.Duration) { h.ahead.Store(int64(ahead)) }

// Name is the host's.
func (h *Host) Name() string { return h.cfg.Name }

// Account is its service account.
func (h *Host) Account() string { return h.cfg.Account }

func orDefault[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}

// scaled is how long d takes here.
func (h *Host) scaled(d time.Duration) time.Duration { return time.Duration(float64(d) / h.cfg.Speed) }

// sleep waits for d of the lab's time; false: the host, or who waits, came to an end.
func (h *Host) sleep(d time.Duration, gone <-chan struct{}) bool {
	t := time.NewTimer(h.scaled(d))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-gone:
	case <-h.ctx.Done():
	}
	return false
}

// AddPool makes a pool of so many bytes. Its file systems are not mounted, as that of the storage lab.
func (h *Host) AddPool(name string, size int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := &pool{name: name, guid: h.guid(), size: size, datasets: map[string]*dataset{}, allowed: map[string]grants{}}
	root := p.add(name, h.guid(), h.tick(), h.now())
	root.local["mountpoint"], root.local["compression"] = "none", "lz4"
	h.pools[name] = p
}

// Write fills a part of a volume or file system with new content, as whoever uses it does. Both are in bytes.
func (h *Host) Write(name string, from, length int64) error {
	return h.write(name, func(d *dataset) error {
		if d.volume && from+length > d.volsize {
			return fmt.Errorf("%s has %d bytes", name, d.volsize)
		}
		for i := from / h.cfg.Unit; i*h.cfg.Unit < from+length; i++ {
			d.put(i, unit{id: h.guid(), birth: h.txg})
		}
		return nil
	})
}

// WriteBytes puts these very bytes into a volume, which streams then carry; from is rounded down to a Unit.
func (h *Host) WriteBytes(name string, from int64, content []byte) error {
	return h.write(name, func(d *dataset) error {
		for i := from / h.cfg.Unit; len(content) > 0; i++ {
			n := min(int64(len(content)), h.cfg.Unit)
			d.put(i, unit{id: h.guid(), birth: h.txg, data: slices.Clone(content[:n])})
			content = content[n:]
		}
		return nil
	})
}

func (h *Host) write(name string, fill func(*dataset) error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	d := h.dataset(name)
	switch {
	case d == nil:
		return fmt.Errorf("%s: there is no %s", h.cfg.Name, name)
	case d.on("readonly"):
		return fmt.Errorf("%s: %s: Read-only file system", h.cfg.Name, name)
	case d.volume && d.word("volmode") == "none":
		return fmt.Errorf("%s: /dev/zvol/%s: No such file or directory", h.cfg.Name, name)
	case d.locked():
		return fmt.Errorf("%s: %s: its key is not loaded", h.cfg.Name, name)
	}
	h.tick()
	return fill(d)
}

// Kill kills what runs `zfs VERB` on the host with something of a pool; it waits until there is one, or ctx ends.
func (h *Host) Kill(ctx context.Context, verb, pool string) error {
	for {
		h.mu.Lock()
		for _, p := range h.procs {
			if len(p.args) > 2 && p.args[0] == "zfs" && p.args[1] == verb && slices.ContainsFunc(p.args[2:], func(a string) bool {
				return strings.Contains(a, pool) || p.args[2] == "-t" || slices.Contains(p.args, "-t")
			}) {
				h.mu.Unlock()
				p.kill("KILL")
				return nil
			}
		}
		h.mu.Unlock()
		if !h.sleep(10*time.Millisecond, ctx.Done()) {
			return fmt.Errorf("%s: no zfs %s runs with %s", h.cfg.Name, verb, pool)
		}
	}
}

// Running are the commands that run, as ps shows them.
func (h *Host) Running() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, p := range h.procs {
		out = append(out, strings.Join(p.args, " "))
	}
	slices.Sort(out)
	return out
}

// guid is a number that nothing else has. The host is locked.
func (h *Host) guid() uint64 { return h.rng.Uint64()>>1 | 1<<56 }

// tick begins a transaction group. The host is locked.
func (h *Host) tick() uint64 { h.txg++; return h.txg }
