package storage

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// version is what the tools say.
const version = "2.3.2-2~bpo12+2"

// A tool is one run of zfs or zpool: the host is locked.
type tool struct {
	*Host
	user      string
	out, errs *bytes.Buffer
	opts      map[byte][]string // values of options, "" for those without
	args      []string
}

// usage is status 2, with which the tools show how they are used.
const usage = 2

func (t *tool) print(format string, args ...any) { fmt.Fprintf(t.out, format, args...) }

// fail prints why it does not, and answers status 1.
func (t *tool) fail(format string, args ...any) int {
	fmt.Fprintf(t.errs, format+"\n", args...)
	return 1
}

// wrong is fail with how it is used.
func (t *tool) wrong(format string, args ...any) int {
	t.fail(format, args...)
	fmt.Fprint(t.errs, "usage:\n\tthe manual page tells\n")
	return usage
}

func (t *tool) has(o byte) bool { return t.opts[o] != nil }

func (t *tool) last(o byte, def string) string {
	if v := t.opts[o]; len(v) > 0 {
		return v[len(v)-1]
	}
	return def
}

// parse takes options apart: those with a value have a colon behind them, as for getopt.
func (t *tool) parse(argv []string, options string) int {
	t.opts = map[byte][]string{}
	for len(argv) > 0 && len(argv[0]) > 1 && argv[0][0] == '-' {
		word := argv[0]
		argv = argv[1:]
		if word == "--" {
			break
		}
		for i := 1; i < len(word); i++ {
			at := strings.IndexByte(options, word[i])
			if at < 0 || word[i] == ':' {
				return t.wrong("invalid option '%c'", word[i])
			}
			if at+1 == len(options) || options[at+1] != ':' {
				t.opts[word[i]] = append(t.opts[word[i]], "")
				continue
			}
			value := word[i+1:]
			if value == "" {
				if len(argv) == 0 {
					return t.wrong("missing argument for '%c' option", word[i])
				}
				value, argv = argv[0], argv[1:]
			}
			t.opts[word[i]] = append(t.opts[word[i]], value)
			break
		}
	}
	t.args = argv
	return 0
}

// A verb is one command of zfs: its options, how many arguments it has at least, and what it does.
type verb struct {
	options string
	least   int
	do      func(t *tool) int
}

func verbs() map[string]verb {
	return map[string]verb{
		"list": {"Hpro:t:d:s:S:", 0, (*tool).list}, "get": {"Hpro:t:d:s:", 1, (*tool).get}, "set": {"u", 2, (*tool).set},
		"inherit": {"rS", 2, (*tool).inherit}, "create": {"pso:V:b:", 1, (*tool).create}, "clone": {"po:", 2, (*tool).clone},
		"rename": {"pruf", 2, (*tool).rename}, "destroy": {"rRdfnpv", 1, (*tool).destroy}, "snapshot": {"ro:", 1, (*tool).snapshots},
		"snap": {"ro:", 1, (*tool).snapshots}, "hold": {"r", 2, (*tool).hold}, "release": {"r", 2, (*tool).release}, "holds": {"Hrp", 1, (*tool).listHolds},
		"bookmark": {"", 2, (*tool).bookmark}, "promote": {"", 1, (*tool).promote}, "mount": {"vfO", 1, (*tool).mount}, "load-key": {"nraL:", 1, (*tool).loadKey}, "unload-key": {"ra", 1, (*tool).unloadKey},
		"rollback": {"rRf", 1, (*tool).rollback}, "allow": {"ldcu:g:es:", 1, (*tool).allow},
		"unallow": {"rldcu:g:es:", 1, (*tool).unallow}, "version": {"", 0, func(t *tool) int { t.print("zfs-%s\nzfs-kmod-%s\n", version, version); return 0 }},
	}
}

// zfs runs one command of it. The host is locked.
func (c *call) zfs(argv []string, out, errs *bytes.Buffer) int {
	t := &tool{Host: c.Host, user: c.p.user, out: out, errs: errs}
	if len(argv) == 0 {
		return t.wrong("missing command")
	}
	v, is := verbs()[argv[0]]
	if !is {
		return t.wrong("unrecognized command '%s'", argv[0])
	}
	if status := t.parse(argv[1:], v.options); status != 0 {
		return status
	}
	if len(t.args) < v.least {
		return t.wrong("missing argument")
	}
	return v.do(t)
}

// open finds what a name is of; nil: it says that it is not there.
func (t *tool) open(name string) *thing {
	if x := t.find(name); x != nil {
		return x
	}
	t.fail("cannot open '%s': dataset does not exist", name)
	return nil
}

// openSnapshot is open for what has to be a snapshot.
func (t *tool) openSnapshot(name string) *thing {
	if !strings.Contains(name, "@") {
		t.fail("cannot open '%s': missing '@' delimiter in snapshot name", name)
		return nil
	}
	return t.open(name)
}

func (t *tool) find(name string) *thing {
	at := strings.IndexAny(name, "@#")
	if at < 0 {
		if d := t.dataset(name); d != nil {
			return &thing{d: d}
		}
		return nil
	}
	d := t.dataset(name[:at])
	if d == nil {
		return nil
	}
	if name[at] == '#' {
		if b := d.mark(name[at+1:]); b != nil {
			return &thing{d: d, b: b}
		}
		return nil
	}
	if s := d.snap(name[at+1:]); s != nil {
		return &thing{d: d, s: s}
	}
	return nil
}

// legal says whether ZFS takes a name; else it says why not.
func legal(name string) string {
	if len(name) > 255 {
		return "name is too long"
	}
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune("/@#", r) }) {
		for i := range len(part) {
			b := part[i]
			if (b < 'a' || b > 'z') && (b < 'A' || b > 'Z') && (b < '0' || b > '9') && strings.IndexByte("-_.: ", b) < 0 {
				return fmt.Sprintf("invalid character '%c' in name", b)
			}
		}
	}
	if strings.Contains(name, "//") || strings.HasSuffix(name, "/") || name == "" {
		return "empty component or misplaced '@' or '#' delimiter in name"
	}
	return ""
}

// children are the datasets directly in one.
func (d *dataset) children() []*dataset {
	return slices.DeleteFunc(d.below(), func(c *dataset) bool { return c.parent() != d })
}
