package storage

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// minusOne is the status of a program that ends with -1.
const minusOne = 255

// maxValue is how long the value of a user property may be, in bytes.
const maxValue = 8191

// set is zfs set: all of its properties, or none.
func (t *tool) set() int {
	var props []string
	at := slices.IndexFunc(t.args, func(a string) bool { return !strings.Contains(a, "=") })
	if at <= 0 {
		return t.wrong("missing property=value argument")
	}
	props = t.args[:at]
	status := 0
	for _, n := range t.args[at:] {
		x := t.open(n)
		if x == nil {
			return 1
		}
		if t.setAll(x, props) != 0 {
			status = minusOne
		}
	}
	return status
}

func (t *tool) setAll(x *thing, props []string) int {
	values := map[string]string{}
	for _, p := range props {
		name, value, _ := strings.Cut(p, "=")
		full, v, why := t.checked(*x, name, value)
		if why != "" {
			return t.fail("cannot set property for '%s': %s", x.name(), why)
		}
		values[full] = v
	}
	for name := range values {
		if !t.may(x, permission(name)) {
			return t.fail("cannot set property for '%s': permission denied", x.name())
		}
	}
	if n, _ := strconv.ParseInt(values["quota"], 10, 64); n > 0 && n < t.spread(x.d).used() {
		return t.fail("cannot set property for '%s': size is less than current used or reserved space", x.name())
	}
	t.tick()
	for name, v := range values {
		switch {
		case x.s != nil:
			x.s.user[name] = v
		case name == "volsize":
			x.d.volsize, _ = strconv.ParseInt(v, 10, 64)
			if _, thick := x.d.local["refreservation"]; thick && x.d.number("refreservation") > 0 {
				x.d.local["refreservation"] = v
			}
		default:
			x.d.local[name] = v
		}
		t.changed(x.d, name)
	}
	return 0
}

// changed does what setting a property does besides.
func (h *Host) changed(d *dataset, name string) {
	if name == "mountpoint" || name == "canmount" {
		d.mounted = !d.volume && d.mountable()
	}
}

// mount is zfs mount.
func (t *tool) mount() int {
	x := t.open(t.args[0])
	switch {
	case x == nil:
		return 1
	case x.d.mounted:
		return t.fail("cannot mount '%s': filesystem already mounted", x.name())
	case x.d.word("mountpoint") == "none":
		return t.fail("cannot mount '%s': no mountpoint set", x.name())
	case t.user != root:
		return t.fail("cannot mount '%s': Insufficient privileges", x.name())
	}
	x.d.mounted = true
	return 0
}

func (d *dataset) mountable() bool {
	m := d.word("mountpoint")
	return d.word("canmount") == "on" && m != "none" && m != "legacy"
}

// permission is what `zfs allow` calls the right to set a property.
func permission(name string) string {
	if isUser(name) {
		return "userprop"
	}
	return name
}

// checked is a value as it is kept; why: it is refused.
func (t *tool) checked(x thing, name, value string) (full, kept, why string) {
	full, is := known(name)
	p := properties[full]
	switch {
	case !is:
		return "", "", fmt.Sprintf("invalid property '%s'", name)
	case isUser(full) && len(value) > maxValue:
		return "", "", fmt.Sprintf("property value too long: '%.40s'", full)
	case isUser(full):
		return full, value, ""
	case slices.Contains(told, full) || !p.set:
		return "", "", fmt.Sprintf("'%s' is readonly", full)
	case x.s != nil || x.b != nil:
		return "", "", "this property can not be modified for snapshots"
	case !strings.Contains(p.kinds, x.kind()[:1]):
		return "", "", fmt.Sprintf("'%s' does not apply to datasets of this type", full)
	case p.values != "" && !slices.Contains(strings.Split(p.values, " | "), value):
		return "", "", fmt.Sprintf("'%s' must be one of '%s'", full, p.values)
	case p.size:
		n, ok := size(value)
		if !ok || n < 0 {
			return "", "", fmt.Sprintf("bad numeric value '%s'", value)
		}
		if full == "volsize" && n == 0 {
			return "", "", "'volsize' cannot be zero"
		}
		if full == "volsize" && n%x.d.block != 0 {
			return "", "", fmt.Sprintf("'volsize' must be a multiple of volume block size (%s)", number(x.d.block, false))
		}
		return full, strconv.FormatInt(n, 10), ""
	}
	return full, value, ""
}

// inherit is zfs inherit.
func (t *tool) inherit() int {
	full, is := known(t.args[0])
	p := properties[full]
	switch {
	case !is:
		return t.wrong("invalid property '%s'", t.args[0])
	case !isUser(full) && !p.set:
		return t.fail("%s property is read-only", full)
	case !isUser(full) && !p.inherits && !t.has('S'):
		return t.fail("'%s' property cannot be inherited", full)
	}
	status := 0
	for _, n := range t.args[1:] {
		x := t.open(n)
		if x == nil {
			status = 1
			continue
		}
		if !t.may(x, permission(full)) {
			status = t.fail("cannot inherit %s for '%s': permission denied", full, n)
			continue
		}
		t.tick()
		if x.s != nil {
			delete(x.s.user, full)
			continue
		}
		delete(x.d.local, full)
		if !t.has('S') {
			delete(x.d.received, full)
		}
		t.changed(x.d, full)
	}
	return status
}
