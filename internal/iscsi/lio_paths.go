package iscsi

import (
	"slices"
	"strconv"
	"strings"
)

// paths are the portal groups in which a backstore is a LUN. Directories are iscsi/IQN/tpgt_N/lun/lun_N, with a symbolic link in it
// that leads to …/core/HBA/NAME; and iscsi/IQN/tpgt_N/acls/INITIATOR/lun_N, with one that leads to …/tpgt_N/lun/lun_N.
func (t *tree) paths(store string) ([]Path, error) {
	var list []Path
	for _, dir := range keys(t.links) {
		parts := strings.Split(dir, "/")
		if len(parts) != 5 || parts[3] != "lun" || !leads(t.links[dir], "/"+store) {
			continue
		}
		group, err := tag(parts[2], "tpgt_")
		if err != nil {
			return nil, err
		}
		lun, err := tag(parts[4], "lun_")
		if err != nil {
			return nil, err
		}
		tpg := strings.Join(parts[:3], "/")
		p := Path{Target: parts[1], Group: group, LUN: lun, Enabled: strings.TrimSpace(t.values[tpg+"/enable"]) == "1",
			Open: strings.TrimSpace(t.values[tpg+"/attrib/generate_node_acls"]) == "1"}
		if p.ACLs, err = t.acls(tpg, "/"+dir); err != nil {
			return nil, err
		}
		if who, known := t.values[tpg+"/dynamic_sessions"]; known {
			p.Unlisted = append([]string{}, trimmed(who)...)
		}
		for _, d := range t.dirs {
			if portal, found := strings.CutPrefix(d, tpg+"/np/"); found && !strings.Contains(portal, "/") {
				p.Portals = append(p.Portals, portal)
			}
		}
		list = append(list, p)
	}
	return list, nil
}

// acls are the initiators that are given a LUN.
func (t *tree) acls(tpg, lun string) ([]ACL, error) {
	var list []ACL
	for _, dir := range keys(t.links) {
		rest, found := strings.CutPrefix(dir, tpg+"/acls/")
		initiator, number, has := strings.Cut(rest, "/")
		if !found || !has || strings.Contains(number, "/") || !leads(t.links[dir], lun) {
			continue
		}
		n, err := tag(number, "lun_")
		if err != nil {
			return nil, err
		}
		acl := tpg + "/acls/" + initiator
		a := ACL{Initiator: initiator, LUN: n, ReadOnly: strings.TrimSpace(t.values[dir+"/write_protect"]) == "1", CHAP: t.needsCHAP(tpg, acl),
			Session: session(t.values[acl+"/info"])}
		if !a.CHAP || t.secretsKnown {
			a.Mutual = of(a.CHAP && t.secrets[acl+"/auth/password_mutual"])
		}
		if a.CHAP {
			a.User = strings.TrimSpace(t.values[acl+"/auth/userid"])
		}
		if a.Mutual != nil && *a.Mutual {
			a.MutualUser = strings.TrimSpace(t.values[acl+"/auth/userid_mutual"])
		}
		list = append(list, a)
	}
	return list, nil
}

// needsCHAP: an ACL may say otherwise than its group; -1, or nothing before Linux 6.1, is as the group.
func (t *tree) needsCHAP(tpg, acl string) bool {
	for _, dir := range []string{acl, tpg} {
		switch strings.TrimSpace(t.values[dir+"/attrib/authentication"]) {
		case "0":
			return false
		case "1":
			return true
		}
	}
	return false
}

// session reads the attribute info of an ACL. Only the sentence that says so means that nobody is logged in.
func session(info string) *Session {
	lines := trimmed(info)
	switch {
	case len(lines) == 0:
		return nil
	case strings.HasPrefix(lines[0], noSession):
		return &Session{}
	}
	s := &Session{LoggedIn: true}
	for _, line := range lines {
		if state, found := strings.CutPrefix(line, sessionIs); found {
			s.State = state
		}
		if address, found := strings.CutPrefix(line, "Address "); found {
			s.From = append(s.From, strings.Fields(address + " ")[0])
		}
	}
	return s
}

// leads tells whether any of the links ends in path.
func leads(links []string, path string) bool {
	return slices.ContainsFunc(links, func(to string) bool { return strings.HasSuffix(to, path) })
}

func tag(name, prefix string) (uint16, error) {
	digits, found := strings.CutPrefix(name, prefix)
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || !found {
		return 0, unreadable("LIO has %q where %sN is expected", clip(name), prefix)
	}
	return uint16(n), nil
}
