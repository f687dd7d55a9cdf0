package iscsi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"nightshift/internal/fault"
)

// Differs says in what a logical unit of LIO is not as the publication wants it; nothing: it is published so. CHAP secrets are not
// compared: they are never read. Of other kinds, fault.Unsupported, Plan says it.
func Differs(l Listing, p Publication) ([]string, error) {
	if l.Kind != LIO {
		return nil, unsupported("logical units of the kind %q are not compared with a publication: what Plan answers is missing", l.Kind)
	}
	if err := p.Check(); err != nil {
		return nil, err
	}
	as, err := As(l.Kind, p.Identity)
	if err != nil {
		return nil, err
	}
	if others := l.sharers(as.NAA, p.Name); len(others) > 0 {
		return nil, fault.As(fault.NotDone, fault.As(fault.State, fmt.Errorf("naa.%s is shown already: %s", as.NAA, strings.Join(others, "; "))))
	}
	lu, found := l.Find(p.Name)
	if !found {
		return []string{"it is not published"}, nil
	}
	var list []string
	if lu.Device != p.Device {
		list = append(list, fmt.Sprintf("it is on %s, not on %s", lu.Device, p.Device))
	}
	want, got := as, lu.Identity
	want.LUN, got.LUN = 0, 0 // compared along the path
	list = append(list, Words(Diff(want, got))...)
	if lu.ReadOnly && !p.ReadOnly {
		list = append(list, "its backstore is read-only")
	}
	if !lu.Saved {
		list = append(list, "it does not come back when the host boots")
	}
	return append(list, lu.pathDiffers(p)...), nil
}

func (l Listing) sharers(naa, name string) []string {
	var list []string
	for _, lu := range l.Sharing(naa) {
		if lu.Name != name {
			list = append(list, lu.Describe())
		}
	}
	return list
}

func (lu LU) pathDiffers(p Publication) []string {
	var list []string
	if len(lu.Paths) > 1 {
		list = append(list, fmt.Sprintf("it is in %d portal groups, not in one", len(lu.Paths)))
	}
	var path *Path
	for i, have := range lu.Paths {
		if have.Target == p.Target && have.Group == p.Group {
			path = &lu.Paths[i]
		}
	}
	if path == nil {
		return append(list, fmt.Sprintf("it is not in group %d of %s", p.Group, p.Target))
	}
	if !path.Enabled {
		list = append(list, fmt.Sprintf("group %d of %s is closed", p.Group, p.Target))
	}
	if path.Open {
		list = append(list, fmt.Sprintf("group %d of %s lets every initiator in", p.Group, p.Target))
	}
	if path.LUN != p.Identity.LUN {
		list = append(list, fmt.Sprintf("it is LUN %d there, not %d", path.LUN, p.Identity.LUN))
	}
	list = append(list, missing("portal", p.Portals, path.Portals)...)
	return append(list, path.grantsDiffer(p)...)
}

func (path *Path) grantsDiffer(p Publication) []string {
	var list, want, have []string
	for _, g := range p.Grants {
		want = append(want, g.Initiator)
		for _, a := range path.ACLs {
			if a.Initiator != g.Initiator {
				continue
			}
			if a.LUN != p.Identity.LUN {
				list = append(list, fmt.Sprintf("it is LUN %d for %s, not %d", a.LUN, a.Initiator, p.Identity.LUN))
			}
			if a.ReadOnly != (g.ReadOnly || p.ReadOnly) {
				list = append(list, fmt.Sprintf("write protection for %s is not %t", a.Initiator, g.ReadOnly || p.ReadOnly))
			}
			mutual := g.CHAP != nil && g.CHAP.MutualUser != ""
			if a.CHAP != (g.CHAP != nil) || a.Mutual != nil && *a.Mutual != mutual {
				list = append(list, fmt.Sprintf("CHAP of %s is not as it should be", a.Initiator))
			}
		}
	}
	for _, a := range path.ACLs {
		have = append(have, a.Initiator)
	}
	list = append(list, missing("initiator", want, have)...)
	for _, extra := range subtract(have, want) {
		list = append(list, "the initiator "+extra+" may use it, and should not")
	}
	return list
}

func missing(what string, want, have []string) []string {
	var list []string
	for _, m := range subtract(want, have) {
		list = append(list, "the "+what+" "+m+" is missing")
	}
	return list
}

// subtract is what is in a and not in b.
func subtract(a, b []string) []string {
	var list []string
	for _, s := range a {
		if !slices.Contains(b, s) {
			list = append(list, s)
		}
	}
	return list
}

// Ensure publishes what is not published so, and reads again. It answers what was done; nothing: it was so already.
func Ensure(ctx context.Context, t Target, p Publication) ([]string, error) {
	lacks, err := lacking(ctx, t, p)
	if err != nil || len(lacks) == 0 {
		return nil, err
	}
	done, err := t.Publish(ctx, p)
	if err != nil {
		return done, err
	}
	lacks, err = lacking(ctx, t, p)
	if errors.Is(err, fault.NotDone) { // but it was
		lacks, err = []string{err.Error()}, nil
	}
	if err == nil && len(lacks) > 0 {
		err = errors.New(p.Name + " was published, and yet: " + strings.Join(lacks, "; "))
	}
	return done, err
}

// lacking reads what a publication differs in, or, where things have other names than those of a publication, what it still takes.
// That a secret would be given anew is no difference.
func lacking(ctx context.Context, t Target, p Publication) ([]string, error) {
	l, err := t.List(ctx)
	if err != nil {
		return nil, err
	}
	if l.Kind == LIO {
		return Differs(l, p)
	}
	commands, err := t.Plan(ctx, p)
	var list []string
	for _, c := range commands {
		if !c.renews {
			list = append(list, c.String())
		}
	}
	return list, err
}
