package storage

import (
	"slices"
	"strconv"
	"strings"
)

// tell is a property that nobody sets.
func (h *Host) tell(t thing, name string, exact bool) string {
	at, guid, txg := t.d.creation, t.d.guid, t.d.txg
	if t.s != nil {
		at, guid, txg = t.s.creation, t.s.guid, t.s.txg
	} else if t.b != nil {
		at, guid, txg = t.b.creation, t.b.guid, t.b.txg
	}
	switch name {
	case "name":
		return t.name()
	case "type":
		return t.kind()
	case "guid":
		return strconv.FormatUint(guid, 10)
	case "createtxg":
		return strconv.FormatUint(txg, 10)
	case "creation":
		if exact {
			return strconv.FormatInt(at.Unix(), 10)
		}
		return at.Local().Format("Mon Jan _2 15:04 2006")
	}
	switch {
	case t.b == nil && (name == "keystatus" || slices.Contains(cryptOptions, name) || name == "encryptionroot"):
		return t.d.tellCrypt(name)
	case t.b != nil:
		if name == "referenced" {
			return number(h.referenced(t.d, t.b.refs), exact)
		}
		return none
	case t.s != nil:
		return h.tellSnapshot(t.s, name, exact)
	}
	return h.tellDataset(t.d, name, exact)
}

func (h *Host) tellSnapshot(s *snapshot, name string, exact bool) string {
	switch name {
	case "used":
		return number(s.unique()*h.cfg.Unit, exact)
	case "referenced", "logicalreferenced":
		return number(h.referenced(s.of, s.refs), exact)
	case "written":
		n := int64(len(s.delta)) * h.cfg.Unit
		if s == s.of.snaps[0] && s.of.origin == nil {
			n += s.of.empty()
		}
		return number(n, exact)
	case "compressratio":
		return ratio(exact)
	case "userrefs":
		return strconv.Itoa(len(s.holds))
	case "clones":
		var names []string
		for _, c := range s.clones {
			names = append(names, c.name)
		}
		slices.Sort(names)
		if len(names) == 0 {
			return none
		}
		return strings.Join(names, ",")
	case "defer_destroy":
		return onOff(s.doomed)
	}
	return none
}

func (h *Host) tellDataset(d *dataset, name string, exact bool) string {
	s := h.spread(d)
	switch name {
	case "used", "logicalused":
		return number(s.used(), exact)
	case "available":
		free, _ := h.available(d)
		return number(free, exact)
	case "referenced", "logicalreferenced":
		return number(h.referenced(d, d.refs), exact)
	case "written":
		n := int64(len(d.head)) * h.cfg.Unit
		if len(d.snaps) == 0 && d.origin == nil {
			n += d.empty()
		}
		return number(n, exact)
	case "usedbysnapshots":
		return number(s.snapshots, exact)
	case "usedbydataset":
		return number(s.dataset, exact)
	case "usedbychildren":
		return number(s.children, exact)
	case "usedbyrefreservation":
		return number(s.reserved, exact)
	case "compressratio":
		return ratio(exact)
	case "mounted":
		if d.volume {
			return none
		}
		return yesNo(d.mounted)
	case "origin":
		if d.origin != nil {
			return d.origin.full()
		}
	case "receive_resume_token":
		if d.partial != nil {
			return d.partial.token()
		}
	}
	return none
}

func ratio(exact bool) string {
	if exact {
		return "1.00"
	}
	return "1.00x"
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}
