package storage

import (
	"bytes"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// features are those of a pool that replication asks for, of the many that there are.
var features = []string{"async_destroy", "bookmarks", "bookmark_v2", "bookmark_written", "embedded_data", "empty_bpobj", "enabled_txg", "encryption", "extensible_dataset",
	"hole_birth", "large_blocks", "lz4_compress", "zstd_compress"}

// zpool runs one command of it. The host is locked.
func (c *call) zpool(argv []string, out, errs *bytes.Buffer) int {
	t := &tool{Host: c.Host, user: c.p.user, out: out, errs: errs}
	if len(argv) == 0 {
		return t.wrong("missing command")
	}
	if status := t.parse(argv[1:], "Hpo:vxd:fN"); status != 0 {
		return status
	}
	properties := ""
	if argv[0] == "get" {
		if len(t.args) == 0 {
			return t.wrong("missing property argument")
		}
		properties, t.args = t.args[0], t.args[1:]
	}
	var found []*pool
	status := 0
	names := t.args
	if argv[0] == "import" {
		return t.importPools(names)
	}
	if len(names) == 0 {
		names = slices.Sorted(maps.Keys(t.pools))
	}
	for _, n := range names {
		p := t.pools[n]
		if p == nil {
			status = t.fail("cannot open '%s': no such pool", n)
			continue
		}
		found = append(found, p)
	}
	switch argv[0] {
	case "list":
		return max(status, t.listPools(found))
	case "get":
		t.getPools(found, properties)
		return status
	case "status":
		for _, p := range found {
			t.status(p)
		}
		return status
	case "sync": // all is, at once
		return status
	case "export":
		return max(status, t.exportPools(found))
	}
	return t.wrong("unrecognized command '%s'", argv[0])
}

// exportPools takes pools away, as a host that has booted without their disks has none. What uses one keeps it.
func (t *tool) exportPools(pools []*pool) int {
	for _, p := range pools {
		if t.user != root {
			return t.fail("cannot export '%s': permission denied", p.name)
		}
		for _, d := range p.datasets {
			sends := slices.ContainsFunc(d.snaps, func(s *snapshot) bool { return s.sends > 0 })
			if sends || d.receiver != nil && !d.receiver.dead() || t.open1(d) {
				return t.fail("cannot export '%s': pool is busy", p.name)
			}
		}
		delete(t.pools, p.name)
		t.away[p.name] = p
	}
	return 0
}

func (t *tool) importPools(names []string) int {
	for _, n := range names {
		p := t.away[n]
		switch {
		case t.user != root:
			return t.fail("cannot import '%s': permission denied", n)
		case t.pools[n] != nil:
			return t.fail("cannot import '%s': a pool with that name already exists\nuse the form 'zpool import <pool | id> <newpool>' to give it a new name", n)
		case p == nil:
			return t.fail("cannot import '%s': no such pool available", n)
		}
		delete(t.away, n)
		t.pools[n] = p
	}
	return 0
}

func (t *tool) poolValue(p *pool, name string) (string, bool) {
	exact := t.has('p')
	allocated := t.allocated(p)
	switch name {
	case "name":
		return p.name, true
	case "size":
		return number(p.size, exact), true
	case "allocated", "alloc":
		return number(allocated, exact), true
	case "free":
		return number(p.size-allocated, exact), true
	case "capacity", "cap":
		return strconv.FormatInt(allocated*100/p.size, 10), true
	case "health":
		return orDefault(p.degraded, "ONLINE"), true
	case "guid":
		return strconv.FormatUint(p.guid, 10), true
	case "readonly":
		return "off", true
	case "dedupratio":
		return "1.00", true
	case "fragmentation", "frag":
		return "0", true
	case "altroot", "bootfs":
		return none, true
	case "delegation":
		return "on", true
	}
	if f, is := strings.CutPrefix(name, "feature@"); is && slices.Contains(features, f) {
		if f == "bookmarks" || f == "async_destroy" {
			return "enabled", true
		}
		return "active", true
	}
	return "", false
}

func (t *tool) listPools(pools []*pool) int {
	columns := strings.Split(t.last('o', "name,size,allocated,free,capacity,health"), ",")
	var rows [][]string
	if !t.has('H') {
		rows = append(rows, strings.Split(strings.ToUpper(strings.Join(columns, ",")), ","))
	}
	for _, p := range pools {
		var row []string
		for _, c := range columns {
			v, is := t.poolValue(p, c)
			if !is {
				return t.wrong("bad property list: invalid property '%s'", c)
			}
			row = append(row, v)
		}
		rows = append(rows, row)
	}
	t.table(rows)
	return 0
}

func (t *tool) getPools(pools []*pool, list string) {
	names := strings.Split(list, ",")
	if list == "all" {
		names = []string{"size", "capacity", "altroot", "health", "guid", "bootfs", "delegation", "dedupratio", "free", "allocated", "readonly", "fragmentation"}
		for _, f := range features {
			names = append(names, "feature@"+f)
		}
	}
	columns := strings.Split(t.last('o', "name,property,value,source"), ",")
	var rows [][]string
	for _, p := range pools {
		for _, n := range names {
			v, is := t.poolValue(p, n)
			if !is {
				t.fail("bad property list: invalid property '%s'", n)
				continue
			}
			cell := map[string]string{"name": p.name, "property": n, "value": v, "source": none}
			var row []string
			for _, c := range columns {
				row = append(row, cell[c])
			}
			rows = append(rows, row)
		}
	}
	t.table(rows)
}

// status is zpool status.
func (t *tool) status(p *pool) {
	health := orDefault(p.degraded, "ONLINE")
	t.print("  pool: %s\n state: %s\n", p.name, health)
	if p.degraded != "" {
		t.print("status: One or more devices has been taken offline by the administrator.\n\tSufficient replicas exist for the pool to continue functioning in a\n\tdegraded state.\n" +
			"action: Online the device using 'zpool online' or replace the device with\n\t'zpool replace'.\n")
	}
	t.print("config:\n\n\tNAME        STATE     READ WRITE CKSUM\n\t%-10s  %-8s     0     0     0\n\t  sda       %-8s     0     0     0\n\nerrors: No known data errors\n",
		p.name, health, health)
}

// SetHealth makes a pool be DEGRADED, say; empty: ONLINE.
func (h *Host) SetHealth(name, health string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p := h.pools[name]; p != nil {
		p.degraded = health
	}
}
