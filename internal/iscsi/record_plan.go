package iscsi

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

// How the secrets of CHAP are called where they are not shown.
const (
	secretWords = "the CHAP secret of "
	mutualWords = "the target's CHAP secret for "
	iscsiPort   = 3260
)

// Planned is what it takes to show the logical unit of a record again.
type Planned struct {
	// Otherwise is what initiators would see otherwise than they did, in words.
	Otherwise []string
	// Initiators are those that prove themselves by CHAP, with where the secrets are kept.
	Initiators []RecordACL
	// Commands come in this order; none: it is shown so. They have words in the place of secrets.
	Commands []Command
}

// Plan is what it takes to show the logical unit, under its identity, by another target, as the lab file has that: on a ZFS volume, at its
// portal. It reads the target and changes nothing; no secret is resolved. The error says why it cannot be done; what is known until
// then is in Planned.
func (r Record) Plan(ctx context.Context, t Target, at inventory.StorageTarget, volume string) (Planned, error) {
	plan := Planned{Otherwise: Expressible(Kind(at.Kind), r.Identity)}
	if _, err := As(Kind(at.Kind), r.Identity); err != nil {
		plan.Otherwise = nil
		return plan, err
	}
	p, err := r.publication(&plan, at, volume)
	if err != nil {
		return plan, fault.As(fault.NotDone, fault.As(fault.Invalid, err))
	}
	plan.Commands, err = t.Plan(ctx, p)
	return plan, err
}

// publication has stand-ins for secrets: it is good for nothing but to be planned.
func (r Record) publication(plan *Planned, at inventory.StorageTarget, volume string) (p Publication, _ error) {
	if len(r.Paths) == 0 {
		return p, fmt.Errorf("it was in no portal group: nobody could use it")
	}
	path := r.Paths[0]
	if len(r.Paths) > 1 {
		plan.Otherwise = append(plan.Otherwise, fmt.Sprintf("portal groups: it was in %d, and is planned for group %d of %s alone", len(r.Paths), path.Group, path.Target))
	}
	portal, err := portalOf(at.Portal)
	if err != nil {
		return p, err
	}
	if path.Open {
		plan.Otherwise = append(plan.Otherwise, "initiators: all that logged in could use it, and now only those that are named")
	}
	p = Publication{Name: backstoreName(r.Name), Device: zvolDirectory + volume, Identity: r.Identity, ReadOnly: r.ReadOnly, Target: path.Target, Group: cmp.Or(path.Group, 1),
		Portals: []string{portal}}
	for _, a := range path.ACLs {
		if a.LUN != r.Identity.LUN {
			plan.Otherwise = append(plan.Otherwise, fmt.Sprintf("LUN number: it was %d for %s, and is %d for all", a.LUN, a.Initiator, r.Identity.LUN))
		}
		grant := Grant{Initiator: a.Initiator, ReadOnly: a.ReadOnly}
		if a.CHAP {
			a = a.completed(at.CHAPOf(a.Initiator))
			plan.Initiators = append(plan.Initiators, a)
			if grant.CHAP, err = a.standIn(); err != nil {
				return p, err
			}
		}
		p.Grants = append(p.Grants, grant)
	}
	return p, nil
}

// completed adds what the lab file says of the initiator, in its entry of the new target.
func (a RecordACL) completed(entry *inventory.TargetCHAP) RecordACL {
	full := newRecordACL(ACL{Initiator: a.Initiator, LUN: a.LUN, ReadOnly: a.ReadOnly, CHAP: a.CHAP, User: a.User, Mutual: a.Mutual, MutualUser: a.MutualUser}, entry)
	full.Secret, full.MutualSecret = cmp.Or(a.Secret, full.Secret), cmp.Or(a.MutualSecret, full.MutualSecret)
	return full
}

func (a RecordACL) standIn() (*CHAP, error) {
	mutual := a.MutualUser != "" || a.Mutual != nil && *a.Mutual
	if a.User == "" || mutual && a.MutualUser == "" {
		return nil, fmt.Errorf("as whom %s and the target prove themselves by CHAP is not known: say so in storageHosts[].target.chap", a.Initiator)
	}
	c := &CHAP{User: a.User, Secret: inventory.NewSecret("(stands for a secret)")}
	if mutual {
		c.MutualUser, c.MutualSecret = a.MutualUser, inventory.NewSecret("(stands for the target's secret)")
	}
	return c, nil
}

// portalOf is a portal of the lab file, with its port.
func portalOf(s string) (string, error) {
	if _, err := netip.ParseAddrPort(s); err == nil {
		return s, nil
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		return "", fmt.Errorf("the lab file does not say at which address the target listens: add target: {portal: …}")
	}
	return netip.AddrPortFrom(a, iscsiPort).String(), nil
}

var noNamePart = regexp.MustCompile(`[^A-Za-z0-9_.-]+`)

// backstoreName is a name that every kind of target takes: that of iscsitgt has a slash in it.
func backstoreName(s string) string {
	s = strings.TrimLeft(noNamePart.ReplaceAllString(s, "-"), ".")
	return s[:min(len(s), maxName)]
}
