package simlab

import (
	"context"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"nightshift/internal/heldport"
	"nightshift/internal/simlab/storage"
)

// A storageHost is one with its place in the lab.
type storageHost struct {
	*storage.Host
	lab    *Lab
	spec   StorageHostSpec
	system string // "ssh:NAME"
	gate   *gate
	key    []byte // by which nightshift logs in, in OpenSSH's form
}

// What the service account may do with ZFS on a host that sends, and on one that receives: as prepare-storage has it.
const (
	sourceRights = "bookmark,destroy,hold,mount,release,send,snapshot,userprop"
	targetRights = "bookmark,canmount,create,destroy,hold,mount,readonly,receive,release,userprop,volmode"
)

// startStorage makes the storage hosts, with all that prepare-storage would do.
func (l *Lab) startStorage(seed int64) error {
	l.wires = storage.NewNetwork()
	l.closes = append(l.closes, l.wires.Close)
	for i, spec := range l.spec.StorageHosts {
		h := &storageHost{lab: l, spec: spec, system: "ssh:" + spec.Name}
		h.Host = storage.New(l.ctx, storage.Config{Name: spec.Name, Speed: l.speed, Seed: seed + int64(i) + 1, Unit: storageUnit, Scale: storageScale, Rate: storageRate})
		if err := h.start(); err != nil {
			return fmt.Errorf("simulated lab %s: storage host %s: %w", l.spec.Name, spec.Name, err)
		}
		l.storages = append(l.storages, h)
	}
	for _, g := range l.spec.Groups {
		err := l.prepareGroup(g)
		if err == nil && g.History > 0 {
			err = l.replicated(g)
		}
		if err != nil {
			return fmt.Errorf("simulated lab %s: protection group %s: %w", l.spec.Name, g.Name, err)
		}
	}
	return nil
}

func (h *storageHost) start() error {
	ln, err := heldport.Listen(h.lab.ctx, "127.0.0.1", 0)
	if err != nil {
		return err
	}
	h.gate = newGate(ln)
	h.lab.gatesMu.Lock()
	h.lab.gates[h.system] = h.gate
	h.lab.gatesMu.Unlock()
	if err := h.Serve(h.gate, h); err != nil {
		_ = ln.Close() // nobody has connected
		return err
	}
	if !h.spec.NoTarget {
		if err := h.addTarget(); err != nil {
			return err
		}
	}
	signer, private, err := storage.NewKey()
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return err
	}
	h.key = pem.EncodeToMemory(block)
	h.Trust(h.Account(), signer.PublicKey())
	for _, p := range h.spec.Pools {
		h.AddPool(p.Name, orDefault(p.SizeGB, 4096)*gigabyte)
	}
	for _, d := range h.spec.Datasets {
		argv := []string{"zfs", "create", d.Name}
		if d.SizeGB > 0 {
			argv = []string{"zfs", "create", "-s", "-V", fmt.Sprintf("%dG", d.SizeGB), d.Name}
		}
		if err := h.asRoot(argv...); err != nil {
			return err
		}
		if err := h.Write(d.Name, 0, d.UsedGB*gigabyte); err != nil {
			return err
		}
	}
	return h.showLUNs(h.lab.ctx)
}

// addTarget gives it LIO, in a directory that goes with the lab.
func (h *storageHost) addTarget() error {
	dir, err := os.MkdirTemp("", "nightshift-simlab-"+h.spec.Name+"-")
	if err != nil {
		return err
	}
	h.lab.closes = append(h.lab.closes, func() { _ = os.RemoveAll(dir) }) // what is left is in a temporary directory
	return h.AddTarget(dir, h.spec.Portal)
}

func (h *storageHost) asRoot(argv ...string) error {
	_, err := h.askRoot(argv...)
	return err
}

func (h *storageHost) askRoot(argv ...string) (string, error) {
	var out, errs strings.Builder
	if exit := h.Run(h.lab.ctx, "root", argv, storage.Streams{Out: &out, Err: &errs}); exit != (storage.Exit{}) {
		return "", fmt.Errorf("`%s`: %s: %s", strings.Join(argv, " "), exit, errs.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// prepareGroup gives rights and keys to both sides, the way back included.
func (l *Lab) prepareGroup(g GroupSpec) error {
	source, target := l.storageHost(g.Source), l.storageHost(g.Target)
	for _, d := range g.Datasets {
		if err := source.asRoot("zfs", "allow", "-u", source.Account(), sourceRights, d); err != nil {
			return err
		}
	}
	if err := target.asRoot("zfs", "allow", "-u", target.Account(), targetRights, g.Under); err != nil {
		return err
	}
	return storage.Join(l.wires, source.Host, target.Host)
}

// replicated gives a group its history.
func (l *Lab) replicated(g GroupSpec) error {
	source, target := l.storageHost(g.Source), l.storageHost(g.Target)
	now := time.Now().UTC().Truncate(time.Hour)
	point := func(ago int) storage.Moment {
		at := now.Add(-time.Duration(ago) * time.Hour)
		return storage.Moment{Name: "nightshift_" + g.Name + "_" + at.Format("2006-01-02T15:04:05Z"), At: at}
	}
	const ahead = 2 // points that the target has not got
	var past []storage.Moment
	for ago := g.History + ahead; ago > ahead; ago-- {
		past = append(past, point(ago))
	}
	newest, held, cloned := past[len(past)-1].Name, past[len(past)/2].Name, past[len(past)/3].Name
	for _, d := range g.Datasets {
		replica := g.replica(d)
		if err := storage.Relive(source.Host, target.Host, storage.Past{Dataset: d, Replica: replica, Points: past, Written: 16 << 20}); err != nil {
			return err
		}
		for _, argv := range [][]string{
			{"zfs", "hold", "nightshift:" + g.Name, d + "@" + newest}, {"zfs", "bookmark", d + "@" + newest, d + "#" + newest},
			{"zfs", "hold", "audit", d + "@" + held}, {"zfs", "clone", d + "@" + cloned, d + "-copy"}, {"zfs", "snapshot", d + "@before-the-upgrade"},
		} {
			if err := source.asRoot(argv...); err != nil {
				return err
			}
		}
		if err := target.asRoot("zfs", "hold", "nightshift:"+g.Name, replica+"@"+newest); err != nil {
			return err
		}
		for ago := ahead; ago > 0; ago-- {
			if err := source.asRoot("zfs", "snapshot", d+"@"+point(ago).Name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *Lab) storageHost(name string) *storageHost {
	for _, h := range l.storages {
		if h.spec.Name == name {
			return h
		}
	}
	return nil
}

// StorageHost is a storage host, for tests that look at it or disturb it; nil: there is none of that name.
func (l *Lab) StorageHost(name string) *storage.Host {
	if h := l.storageHost(name); h != nil {
		return h.Host
	}
	return nil
}

// Login implements storage.Door.
func (h *storageHost) Login(ok bool) { h.lab.rec.login(h.system, ok) }

// Connect implements storage.Door.
func (h *storageHost) Connect() bool {
	f, hit := h.lab.faults.match(h.system, []call{{"Login", h.spec.Name}})
	if !hit {
		return true
	}
	switch f.Kind {
	case Delay:
		return sleep(h.lab.ctx, f.Delay)
	case Hang:
		<-h.lab.ctx.Done()
	case Drop, LoseAnswer, Error, Break:
	}
	return false
}

// Arrive implements storage.Door.
func (h *storageHost) Arrive(verb string, changes bool) storage.Arrival {
	a := storage.Arrival{Done: func(string, bool) {}}
	calls := []call{{verb, h.spec.Name}}
	f, hit := h.lab.faults.match(h.system, calls)
	if hit {
		switch f.Kind {
		case Drop:
			a.Fate = storage.IsLost
		case LoseAnswer:
			a.Fate = storage.LosesAnswer
		case Hang:
			a.Fate = storage.Hangs
		case Error:
			a.Fate, a.Status = storage.IsRefused, orDefault(f.Status, 1)
		case Break:
			a.Fate, a.Bytes = storage.Breaks, f.Bytes
		case Delay:
			if !sleep(h.lab.ctx, f.Delay) {
				a.Fate = storage.IsLost
			}
		}
	}
	if changes && a.Fate != storage.IsLost && a.Fate != storage.Hangs {
		a.Done = h.lab.rec.add(h.system, calls)
	}
	return a
}

// setPower takes the current from a storage host, or gives it back.
func (h *storageHost) setPower(off bool) {
	if off {
		h.gate.setCut(true)
		h.Crash()
		return
	}
	ctx, cancel := context.WithTimeout(h.lab.ctx, bootPatience)
	defer cancel()
	_ = h.Boot(ctx) // what its target cannot put back is missing: whoever looks sees it
	h.gate.setCut(false)
}

// bootPatience is how long the boot of a storage host's target may take, of wall-clock time.
const bootPatience = 30 * time.Second

// setStorageCut carries out CutOff for storage.
func (l *Lab) setStorageCut(system string, cut bool) {
	if name, is := strings.CutPrefix(system, "storage:"); is {
		if h := l.storageHost(name); h != nil {
			h.setPower(cut)
		}
	}
	if system != "replication" || l.wires == nil {
		return
	}
	if cut {
		l.wires.Cut()
	} else {
		l.wires.Restore()
	}
}

// writeStorage writes storage hosts and protection groups into the lab file.
func (l *Lab) writeStorage(w *yamlWriter, dir string) {
	if len(l.storages) == 0 {
		return
	}
	w.line("storageHosts:")
	for _, h := range l.storages {
		w.line("  - name: %s\n    ssh:\n      address: %s\n      user: %s\n      key: %s\n      hostKey: %q", h.spec.Name, h.Address(), h.Account(),
			filepath.Join(dir, "secrets", h.secret()), h.HostKey())
		if !h.spec.NoTarget {
			w.line("    target: {kind: lio, portal: %s}", h.spec.Portal)
		}
		if len(h.spec.luns()) > 0 {
			w.line("    restorePartitions: true")
		}
		if h.spec.CopiesTo != "" {
			w.line("    vmfsCopies: {to: %s}", h.spec.CopiesTo)
		}
	}
	if len(l.spec.Groups) == 0 {
		return
	}
	w.line("protectionGroups:")
	for _, g := range l.spec.Groups {
		w.line("  - name: %s\n    source: {host: %s, datasets: [%s]}\n    target: {host: %s, under: %s}\n    every: %s", g.Name, g.Source, strings.Join(g.Datasets, ", "),
			g.Target, g.Under, short(orDefault(g.Every, time.Hour)))
		if g.Extra != "" {
			w.line("%s", strings.TrimRight(g.Extra, "\n"))
		}
	}
}

// short is a duration as people write it: 1h, not 1h0m0s.
func short(d time.Duration) string {
	text := d.String()
	if d%time.Minute == 0 {
		text = strings.TrimSuffix(text, "0s")
	}
	if d%time.Hour == 0 {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func (h *storageHost) secret() string { return h.spec.Name + ".ssh.key" }
