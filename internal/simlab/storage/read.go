package storage

import (
	"fmt"
	"strconv"
	"strings"
)

// readProgram reads zvols as root: `nightshift lab prepare-storage` installs it.
const readProgram = "/usr/local/sbin/nightshift-read"

const sector = 512

// readZvol is nightshift-read DATASET SKIP COUNT.
func (c *call) readZvol(args []string) Exit {
	if len(args) != 3 {
		c.say("nightshift-read: nightshift-read DATASET SKIP COUNT")
		return Exit{Status: usage}
	}
	skip, err1 := strconv.ParseInt(args[1], 10, 48)
	count, err2 := strconv.ParseInt(args[2], 10, 48)
	if err1 != nil || err2 != nil || skip < 0 || count < 0 {
		c.say("nightshift-read: SKIP and COUNT are numbers")
		return Exit{Status: usage}
	}
	if c.p.user != root {
		c.say("dd: failed to open '/dev/zvol/%s': Permission denied", args[0])
		return Exit{Status: 1}
	}
	units, size := c.volume(args[0])
	if units == nil {
		c.say("nightshift-read: %s is no zvol that is shown under /dev/zvol", args[0])
		return Exit{Status: usage}
	}
	if _, err := c.out.Write(c.bytesAt(units, size, skip*sector, count*sector)); err != nil {
		return Exit{Status: 1}
	}
	return Exit{}
}

// volume is what a zvol that is shown holds, or a snapshot of one, and its size in bytes; nil: there is none.
func (c *call) volume(name string) (units layer, size int64) {
	c.locked(func() {
		switch x := (&tool{Host: c.Host}).find(name); {
		case x == nil || !x.d.volume || x.d.word("volmode") == "none", x.d.locked():
		case x.s != nil && x.d.word("snapdev") == "visible":
			units, size = x.s.content(), x.s.volsize
		case x.s == nil:
			units, size = x.d.shown(), x.d.volsize
		}
	})
	return units, size
}

// bytesAt are those of a volume from a place on, as many as there are.
func (c *call) bytesAt(units layer, size, at, count int64) []byte {
	var out []byte
	buf := make([]byte, c.cfg.Unit)
	for end := min(at+count, size); at < end; {
		c.bytesOf(units[at/c.cfg.Unit], buf)
		part := buf[at%c.cfg.Unit:]
		part = part[:min(int64(len(part)), end-at)]
		out = append(out, part...)
		at += int64(len(part))
	}
	return out
}

// deviceSize is vmfs.SizeScript.
func (c *call) deviceSize(args []string) Exit {
	name, zvol := strings.CutPrefix(strings.Join(args, " "), "/dev/zvol/")
	units, size := c.volume(name)
	if !zvol || units == nil {
		c.say("there is no %s", strings.Join(args, " "))
		return Exit{Status: 1}
	}
	fmt.Fprintln(c.out, size)
	return Exit{}
}

// bytesOf are those of a unit: what was written, what follows from its id, or zeros.
func (h *Host) bytesOf(u unit, buf []byte) {
	clear(buf)
	switch {
	case u.data != nil:
		copy(buf, u.data)
	case u.id != 0:
		fill(buf, u.id)
	}
}

// shown is all that a dataset holds now.
func (d *dataset) shown() layer {
	all := layer{}
	if s := d.newest(); s != nil {
		all = s.content()
	} else if d.origin != nil {
		all = d.origin.content()
	}
	for i, u := range d.head {
		all[i] = u
	}
	return all
}
