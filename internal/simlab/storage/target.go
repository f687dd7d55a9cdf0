package storage

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"nightshift/internal/iscsi/liosim"
)

// A lio is the iSCSI target of a host: package liosim, with the volumes of the host.
type lio struct {
	mu   sync.Mutex // one command at a time; taken before the host's
	sim  *liosim.Host
	has  map[string]int64 // sizes of the volumes that it knows, in bytes
	open map[string]*dataset
}

// AddTarget gives the host an iSCSI target in an empty directory, which stays the caller's. Portals are the addresses, with port, that
// it can listen on.
func (h *Host) AddTarget(dir string, portals ...string) error {
	sim, err := liosim.New(dir, portals...)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.target = &lio{sim: sim, has: map[string]int64{}, open: map[string]*dataset{}}
	return nil
}

// Boot is a start of the host: the target has what comes back at boot. ctx bounds how long it waits for volumes.
func (h *Host) Boot(ctx context.Context) error {
	t := h.target
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.look(h); err != nil {
		return err
	}
	_, err := t.sim.Boot(ctx)
	t.note(h)
	return err
}

// opens says whether an initiator may have a volume open: LIO has. The host is locked.
func (l *lio) opens(d *dataset) bool {
	for _, o := range l.open {
		if o == d {
			return true
		}
	}
	return false
}

// look gives the target the volumes that the host shows.
func (l *lio) look(h *Host) error {
	type device struct{ size, block int64 }
	shown := map[string]device{}
	h.mu.Lock()
	for _, p := range h.pools {
		for n, d := range p.datasets {
			if d.volume && !d.fresh && d.word("volmode") != "none" && !d.locked() {
				shown[n] = device{d.volsize, d.block}
			}
		}
	}
	h.mu.Unlock()
	for n := range l.has {
		if _, is := shown[n]; !is {
			delete(l.has, n)
			if err := l.sim.RemoveVolume(n); err != nil {
				return err
			}
		}
	}
	for n, d := range shown {
		size, is := l.has[n]
		var err error
		switch {
		case !is:
			_, err = l.sim.AddVolume(n, d.size, int(d.block))
		case size != d.size:
			err = l.sim.Resize(n, d.size)
		}
		if err != nil {
			return err
		}
		l.has[n] = d.size
	}
	return nil
}

// note remembers which volumes are open: that they are, they stay under any name.
func (l *lio) note(h *Host) {
	files, _ := filepath.Glob(l.sim.Path("/sys/kernel/config/target/core/*/*/udev_path")) // the pattern is good
	h.mu.Lock()
	defer h.mu.Unlock()
	now := map[string]*dataset{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // it went meanwhile
		}
		device := strings.TrimSpace(string(text))
		if d, was := l.open[device]; was {
			now[device] = d
		} else if d := h.dataset(strings.TrimPrefix(device, "/dev/zvol/")); d != nil {
			now[device] = d
		}
	}
	l.open = now
}

// lio runs a command of LIO.
func (c *call) lio(ctx context.Context, argv []string) Exit {
	t := c.target
	if t == nil && argv[0] == "sh" {
		_, _ = io.WriteString(c.out, "nightshift-lio-listing 1\nabsent\nend\n") // who asked may be gone
		return Exit{}
	}
	if t == nil {
		c.say("sh: 1: %s: not found", argv[0])
		return Exit{Status: notFound}
	}
	if argv[0] != "sh" && c.p.user != root && !(len(argv) == 2 && argv[1] == "version") {
		c.say("%s: Permission denied", argv[0])
		return Exit{Status: 126}
	}
	input, err := io.ReadAll(io.LimitReader(c.in, 1<<20))
	if err != nil {
		return Exit{Status: 1}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.look(c.Host); err != nil {
		c.say("%v", err)
		return Exit{Status: 1}
	}
	if device := readOnly(c.Host, argv, input); device != "" {
		c.say("LIO does not take %s: is it in use?", device)
		return Exit{Status: 1}
	}
	res, err := t.sim.Act(ctx, argv, bytes.NewReader(input))
	if err != nil {
		c.say("%v", err)
		return Exit{Status: 1}
	}
	t.note(c.Host)
	_, _ = c.out.Write(res.Stdout) // who asked may be gone
	_, _ = c.err.Write(res.Stderr)
	return Exit{Status: res.Status}
}

// readOnly is the volume that is to be published for writing, and that ZFS opens for reading only; empty: it is none.
func readOnly(h *Host, argv []string, spec []byte) (device string) {
	if len(argv) < 2 || argv[1] != "publish" || !bytes.Contains(spec, []byte("\nreadonly 0\n")) {
		return ""
	}
	for line := range strings.Lines(string(spec)) {
		if name, is := strings.CutPrefix(strings.TrimSpace(line), "device /dev/zvol/"); is {
			h.mu.Lock()
			defer h.mu.Unlock()
			if d := h.dataset(name); d != nil && d.on("readonly") && d.word("volmode") != "none" {
				return "/dev/zvol/" + name
			}
		}
	}
	return ""
}
