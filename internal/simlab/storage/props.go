package storage

import (
	"slices"
	"strconv"
	"strings"
)

// Types of things, as zfs names them.
const (
	filesystem = "filesystem"
	volume     = "volume"
	snap       = "snapshot"
	mark       = "bookmark"
)

// A thing is what has properties.
type thing struct {
	d *dataset
	s *snapshot
	b *bookmark
}

func (t thing) kind() string {
	switch {
	case t.s != nil:
		return snap
	case t.b != nil:
		return mark
	case t.d.volume:
		return volume
	}
	return filesystem
}

func (t thing) name() string {
	switch {
	case t.s != nil:
		return t.s.full()
	case t.b != nil:
		return t.d.name + "#" + t.b.name
	}
	return t.d.name
}

// A property is one that ZFS knows.
type property struct {
	kinds    string // that have it: f, v, s, b
	set      bool
	inherits bool
	def      string
	values   string // "on | off"; empty: others
	size     bool
}

// properties are those that can be set, and what they are unless they are set (zfs_prop.c).
var properties = map[string]property{
	"atime":          {kinds: "f", set: true, inherits: true, def: "on", values: "on | off"},
	"canmount":       {kinds: "f", set: true, def: "on", values: "on | off | noauto"},
	"checksum":       {kinds: "fv", set: true, inherits: true, def: "on"},
	"compression":    {kinds: "fv", set: true, inherits: true, def: "on"},
	"copies":         {kinds: "fv", set: true, inherits: true, def: "1", values: "1 | 2 | 3"},
	"dedup":          {kinds: "fv", set: true, inherits: true, def: "off"},
	"logbias":        {kinds: "fv", set: true, inherits: true, def: "latency", values: "latency | throughput"},
	"mountpoint":     {kinds: "f", set: true, inherits: true, def: "/"},
	"primarycache":   {kinds: "fvs", set: true, inherits: true, def: "all", values: "all | none | metadata"},
	"quota":          {kinds: "f", set: true, def: "0", size: true},
	"readonly":       {kinds: "fv", set: true, inherits: true, def: "off", values: "on | off"},
	"recordsize":     {kinds: "f", set: true, inherits: true, def: "131072", size: true},
	"refquota":       {kinds: "f", set: true, def: "0", size: true},
	"refreservation": {kinds: "fv", set: true, def: "0", size: true},
	"reservation":    {kinds: "fv", set: true, def: "0", size: true},
	"secondarycache": {kinds: "fvs", set: true, inherits: true, def: "all", values: "all | none | metadata"},
	"snapdev":        {kinds: "fv", set: true, inherits: true, def: "hidden", values: "hidden | visible"},
	"sync":           {kinds: "fv", set: true, inherits: true, def: "standard", values: "standard | always | disabled"},
	"volblocksize":   {kinds: "v", size: true},
	"volmode":        {kinds: "fv", set: true, inherits: true, def: "default", values: "default | full | geom | dev | none"},
	"volsize":        {kinds: "vs", set: true, size: true},
}

// told are those that nobody sets, in the order in which `zfs get all` tells them.
var told = []string{"type", "creation", "used", "available", "referenced", "compressratio", "mounted", "origin", "name", "guid", "createtxg", "userrefs", "clones",
	"defer_destroy", "written", "usedbysnapshots", "usedbydataset", "usedbychildren", "usedbyrefreservation", "logicalused", "logicalreferenced",
	"receive_resume_token", "encryption", "keystatus", "encryptionroot", "keyformat", "keylocation", "pbkdf2iters", "snapshot_count"}

var aliases = map[string]string{"avail": "available", "refer": "referenced", "usedsnap": "usedbysnapshots", "usedds": "usedbydataset",
	"usedchild": "usedbychildren", "usedrefreserv": "usedbyrefreservation", "rdonly": "readonly", "refreserv": "refreservation", "reserv": "reservation",
	"volblock": "volblocksize", "compress": "compression", "lused": "logicalused", "lrefer": "logicalreferenced", "ratio": "compressratio"}

// known is a property by its name or short name; false: ZFS does not know it.
func known(name string) (string, bool) {
	if a, is := aliases[name]; is {
		name = a
	}
	_, set := properties[name]
	return name, set || slices.Contains(told, name) || isUser(name)
}

func isUser(name string) bool { return strings.Contains(name, ":") }

const none = "-"

// value is what a thing has, and where from. Exact: numbers as with -p.
func (h *Host) value(t thing, name string, exact bool) (value, source string) {
	if slices.Contains(told, name) {
		return h.tell(t, name, exact), none
	}
	p := properties[name]
	if !isUser(name) && !strings.Contains(p.kinds, t.kind()[:1]) {
		return none, none
	}
	switch {
	case name == "volsize" && t.s != nil:
		if !t.d.volume {
			return none, none
		}
		return number(t.s.volsize, exact), "local"
	case name == "volsize":
		return number(t.d.volsize, exact), "local"
	case name == "volblocksize":
		return number(t.d.block, exact), "default"
	case t.s != nil && isUser(name):
		if v, has := t.s.user[name]; has {
			return v, "local"
		}
	case t.b != nil:
		return none, none
	}
	value, source = t.d.get(name)
	if t.s != nil && source == "local" {
		source = "inherited from " + t.d.name
	}
	if value == "" && isUser(name) {
		return none, none
	}
	if p.size {
		n, _ := strconv.ParseInt(value, 10, 64)
		if n == 0 {
			if exact {
				return "0", source
			}
			return "none", source
		}
		return number(n, exact), source
	}
	if name == "mountpoint" && source == "default" {
		value = "/" + t.d.name
	}
	return value, source
}

// get is a property as it is set, received, inherited or by default.
func (d *dataset) get(name string) (value, source string) {
	if v, is := d.local[name]; is {
		return v, "local"
	}
	if v, is := d.received[name]; is {
		return v, "received"
	}
	p := properties[name]
	if p.inherits || isUser(name) {
		for up := d.parent(); up != nil; up = up.parent() {
			for _, from := range []map[string]string{up.local, up.received} {
				if v, is := from[name]; is {
					if name == "mountpoint" && v != "none" && v != "legacy" {
						v += strings.TrimPrefix(d.name, up.name)
					}
					return v, "inherited from " + up.name
				}
			}
		}
	}
	return p.def, "default"
}

func (d *dataset) word(name string) string { v, _ := d.get(name); return v }
func (d *dataset) on(name string) bool     { return d.word(name) == "on" }
func (d *dataset) number(name string) int64 {
	n, _ := strconv.ParseInt(d.word(name), 10, 64) // what is set was checked
	return n
}
