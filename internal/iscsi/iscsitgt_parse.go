package iscsi

import (
	"encoding/xml"
	"strconv"
	"strings"
)

// What `svccfg export iscsitgt` prints: the document's way to keep the identity of its LUNs. Source of the property groups:
// illumos-gate usr/src/cmd/iscsi/iscsitgtd/mgmt_scf.c (mgmt_get_main_config, mgmt_param_save2scf).
//
//	target_NAME      iscsi-name, alias, acl-list (local names of initiators), tpgt-list, lun-list
//	initiator_NAME   iscsi-name, chap-name
//	tpgt_N           ip-address-list
//	param_NAME_LUN   guid, vid, pid, dtype, size (blocks of 512 bytes), backing-store, status
//	passwords        CHAP secrets in base64: never read here
//
// In names, ':' is written __2 and '.' is written __1.

type smfBundle struct {
	Services []struct {
		Name   string     `xml:"name,attr"`
		Groups []smfGroup `xml:"property_group"`
		Inside []struct {
			Groups []smfGroup `xml:"property_group"`
		} `xml:"instance"`
	} `xml:"service"`
}

type smfGroup struct {
	Name   string `xml:"name,attr"`
	Values []struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	} `xml:"propval"`
	Lists []struct {
		Name  string `xml:"name,attr"`
		Lists []struct {
			Values []struct {
				Value string `xml:"value,attr"`
			} `xml:"value_node"`
		} `xml:",any"`
	} `xml:"property"`
}

func (g smfGroup) get(name string) string {
	for _, v := range g.Values {
		if v.Name == name {
			return v.Value
		}
	}
	return strings.Join(g.list(name), " ")
}

// list is a property with several values; svccfg writes one with a single value as a propval.
func (g smfGroup) list(name string) []string {
	for _, p := range g.Lists {
		if p.Name != name {
			continue
		}
		var list []string
		for _, values := range p.Lists {
			for _, v := range values.Values {
				list = append(list, v.Value)
			}
		}
		return list
	}
	for _, v := range g.Values {
		if v.Name == name {
			return []string{v.Value}
		}
	}
	return nil
}

var smfNames = strings.NewReplacer("__2", ":", "__1", ".")

// iscsitgt is the configuration of the old target.
type iscsitgt struct {
	targets    map[string]smfGroup
	initiators map[string]smfGroup
	tpgts      map[string]smfGroup
	params     map[string]smfGroup // by NAME_LUN
}

// parseSMF reads the XML.
func parseSMF(out []byte) (*iscsitgt, error) {
	var bundle smfBundle
	if err := xml.Unmarshal(out, &bundle); err != nil {
		return nil, unreadable("`svccfg export iscsitgt`: %s", err)
	}
	t := &iscsitgt{targets: map[string]smfGroup{}, initiators: map[string]smfGroup{}, tpgts: map[string]smfGroup{}, params: map[string]smfGroup{}}
	found := false
	for _, s := range bundle.Services {
		if s.Name != "system/iscsitgt" {
			continue
		}
		found = true
		t.add(s.Groups)
		for _, i := range s.Inside {
			t.add(i.Groups)
		}
	}
	if !found {
		return nil, unreadable("`svccfg export iscsitgt`: there is no service system/iscsitgt in it")
	}
	return t, nil
}

func (t *iscsitgt) add(groups []smfGroup) {
	for _, g := range groups {
		kind, name, found := strings.Cut(smfNames.Replace(g.Name), "_")
		if !found {
			continue
		}
		switch kind {
		case "target":
			t.targets[name] = g
		case "initiator":
			t.initiators[name] = g
		case "tpgt":
			t.tpgts[name] = g
		case "param":
			t.params[name] = g
		}
	}
}

// listing is what there is; sessions, by the target's local name, are from `iscsitadm list target -v`, nil: not known.
func (t *iscsitgt) listing(sessions map[string]map[string]bool) (Listing, error) {
	l := Listing{Kind: Iscsitgt, Running: true}
	for _, name := range keys(t.targets) {
		g := t.targets[name]
		for _, number := range t.luns(name) {
			lu, err := t.unit(name, number)
			if err != nil {
				return Listing{}, err
			}
			if lu.Paths, err = t.paths(g, lu.Identity.LUN, sessions[name]); err != nil {
				return Listing{}, err
			}
			for _, p := range lu.Paths {
				if p.Open {
					l.Remarks = append(l.Remarks, p.Target+" shows "+lu.Name+" to every initiator")
				}
			}
			l.LUs = append(l.LUs, lu)
		}
	}
	return l, nil
}

// luns are the numbers of a target's LUNs: those that have parameters.
func (t *iscsitgt) luns(target string) []string {
	var list []string
	for _, key := range keys(t.params) {
		rest, found := strings.CutPrefix(key, target+"_")
		if _, err := strconv.ParseUint(rest, 10, 16); found && err == nil {
			list = append(list, rest)
		}
	}
	return list
}

// unit names a logical unit by its target, and the LUN number where that is not 0.
func (t *iscsitgt) unit(target, number string) (LU, error) {
	g := t.params[target+"_"+number]
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return LU{}, unreadable("`svccfg export iscsitgt`: LUN %q of %s is no number", number, target)
	}
	lu := LU{Name: target + "/" + number, Device: g.get("backing-store"), State: stateOf(g.get("status")), Saved: true}
	lu.Identity = Identity{LUN: uint16(n), Vendor: printable([]byte(g.get("vid"))), Product: printable([]byte(g.get("pid"))), LogicalBlock: sectorSize}
	if guid := g.get("guid"); guid != "" && strings.Trim(guid, "0x") != "" { // 0x0: it is made up when first used
		if lu.Identity.NAA, err = CanonicalNAA(guid); err != nil {
			return LU{}, unreadable("`svccfg export iscsitgt`: LUN %s of %s: %s", number, target, err)
		}
	}
	if size := g.get("size"); size != "" {
		blocks, err := strconv.ParseUint(size, 0, 48)
		if err != nil {
			return LU{}, unreadable("`svccfg export iscsitgt`: LUN %s of %s has the size %q", number, target, clip(size))
		}
		lu.Identity.Size = blocks * sectorSize
	}
	return lu, nil
}

// paths are the target's portal groups; without any it answers on all addresses, as group 1.
func (t *iscsitgt) paths(g smfGroup, lun uint16, sessions map[string]bool) ([]Path, error) {
	var acls []ACL
	for _, local := range g.list("acl-list") {
		i := t.initiators[local]
		user := i.get("chap-name")
		a := ACL{Initiator: i.get("iscsi-name"), LUN: lun, CHAP: user != "", User: user}
		if a.Initiator == "" {
			a.Initiator = "initiator " + local // which is not defined any more
		}
		if sessions != nil {
			a.Session = &Session{LoggedIn: sessions[a.Initiator]}
		}
		acls = append(acls, a)
	}
	p := Path{Target: g.get("iscsi-name"), Group: defaultGroup, Enabled: true, LUN: lun, Open: len(acls) == 0, ACLs: acls}
	tags := g.list("tpgt-list")
	if len(tags) == 0 {
		return []Path{p}, nil
	}
	var list []Path
	for _, tag := range tags {
		n, err := strconv.ParseUint(tag, 10, 16)
		if err != nil {
			return nil, unreadable("`svccfg export iscsitgt`: the portal group %q of %s is no number", clip(tag), p.Target)
		}
		p.Group, p.Portals = uint16(n), t.tpgts[tag].list("ip-address-list")
		list = append(list, p)
	}
	return list, nil
}

// parseIscsitadm reads `iscsitadm list target -v` for who is logged in to which target, by its local name. Indentation is lost in some
// captures, and labels were written with other capitals: it goes by the words alone.
func parseIscsitadm(out []byte) (map[string]map[string]bool, error) {
	sessions := map[string]map[string]bool{}
	target, connected := "", false
	for n, line := range strings.Split(string(out), "\n") {
		label, value, found := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		switch strings.ToLower(label) {
		case "":
			if found {
				return nil, unreadable("line %d of `iscsitadm list target -v` is not understood: %q", n+1, clip(line))
			}
		case "target":
			target, connected = value, false
			sessions[target] = map[string]bool{}
		case "initiator": // below "Connections" it has the name in the next line, or in this one; in the ACL list it is a local name
			connected = value == "" || strings.HasPrefix(strings.ToLower(value), "iscsi name:")
			if _, name, has := strings.Cut(value, ":"); connected && has && target != "" {
				sessions[target][strings.ReplaceAll(strings.TrimSpace(name), " ", "")] = true
				connected = false
			}
		case "iscsi name":
			if target == "" {
				return nil, unreadable("line %d of `iscsitadm list target -v` is before any target: %q", n+1, clip(line))
			}
			if connected {
				sessions[target][value] = true
				connected = false
			}
		case "acl list", "tpgt list", "lun information":
			connected = false
		}
	}
	return sessions, nil
}
