package iscsi

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"nightshift/internal/fault"
)

const (
	ours         = "nightshift-" // groups of ours begin with it
	defaultGroup = 1
	illumosZvols = "/dev/zvol/rdsk/"
	secretScript = `umask 077; f=$(mktemp) || exit 1; trap "rm -f \"\$f\"" EXIT; cat >"$f" && "$@" -S "$f" "$0"` //nolint:gosec // it holds none
)

// Plan is what it takes to publish, in order; the view, by which initiators see it, comes last. None: it is so. It reads, and
// changes nothing. Sources: stmfadm(8), itadm(8).
func (t *COMSTARTarget) Plan(ctx context.Context, p Publication) ([]Command, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	as, err := As(COMSTAR, p.Identity)
	if err != nil {
		return nil, err
	}
	now, err := t.read(ctx)
	if err != nil {
		return nil, err
	}
	b := &comstarPlan{p: p, as: as, now: now, elevate: t.elevate}
	for _, step := range []func() error{b.unit, b.initiators, b.target, b.hosts, b.ports, b.show} {
		if err := step(); err != nil {
			return nil, fault.As(fault.NotDone, fmt.Errorf("publish %s: %w", p.Name, err))
		}
	}
	return b.commands, nil
}

type comstarPlan struct {
	p                      Publication
	as                     Identity
	now                    *comstar
	elevate                func([]string) []string
	commands               []Command
	hostGroup, targetGroup string
}

func (b *comstarPlan) add(argv ...string) {
	b.commands = append(b.commands, Command{Argv: b.elevate(argv)})
}

func inTheWay(format string, args ...any) error {
	return fault.As(fault.State, fmt.Errorf(format, args...))
}

// unit makes the logical unit with its GUID, which can be given only then.
func (b *comstarPlan) unit() error {
	for _, lu := range b.now.lus {
		same := Volume(lu.Device) == Volume(b.p.Device)
		switch {
		case lu.Name != b.as.NAA && !same:
			continue
		case lu.Name != b.as.NAA || !same:
			return inTheWay("%s: delete it first", lu.Describe())
		}
		want, got := b.as, lu.Identity
		want.LUN, want.Designators, want.PhysicalBlock, want.Revision = 0, nil, 0, "" // not told by stmfadm
		list := Words(Diff(want, got))
		if lu.ReadOnly != b.p.ReadOnly {
			list = append(list, fmt.Sprintf("write protection is not %t", b.p.ReadOnly))
		}
		if lu.State != Online {
			list = append(list, "it is "+string(lu.State))
		}
		if len(list) > 0 {
			return inTheWay("%s, and is not what it is to be: %s", lu.Describe(), strings.Join(list, "; "))
		}
		return nil
	}
	argv := []string{"stmfadm", "create-lu", "-p", "guid=" + b.as.NAA, "-p", "alias=" + b.p.Name}
	for _, option := range [][2]string{{"vid", b.as.Vendor}, {"pid", b.as.Product}, {"serial", b.as.Serial}, {"blk", number(uint64(b.as.LogicalBlock))}} {
		if option[1] != "" {
			argv = append(argv, "-p", option[0]+"="+option[1])
		}
	}
	if b.as.WriteCache != nil {
		argv = append(argv, "-p", "wcd="+strconv.FormatBool(!*b.as.WriteCache))
	}
	if b.p.ReadOnly {
		argv = append(argv, "-p", "wp=true")
	}
	b.add(append(argv, illumosZvols+Volume(b.p.Device))...)
	return nil
}

// initiators gives CHAP secrets, over a file that is made and removed again.
func (b *comstarPlan) initiators() error {
	for _, g := range b.p.Grants {
		if g.CHAP == nil {
			continue
		}
		if g.CHAP.MutualUser != "" {
			return fault.As(fault.Unsupported, fmt.Errorf("COMSTAR proves itself with one secret per target, not per initiator: %s", g.Initiator))
		}
		verb := "create-initiator"
		known, there := b.now.initiators[g.Initiator]
		if there {
			verb = "modify-initiator"
		}
		argv := append([]string{"sh", "-c", secretScript, g.Initiator}, b.elevate([]string{"itadm", verb, "-u", g.CHAP.User})...)
		b.commands = append(b.commands, Command{Argv: argv, Input: secretWords + g.Initiator, stdin: g.CHAP.Secret.Reveal(),
			renews: known.secret && cmp.Or(known.user, g.Initiator) == g.CHAP.User})
	}
	return nil
}

// target makes portal group and target. A portal group's tag is its name, where that is a number; 1 is that of all addresses.
func (b *comstarPlan) target() error {
	auth := "none"
	if b.p.Grants[0].CHAP != nil {
		auth = "chap"
	}
	t := b.now.targets[b.p.Target]
	if t != nil {
		if t.state == Offline {
			return inTheWay("the target %s is offline: if it is not to be, stmfadm online-target %[1]s", b.p.Target)
		}
		if _, has := t.groups[b.p.Group]; !has && (b.p.Group != defaultGroup || len(t.groups) > 0) {
			return inTheWay("the target %s is there, and not in portal group %d", b.p.Target, b.p.Group)
		}
		if t.auth != auth {
			return inTheWay("the target %s is there, with authentication %s, not %s", b.p.Target, t.auth, auth)
		}
		return nil
	}
	argv := []string{"itadm", "create-target", "-n", b.p.Target, "-a", auth}
	if b.p.Group != defaultGroup {
		name := strconv.Itoa(int(b.p.Group))
		if have, there := b.now.portals[name]; !there {
			b.add(append([]string{"itadm", "create-tpg", name}, b.p.Portals...)...)
		} else if rest := subtract(addresses(b.p.Portals), addresses(have)); len(rest) > 0 {
			return inTheWay("portal group %s is there, without %s", name, strings.Join(rest, ", "))
		}
		argv = append(argv, "-t", name)
	}
	b.add(argv...)
	return nil
}

// addresses are portals without the port that is understood.
func addresses(portals []string) []string {
	var list []string
	for _, p := range portals {
		if a, err := netip.ParseAddrPort(p); err == nil && a.Port() == 3260 {
			p = a.Addr().String()
		}
		list = append(list, p)
	}
	return list
}

// hosts finds or makes the host group. An initiator can be in one only.
func (b *comstarPlan) hosts() error {
	var want []string
	for _, g := range b.p.Grants {
		want = append(want, g.Initiator)
		if g.ReadOnly && !b.p.ReadOnly {
			return fault.As(fault.Unsupported, fmt.Errorf("COMSTAR does not know write protection for one initiator: %s", g.Initiator))
		}
	}
	b.hostGroup = ours + b.p.Name
	for _, name := range keys(b.now.hostGroups) {
		members := b.now.hostGroups[name]
		rest, others := subtract(want, members), subtract(members, want)
		begun := name == b.hostGroup && len(others) == 0 && !b.now.shown(name) // made for it, and not to its end
		switch {
		case len(rest)+len(others) == 0:
			b.hostGroup = name
			return nil
		case begun, len(rest) == len(want) && name != b.hostGroup:
		default:
			return inTheWay("host group %s has %s: an initiator can be in one group only, and others would see the LUN", name, strings.Join(members, ", "))
		}
	}
	members, begun := b.now.hostGroups[b.hostGroup]
	if !begun {
		b.add("stmfadm", "create-hg", b.hostGroup)
	}
	for _, initiator := range subtract(want, members) {
		b.add("stmfadm", "add-hg-member", "-g", b.hostGroup, initiator)
	}
	return nil
}

// shown tells whether something is shown to a host group.
func (c *comstar) shown(hostGroup string) bool {
	for _, views := range c.views {
		if slices.ContainsFunc(views, func(v view) bool { return v.hostGroup == hostGroup }) {
			return true
		}
	}
	return false
}

// ports finds or makes the target group. A target can be in one only, and has to be offline to get into it.
func (b *comstarPlan) ports() error {
	for _, name := range keys(b.now.targetGroups) {
		members := b.now.targetGroups[name]
		if !slices.Contains(members, b.p.Target) {
			continue
		}
		if len(members) > 1 {
			return inTheWay("target group %s has %s: the LUN would be seen through all of them", name, strings.Join(members, ", "))
		}
		b.targetGroup = name
		return nil
	}
	if t := b.now.targets[b.p.Target]; t != nil && len(t.sessions) > 0 {
		return inTheWay("the target %s would have to go offline, and initiators are logged in: %s", b.p.Target, strings.Join(keys(t.sessions), ", "))
	}
	b.targetGroup = ours + b.p.Name
	members, begun := b.now.targetGroups[b.targetGroup]
	switch {
	case len(members) > 0:
		return inTheWay("target group %s has %s: the LUN would be seen through it, too", b.targetGroup, strings.Join(members, ", "))
	case !begun:
		b.add("stmfadm", "create-tg", b.targetGroup)
	}
	b.add("stmfadm", "offline-target", b.p.Target)
	b.add("stmfadm", "add-tg-member", "-g", b.targetGroup, b.p.Target)
	b.add("stmfadm", "online-target", b.p.Target)
	return nil
}

// show adds the view.
func (b *comstarPlan) show() error {
	if views := b.now.views[b.as.NAA]; len(views) > 0 {
		v := views[0]
		if len(views) == 1 && v == (view{hostGroup: b.hostGroup, targetGroup: b.targetGroup, lun: b.as.LUN}) {
			return nil
		}
		return inTheWay("it is shown already: host group %s, target group %s, LUN %s", v.hostGroup, v.targetGroup,
			cmp.Or(lunOf(Identity{LUN: v.lun, NoLUN: v.noLUN}), notKnown))
	}
	b.add("stmfadm", "add-view", "-h", b.hostGroup, "-t", b.targetGroup, "-n", strconv.Itoa(int(b.as.LUN)), strings.ToUpper(b.as.NAA))
	return nil
}

// PlanUnpublish is what it takes to take a logical unit from all initiators. name is its NAA. Groups and targets stay.
func (t *COMSTARTarget) PlanUnpublish(ctx context.Context, name string, sessions bool) ([]Command, error) {
	naa, err := CanonicalNAA(name)
	if err != nil {
		return nil, fault.As(fault.NotDone, fault.As(fault.Invalid, err))
	}
	now, err := t.read(ctx)
	if err != nil {
		return nil, err
	}
	l := now.listing()
	lu, found := l.Find(naa)
	if !found {
		return nil, nil
	}
	if err := lu.unused(sessions); err != nil {
		return nil, err
	}
	var list []Command
	guid := strings.ToUpper(naa)
	if len(now.views[naa]) > 0 {
		list = append(list, Command{Argv: t.elevate([]string{"stmfadm", "remove-view", "-l", guid, "-a"})})
	}
	return append(list, Command{Argv: t.elevate([]string{"stmfadm", "delete-lu", guid})}), nil
}

// unused refuses where initiators are logged in, or may be, unless accepted is true.
func (lu LU) unused(accepted bool) error {
	loggedIn, unknown := lu.Sessions()
	if accepted || len(loggedIn) == 0 && unknown == 0 {
		return nil
	}
	if len(loggedIn) == 0 {
		return fault.As(fault.NotDone, inTheWay("unpublish %s: it is not known whether initiators are logged in", lu.Name))
	}
	return fault.As(fault.NotDone, inTheWay("unpublish %s: initiators are logged in: %s", lu.Name, strings.Join(loggedIn, ", ")))
}

func keys[V any](m map[string]V) []string {
	list := make([]string, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}
