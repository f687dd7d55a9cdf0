package iscsi

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"nightshift/internal/fault"
)

// An IscsitgtTarget is the old target of Solaris and OpenSolaris, of the document. As with COMSTAR, what publishing takes is planned,
// and run only where unproven is true.
type IscsitgtTarget struct {
	run      Runner
	elevate  func(argv []string) []string
	unproven bool
}

// NewIscsitgt makes the target of a storage host; elevate makes of a command the one that runs with the rights to it.
func NewIscsitgt(run Runner, elevate func(argv []string) []string, unproven bool) *IscsitgtTarget {
	return &IscsitgtTarget{run: run, elevate: elevate, unproven: unproven}
}

// withoutPasswords prints what a command prints, without the CHAP secrets: they do not leave the host. A group that ends in its own line
// takes no other with it.
const withoutPasswords = `"$@" | sed -e "/<property_group name=.passwords.[^>]*\/>/d" -e "/<property_group name=.passwords./,/<\/property_group>/d"` //nolint:gosec // it holds none

// List implements Target.
func (t *IscsitgtTarget) List(ctx context.Context) (Listing, error) {
	c, sessions, err := t.read(ctx)
	if err != nil {
		return Listing{}, err
	}
	return c.listing(sessions)
}

func (t *IscsitgtTarget) read(ctx context.Context) (*iscsitgt, map[string]map[string]bool, error) {
	argv := append([]string{"sh", "-c", withoutPasswords, "sh"}, t.elevate([]string{"svccfg", "export", "iscsitgt"})...)
	out, err := ask(ctx, t.run, argv)
	if err != nil {
		return nil, nil, err
	}
	c, err := parseSMF(out)
	if err != nil {
		return nil, nil, err
	}
	if out, err = ask(ctx, t.run, t.elevate([]string{"iscsitadm", "list", "target", "-v"})); err != nil {
		return nil, nil, err
	}
	sessions, err := parseIscsitadm(out)
	return c, sessions, err
}

// Publish implements Target. Where the lab file does not say that it may be run it is refused, with the commands.
func (t *IscsitgtTarget) Publish(ctx context.Context, p Publication) ([]string, error) {
	commands, err := t.Plan(ctx, p)
	if err != nil {
		return nil, err
	}
	return carryOut(ctx, t.run, "publish "+p.Name, commands, t.unproven)
}

// Unpublish implements Target. name is that of a logical unit of List.
func (t *IscsitgtTarget) Unpublish(ctx context.Context, name string, sessions bool) ([]string, error) {
	commands, err := t.PlanUnpublish(ctx, name, sessions)
	if err != nil {
		return nil, err
	}
	return carryOut(ctx, t.run, "unpublish "+name, commands, t.unproven)
}

// Plan is what it takes to publish, in order. The GUID has no option: it is written into the service's configuration, as vendor
// and product are, before any initiator is let in. Sources: the document's section "SMF iscsitgt import and iSCSI configuration
// details"; usr/src/cmd/iscsi/iscsitadm/main.c. None: it is so.
func (t *IscsitgtTarget) Plan(ctx context.Context, p Publication) ([]Command, error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	as, err := As(Iscsitgt, p.Identity)
	if err != nil {
		return nil, err
	}
	for _, g := range p.Grants {
		if g.CHAP != nil {
			return nil, unsupported("iscsitadm asks for CHAP secrets on a terminal only: set that of %s by hand", g.Initiator)
		}
		if g.ReadOnly || p.ReadOnly {
			return nil, unsupported("iscsitgt does not know write protection: %s", g.Initiator)
		}
	}
	c, _, err := t.read(ctx)
	if err != nil {
		return nil, err
	}
	b := &iscsitgtPlan{p: p, as: as, now: c, elevate: t.elevate}
	if err := b.plan(); err != nil {
		return nil, fault.As(fault.NotDone, fmt.Errorf("publish %s: %w", p.Name, err))
	}
	return b.commands, nil
}

type iscsitgtPlan struct {
	p        Publication
	as       Identity
	now      *iscsitgt
	elevate  func([]string) []string
	commands []Command
}

func (b *iscsitgtPlan) add(argv ...string) {
	b.commands = append(b.commands, Command{Argv: b.elevate(argv)})
}

func (b *iscsitgtPlan) plan() error {
	have, err := b.now.listing(nil)
	if err != nil {
		return err
	}
	local, beside, itself := b.p.Name, (*LU)(nil), (*LU)(nil) // the target, a LUN that it has already, and this one
	for i, lu := range have.LUs {
		switch same := Volume(lu.Device) == Volume(b.p.Device); {
		case same && lu.Identity.NAA == b.as.NAA && itself == nil:
			itself = &have.LUs[i]
		case same, lu.Identity.NAA == b.as.NAA:
			return inTheWay("%s: delete it first", lu.Describe())
		case lu.Paths[0].Target == b.p.Target:
			local, _, _ = strings.Cut(lu.Name, "/")
			beside = &have.LUs[i]
			if lu.Identity.LUN == b.as.LUN {
				return inTheWay("LUN %d of %s is %s", b.as.LUN, b.p.Target, lu.Device)
			}
		}
	}
	if itself != nil {
		if list := b.differs(*itself); len(list) > 0 {
			return inTheWay("%s, and is not what it is to be: %s", itself.Describe(), strings.Join(list, "; "))
		}
		return nil
	}
	if beside != nil {
		return b.join(local, *beside)
	}
	if b.as.LUN != 0 {
		return fault.As(fault.Unsupported, fmt.Errorf("a target of iscsitgt begins with LUN 0, and %s is none yet: LUN %d cannot be its first", b.p.Target, b.as.LUN))
	}
	for _, name := range keys(b.now.targets) {
		if iqn := b.now.targets[name].get("iscsi-name"); name == local || iqn == b.p.Target {
			return inTheWay("there is a target %s already, %s: what is meant for the new one would change it", name, iqn)
		}
	}
	tag := strconv.Itoa(int(b.p.Group))
	if err := b.portals(tag); err != nil {
		return err
	}
	names := b.initiators()
	b.create(local, "-n", b.p.Target)
	for _, name := range names {
		b.add("iscsitadm", "modify", "target", "--acl", name, local)
	}
	b.add("iscsitadm", "modify", "target", "-p", tag, local)
	b.identity(local)
	return nil
}

// join adds a LUN to a target that is there: who may log in, and where, is then the target's.
func (b *iscsitgtPlan) join(local string, beside LU) error {
	path := b.path(beside)
	if path.Group == 0 {
		return inTheWay("the target %s is there, and not in portal group %d", b.p.Target, b.p.Group)
	}
	for i := range path.ACLs {
		path.ACLs[i].LUN = b.as.LUN
	}
	if list := path.grantsDiffer(b.p); len(list) > 0 || path.Open {
		return inTheWay("the target %s is there, for others: %s", b.p.Target, strings.Join(list, "; "))
	}
	b.create(local)
	b.identity(local)
	return nil
}

// path is that of the wanted portal group; the zero one where there is none.
func (b *iscsitgtPlan) path(lu LU) Path {
	for _, p := range lu.Paths {
		if p.Target == b.p.Target && p.Group == b.p.Group {
			return p
		}
	}
	return Path{}
}

func (b *iscsitgtPlan) number() string { return strconv.Itoa(int(b.as.LUN)) }

func (b *iscsitgtPlan) create(local string, options ...string) {
	argv := append([]string{"iscsitadm", "create", "target"}, options...)
	b.add(append(argv, "-u", b.number(), "-t", "raw", "-b", illumosZvols+Volume(b.p.Device), local)...)
}

// identity gives it its identity, when only those who may are let in. The service is stopped meanwhile: it reads its configuration
// when it starts, and nobody may go on with a session to another GUID.
func (b *iscsitgtPlan) identity(local string) {
	b.add("svcadm", "disable", "-s", "iscsitgt")
	group := "param_" + strings.NewReplacer(":", "__2", ".", "__1").Replace(local) + "_" + b.number()
	for _, property := range [][2]string{{"guid", b.as.NAA}, {"vid", b.as.Vendor}, {"pid", b.as.Product}} {
		if property[1] != "" {
			b.add("svccfg", "-s", "iscsitgt", "setprop", group+"/"+property[0], "=", "astring:", `"`+property[1]+`"`)
		}
	}
	b.add("svcadm", "refresh", "iscsitgt")
	b.add("svcadm", "enable", "-s", "iscsitgt")
}

func (b *iscsitgtPlan) differs(lu LU) []string {
	want, got := b.as, lu.Identity
	var list []string
	if Volume(lu.Device) != Volume(b.p.Device) {
		list = append(list, "it is on "+lu.Device)
	}
	list = append(list, Words(Diff(want, got))...)
	if path := b.path(lu); path.Group == 0 {
		list = append(list, fmt.Sprintf("it is in group %d of %s", lu.Paths[0].Group, lu.Paths[0].Target))
	} else {
		list = append(list, path.grantsDiffer(b.p)...)
	}
	return list
}

func (b *iscsitgtPlan) portals(tag string) error {
	want := addresses(b.p.Portals)
	for _, a := range want {
		if strings.Contains(a, "]:") || strings.Count(a, ":") == 1 {
			return fault.As(fault.Unsupported, fmt.Errorf("iscsitgt listens on port 3260 only, not on %s", a))
		}
	}
	g, there := b.now.tpgts[tag]
	if there {
		if rest := subtract(want, g.list("ip-address-list")); len(rest) > 0 {
			return inTheWay("portal group %s is there, without %s", tag, strings.Join(rest, ", "))
		}
		return nil
	}
	b.add("iscsitadm", "create", "tpgt", tag)
	for _, a := range want {
		b.add("iscsitadm", "modify", "tpgt", "-i", a, tag)
	}
	return nil
}

// initiators are the local names of those that are granted it; they are made where there is none.
func (b *iscsitgtPlan) initiators() []string {
	var names []string
	for _, g := range b.p.Grants {
		name := ""
		for _, local := range keys(b.now.initiators) {
			if b.now.initiators[local].get("iscsi-name") == g.Initiator {
				name = local
			}
		}
		if name == "" {
			name = g.Initiator
			b.add("iscsitadm", "create", "initiator", "--iqn", g.Initiator, name)
		}
		names = append(names, name)
	}
	return names
}

// PlanUnpublish is what it takes to take a logical unit from all initiators. Initiators and portal groups stay.
func (t *IscsitgtTarget) PlanUnpublish(ctx context.Context, name string, sessions bool) ([]Command, error) {
	c, who, err := t.read(ctx)
	if err != nil {
		return nil, err
	}
	l, err := c.listing(who)
	if err != nil {
		return nil, err
	}
	lu, found := l.Find(name)
	if !found {
		return nil, nil
	}
	if err := lu.unused(sessions); err != nil {
		return nil, err
	}
	target, number, _ := strings.Cut(lu.Name, "/")
	if number == "0" && len(c.luns(target)) > 1 {
		return nil, fault.As(fault.NotDone, inTheWay("unpublish %s: LUN 0 goes last, and %s has others", lu.Name, target))
	}
	return []Command{{Argv: t.elevate([]string{"iscsitadm", "delete", "target", "-u", number, target})}}, nil
}
