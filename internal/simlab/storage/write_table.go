package storage

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"nightshift/internal/iscsi"
)

// writeTableProgram puts partition tables of zvols back: `nightshift lab prepare-storage` installs it where the lab file says so.
const writeTableProgram = "/usr/local/sbin/nightshift-write-table"

// Exit statuses of the program, as its source tells them.
const (
	tableOther = 3
	tableInUse = 4
)

// A stretch is a part of a volume, in sectors.
type stretch struct{ skip, count int64 }

// writeTable is nightshift-write-table DATASET WAS IS SKIP:COUNT...: the new sectors come on standard input.
func (c *call) writeTable(args []string) Exit {
	fail := func(status int, format string, a ...any) Exit {
		c.say("nightshift-write-table: "+format, a...)
		return Exit{Status: status}
	}
	if c.p.user != root {
		return fail(1, "Permission denied")
	}
	if len(args) < 4 {
		return fail(usage, "nightshift-write-table DATASET WAS IS SKIP:COUNT...")
	}
	dataset, was, is := args[0], args[1], args[2]
	units, size := c.volume(dataset)
	if units == nil || strings.Contains(dataset, "@") {
		return fail(usage, "%s is no zvol that is shown under /dev/zvol", dataset)
	}
	ranges, err := stretches(args[3:], size/sector)
	if err != nil {
		return fail(usage, "%v", err)
	}
	fresh, err := io.ReadAll(io.LimitReader(c.in, length(ranges)*sector+1))
	if err != nil {
		return fail(1, "the new sectors could not be taken")
	}
	if units, _ = c.volume(dataset); units == nil { // they may have taken their time
		return fail(1, "%s is gone", dataset)
	}
	if who := c.users("/dev/zvol/" + dataset); len(who) > 0 {
		return fail(tableInUse, "it is in use: %s", strings.Join(who, " "))
	}
	var now []byte
	for _, r := range ranges {
		now = append(now, c.bytesAt(units, size, r.skip*sector, r.count*sector)...)
	}
	if sum(now) == is {
		return Exit{}
	}
	if sum(now) != was {
		return fail(tableOther, "something else lies there than was read before")
	}
	if sum(fresh) != is {
		return fail(usage, "the new sectors came with another SHA-256")
	}
	for _, r := range ranges {
		if err := c.overwrite(dataset, units, r.skip*sector, fresh[:r.count*sector]); err != nil {
			return fail(1, "%v", err)
		}
		fresh = fresh[r.count*sector:]
	}
	return Exit{}
}

func length(ranges []stretch) (sectors int64) {
	for _, r := range ranges {
		sectors += r.count
	}
	return sectors
}

// stretches reads SKIP:COUNT; those that are not where partition tables are it refuses.
func stretches(words []string, sectors int64) (list []stretch, err error) {
	for _, w := range words {
		var r stretch
		if n, bad := fmt.Sscanf(w, "%d:%d", &r.skip, &r.count); n != 2 || bad != nil || r.skip < 0 {
			return nil, fmt.Errorf("%s is no SKIP:COUNT", w)
		}
		end := r.skip + r.count
		if r.count < 1 || end > sectors {
			return nil, fmt.Errorf("%s is not on the device, which has %d sectors", w, sectors)
		}
		if end > 34 && r.skip < sectors-33 {
			return nil, fmt.Errorf("%s is not where partition tables are", w)
		}
		list = append(list, r)
	}
	return list, nil
}

// overwrite writes into the volume without changing what is beside it.
func (c *call) overwrite(dataset string, units layer, at int64, b []byte) error {
	from := at / c.cfg.Unit * c.cfg.Unit
	if at+int64(len(b)) > from+c.cfg.Unit {
		return errors.New("sectors that lie in two units")
	}
	whole := make([]byte, c.cfg.Unit)
	c.bytesOf(units[at/c.cfg.Unit], whole)
	copy(whole[at-from:], b)
	return c.WriteBytes(dataset, from, whole)
}

// users are the initiators that are logged in to where the device is shown.
func (c *call) users(device string) (who []string) {
	l := c.target
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	list, err := iscsi.NewLIO(l.sim, func(argv []string) []string { return argv }).List(c.ctx)
	if err != nil {
		return []string{err.Error()}
	}
	for _, lu := range list.LUs {
		if lu.Device == device {
			in, _ := lu.Sessions()
			who = append(who, in...)
		}
	}
	slices.Sort(who)
	return slices.Compact(who)
}

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}
