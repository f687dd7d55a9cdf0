package storage

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// list is zfs list.
func (t *tool) list() int {
	columns := strings.Split(t.last('o', "name,used,available,referenced,mountpoint"), ",")
	for i, c := range columns {
		full, is := known(c)
		if !is {
			return t.wrong("bad property list: invalid property '%s'", c)
		}
		columns[i] = full
	}
	kinds, bad := t.kinds()
	if bad != "" {
		return t.wrong("invalid type '%s'", bad)
	}
	found, status := t.chosen(kinds)
	rows := make([][]string, 0, len(found))
	for _, x := range found {
		row := make([]string, len(columns))
		for i, c := range columns {
			row[i], _ = t.value(x, c, t.has('p'))
		}
		rows = append(rows, row)
	}
	if !t.has('H') && len(rows) == 0 {
		if status == 0 {
			t.fail("no datasets available")
		}
		return status
	}
	if !t.has('H') {
		head := make([]string, len(columns))
		for i, c := range columns {
			head[i] = strings.ToUpper(orDefault(map[string]string{"available": "avail", "referenced": "refer"}[c], c))
		}
		rows = append([][]string{head}, rows...)
	}
	t.table(rows)
	return status
}

// table prints rows: separated by tabs with -H, else in columns.
func (t *tool) table(rows [][]string) {
	if t.has('H') {
		for _, r := range rows {
			t.print("%s\n", strings.Join(r, "\t"))
		}
		return
	}
	wide := map[int]int{}
	for _, r := range rows {
		for i, v := range r {
			wide[i] = max(wide[i], len(v))
		}
	}
	for _, r := range rows {
		var line bytes.Buffer
		for i, v := range r {
			line.WriteString(v + strings.Repeat(" ", wide[i]-len(v)+2))
		}
		t.print("%s\n", strings.TrimRight(line.String(), " "))
	}
}

// kinds are the types of -t; nil: file systems and volumes, or what is named.
func (t *tool) kinds() (kinds map[string]bool, bad string) {
	if !t.has('t') {
		return nil, ""
	}
	kinds = map[string]bool{}
	for _, k := range strings.Split(t.last('t', ""), ",") {
		switch k {
		case filesystem, "fs":
			kinds[filesystem] = true
		case volume, "vol":
			kinds[volume] = true
		case snap, "snap":
			kinds[snap] = true
		case mark:
			kinds[mark] = true
		case "all":
			kinds = map[string]bool{filesystem: true, volume: true, snap: true, mark: true}
		default:
			return nil, k
		}
	}
	return kinds, ""
}

// chosen are the things that the arguments and -r, -d and -t ask for, in the order of zfs.
func (t *tool) chosen(kinds map[string]bool) ([]thing, int) {
	depth := 0
	if t.has('r') || len(t.args) == 0 {
		depth = 1 << 20
	}
	if t.has('d') {
		depth, _ = strconv.Atoi(t.last('d', "0"))
	}
	names, status := t.args, 0
	if len(names) == 0 {
		for n := range t.pools {
			names = append(names, n)
		}
	}
	var found []thing
	seen := map[string]bool{}
	take := func(x thing, named bool) {
		ok := kinds[x.kind()] || kinds == nil && (named || x.kind() == filesystem || x.kind() == volume)
		if ok && !seen[x.name()] {
			seen[x.name()] = true
			found = append(found, x)
		}
	}
	for _, n := range names {
		x := t.open(n)
		switch {
		case x == nil:
			status = 1
		case kinds == nil || depth > 0 || kinds[x.kind()]:
			t.walk(*x, depth, true, take)
		case x.s == nil && x.b == nil && (kinds[snap] || kinds[mark]):
			t.walk(*x, 1, true, take) // zfs list -t snapshot DATASET
		default:
			status = t.fail("cannot open '%s': operation not applicable to datasets of this type", n)
		}
	}
	slices.SortStableFunc(found, compare)
	return found, status
}

// walk tells of a thing and of what lies in it; snapshots and bookmarks count as one level.
func (t *tool) walk(x thing, depth int, named bool, take func(thing, bool)) {
	take(x, named)
	if x.s != nil || x.b != nil || depth == 0 {
		return
	}
	for _, s := range x.d.snaps {
		take(thing{d: x.d, s: s}, false)
	}
	for _, b := range x.d.marks {
		take(thing{d: x.d, b: b}, false)
	}
	for _, c := range x.d.children() {
		t.walk(thing{d: c}, depth-1, false, take)
	}
}

// compare is zfs_compare: by name, snapshots by age.
func compare(a, b thing) int {
	if a.d != b.d {
		return cmp.Compare(a.d.name, b.d.name)
	}
	order := map[string]int{snap: 1, mark: 2}
	if n := cmp.Compare(order[a.kind()], order[b.kind()]); n != 0 {
		return n
	}
	if a.s != nil {
		return cmp.Compare(a.s.txg, b.s.txg)
	}
	return cmp.Compare(a.name(), b.name())
}

// get is zfs get.
func (t *tool) get() int {
	var names []string
	for _, n := range strings.Split(t.args[0], ",") {
		if n == "all" {
			names = append(names, told...)
			for p := range properties {
				names = append(names, p)
			}
			slices.Sort(names[len(told):])
			continue
		}
		full, is := known(n)
		if !is {
			return t.wrong("bad property list: invalid property '%s'", n)
		}
		names = append(names, full)
	}
	kinds, bad := t.kinds()
	if bad != "" {
		return t.wrong("invalid type '%s'", bad)
	}
	t.args = t.args[1:]
	found, status := t.chosen(kinds)
	columns := strings.Split(t.last('o', "name,property,value,source"), ",")
	var rows [][]string
	for _, x := range found {
		for _, n := range names {
			v, source := t.value(x, n, t.has('p'))
			if v == none && source == none && !isUser(n) && len(names) >= len(told) {
				continue // "all" leaves out what a thing does not have
			}
			cell := map[string]string{"name": x.name(), "property": n, "value": v, "source": source, "received": none}
			if r, is := x.d.received[n]; is && x.s == nil {
				cell["received"] = r
			}
			var row []string
			for _, c := range columns {
				row = append(row, cell[c])
			}
			rows = append(rows, row)
		}
	}
	t.table(rows)
	return status
}
