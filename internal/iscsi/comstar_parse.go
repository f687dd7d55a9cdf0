package iscsi

import (
	"strconv"
	"strings"
)

// What COMSTAR's own tools print. Sources of the forms: illumos-gate usr/src/cmd/stmfadm/stmfadm.c and usr/src/cmd/itadm/itadm.c.

// A section is a line such as "LU Name: 600144F0…" with the fields below it, in order.
type section struct {
	head, name string
	fields     []field
}

type field struct{ name, value string }

func (s section) get(name string) string {
	for _, f := range s.fields {
		if f.name == name {
			return f.value
		}
	}
	return ""
}

// known is a field's value; empty where it is said that there is none.
func (s section) known(name string) string {
	switch v := s.get(name); v {
	case "-", "not set", "unknown", "<none>", "prop unavailable in standby", "<error retrieving property>":
		return ""
	default:
		return v
	}
}

// sections reads `HEAD: NAME` lines, each with indented `FIELD: VALUE` lines below it. Where something was printed that is neither,
// it is not the output that was expected.
func sections(what string, out []byte, head string) ([]section, error) {
	var list []section
	for n, line := range strings.Split(string(out), "\n") {
		line = strings.TrimRight(line, " \r")
		if strings.TrimSpace(line) == "" {
			continue
		}
		name, value, found := strings.Cut(line, ":")
		switch indented := line[0] == ' ' || line[0] == '\t'; {
		case !found || indented && len(list) == 0:
			return nil, unreadable("line %d of `%s` is not understood: %q", n+1, what, clip(line))
		case indented:
			last := &list[len(list)-1]
			last.fields = append(last.fields, field{strings.TrimSpace(name), strings.TrimSpace(value)})
		case strings.TrimSpace(name) == head:
			list = append(list, section{head: head, name: strings.TrimSpace(value)})
		default:
			return nil, unreadable("line %d of `%s` is not understood: %q", n+1, what, clip(line))
		}
	}
	return list, nil
}

// comstarLU reads one of `stmfadm list-lu -v`.
func comstarLU(s section) (LU, int, error) {
	naa, err := CanonicalNAA(s.name)
	if err != nil {
		return LU{}, 0, unreadable("`stmfadm list-lu -v`: %s", err)
	}
	lu := LU{Name: naa, Device: s.known("Data File"), State: stateOf(s.get("Operational Status")), ReadOnly: s.get("Write Protect") == "Enabled"}
	lu.Identity = Identity{NAA: naa, Vendor: s.known("Vendor ID"), Product: s.known("Product ID"), Serial: s.known("Serial Num")}
	if alias := s.known("Alias"); lu.Device == "" && strings.HasPrefix(alias, "/") {
		lu.Device = alias // it is the data file's name, where none was given
	}
	if lu.Identity.Size, err = comstarNumber(s, "Size", 64); err != nil {
		return LU{}, 0, err
	}
	block, err := comstarNumber(s, "Block Size", 32)
	if err != nil {
		return LU{}, 0, err
	}
	lu.Identity.LogicalBlock = uint32(block)
	switch cache := s.get("Writeback Cache") + s.get("Write Cache Mode Select"); cache { // the second is Solaris 11's
	case "Enabled":
		lu.Identity.WriteCache = of(true)
	case "Disabled":
		lu.Identity.WriteCache = of(false)
	}
	views, err := comstarNumber(s, "View Entry Count", 32)
	return lu, int(views), err
}

func comstarNumber(s section, name string, bits int) (uint64, error) {
	text := s.known(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, bits)
	if err != nil {
		return 0, unreadable("%s %s: %s is %q, not a number", s.head, s.name, name, clip(text))
	}
	return n, nil
}

func stateOf(text string) State {
	switch strings.ToLower(text) {
	case "online":
		return Online
	case "offline":
		return Offline
	}
	return Unknown
}

// A view says to whom, and as which LUN, a logical unit is shown; "All" is everybody.
type view struct {
	hostGroup, targetGroup string
	lun                    uint16
	noLUN                  bool // it is not told: Solaris 11 says "Auto" where it gave the number by itself
}

const everybody = "All"

// parseViews reads `stmfadm list-view -l GUID`.
func parseViews(out []byte) ([]view, error) {
	entries, err := sections("stmfadm list-view", out, "View Entry")
	if err != nil {
		return nil, err
	}
	var list []view
	for _, e := range entries {
		v := view{noLUN: true}
		for _, f := range e.fields {
			switch strings.ToLower(f.name) { // Solaris 11 writes "Host Group"
			case "host group":
				v.hostGroup = f.value
			case "target group":
				v.targetGroup = f.value
			case "lun":
				if f.value == "Auto" {
					continue
				}
				n, err := strconv.ParseUint(f.value, 10, 16)
				if err != nil {
					return nil, unreadable("`stmfadm list-view`: LUN %q of view entry %s is no number", clip(f.value), e.name)
				}
				v.lun, v.noLUN = uint16(n), false
			}
		}
		if v.hostGroup == "" || v.targetGroup == "" {
			return nil, unreadable("`stmfadm list-view`: view entry %s lacks its groups", e.name)
		}
		list = append(list, v)
	}
	return list, nil
}

// parseGroups reads `stmfadm list-hg -v` and `list-tg -v`: the members of each group.
func parseGroups(what string, out []byte, head string) (map[string][]string, error) {
	list, err := sections(what, out, head)
	if err != nil {
		return nil, err
	}
	groups := map[string][]string{}
	for _, s := range list {
		groups[s.name] = []string{}
		for _, f := range s.fields {
			if f.name == "Member" {
				groups[s.name] = append(groups[s.name], f.value)
			}
		}
	}
	return groups, nil
}

// A comstarTarget is what stmfadm and itadm say of a target.
type comstarTarget struct {
	name     string
	iscsi    bool
	state    State
	sessions map[string]bool   // initiators that are logged in
	auth     string            // none, chap, radius
	user     string            // of CHAP, with which it proves itself to initiators that ask for that; empty: it has no secret, or the name is its own
	groups   map[uint16]string // names of its portal groups by tag; none: the default one, 1
	known    bool
}

// parseTargets reads `stmfadm list-target -v`.
func parseTargets(out []byte) (map[string]*comstarTarget, error) {
	list, err := sections("stmfadm list-target -v", out, "Target")
	if err != nil {
		return nil, err
	}
	targets := map[string]*comstarTarget{}
	for _, s := range list {
		t := &comstarTarget{name: s.name, iscsi: s.get("Protocol") == "iSCSI", state: stateOf(s.get("Operational Status")), sessions: map[string]bool{}, known: true}
		for _, f := range s.fields {
			if f.name == "Initiator" {
				t.sessions[f.value] = true
			}
		}
		targets[s.name] = t
	}
	return targets, nil
}

// addAuth reads `itadm list-target -v`: a line for each target, and indented fields below it.
func addAuth(out []byte, targets map[string]*comstarTarget) error {
	var t *comstarTarget
	user := ""
	for n, line := range strings.Split(string(out), "\n") {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || strings.HasPrefix(line, "TARGET NAME"):
		case line[0] != ' ' && line[0] != '\t':
			if t = targets[words[0]]; t == nil {
				t = &comstarTarget{name: words[0], iscsi: true, state: Unknown, sessions: map[string]bool{}}
				targets[words[0]] = t
			}
			t.groups = map[uint16]string{}
		case t == nil:
			return unreadable("line %d of `itadm list-target -v` is not understood: %q", n+1, clip(line))
		case words[0] == "auth:" && len(words) > 1:
			t.auth = words[1]
		case words[0] == "targetchapuser:" && len(words) > 1:
			user = words[1]
		case words[0] == "targetchapsecret:" && len(words) > 1 && words[1] == "set" && user != "-":
			t.user = user
		case words[0] == "tpg-tags:":
			if err := t.tags(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "tpg-tags:"))); err != nil {
				return err
			}
		}
	}
	return nil
}

// tags reads "A = 2,B = 3", or "default".
func (t *comstarTarget) tags(text string) error {
	if text == "default" {
		return nil
	}
	for _, part := range strings.Split(text, ",") {
		name, number, found := strings.Cut(part, "=")
		n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 16)
		if err != nil || !found {
			return unreadable("`itadm list-target -v`: tpg-tags %q of %s are not understood", clip(text), t.name)
		}
		t.groups[uint16(n)] = strings.TrimSpace(name)
	}
	return nil
}

// parsePortals reads `itadm list-tpg -v`: a line for each group, and its portals, with commas between them, below it.
func parsePortals(out []byte) (map[string][]string, error) {
	groups := map[string][]string{}
	name := ""
	for n, line := range strings.Split(string(out), "\n") {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || strings.HasPrefix(line, "TARGET PORTAL GROUP"):
		case words[0] == "portals:" && name != "":
			if len(words) > 1 && words[1] != "<none>" {
				groups[name] = strings.Split(words[1], ",")
			}
		case line[0] != ' ' && line[0] != '\t' && len(words) == 2:
			name = words[0]
			groups[name] = nil
		default:
			return nil, unreadable("line %d of `itadm list-tpg -v` is not understood: %q", n+1, clip(line))
		}
	}
	return groups, nil
}

// A comstarInitiator is what itadm tells of an initiator: whether a CHAP secret is set, and its user; none: it is the initiator's own name.
type comstarInitiator struct {
	user   string
	secret bool
}

// parseInitiators reads `itadm list-initiator -v`.
func parseInitiators(out []byte) (map[string]comstarInitiator, error) {
	list := map[string]comstarInitiator{}
	for n, line := range strings.Split(string(out), "\n") {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || strings.HasPrefix(line, "INITIATOR NAME"):
		case len(words) == 3 && (words[2] == "set" || words[2] == "unset"):
			i := comstarInitiator{user: words[1], secret: words[2] == "set"}
			if i.user == "<none>" {
				i.user = ""
			}
			list[words[0]] = i
		default:
			return nil, unreadable("line %d of `itadm list-initiator -v` is not understood: %q", n+1, clip(line))
		}
	}
	return list, nil
}
