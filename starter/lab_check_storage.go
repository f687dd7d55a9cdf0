package main

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/replica"
	"nightshift/internal/sshexec"
	"nightshift/internal/words"
	"nightshift/internal/zfs"
	"nightshift/runbooks"
)

// groupsTimeout is for what is read of all groups on one storage host.
const groupsTimeout = time.Minute

// checkStorageHost logs in, once, and looks whether there is what the protection groups name. No snapshot is read.
func checkStorageHost(ctx context.Context, lab *inventory.Lab, h inventory.StorageHost) []checkRow {
	c := &checks{subject: "storage host " + h.Name}
	r, err := sshexec.Resolve(ctx, c.subject, h.SSH, lab.Dir)
	if err != nil {
		c.fail("SSH", err)
		return c.rows
	}
	client, err := sshexec.Dial(ctx, r)
	if err != nil {
		c.fail("SSH", err)
		return c.rows
	}
	defer client.Close()
	c.ok("SSH", "shows the host key that is recorded, and lets %s in", h.SSH.User)
	if !slices.ContainsFunc(lab.ProtectionGroups, func(g inventory.ProtectionGroup) bool { return g.Source.Host == h.Name || g.Target.Host == h.Name }) {
		return c.rows
	}
	ctx, cancel := context.WithTimeout(ctx, groupsTimeout)
	defer cancel()
	seen := storageSeen{Client: zfs.New(h.Name, zfs.OverSSH(client)), host: live.StorageHost{Host: h.Name}}
	if seen.host.Pools, err = seen.Pools(ctx); err != nil {
		c.fail("pools", err)
		return c.rows
	}
	system, err := seen.System(ctx)
	if err != nil {
		c.fail("clock", err)
		return c.rows
	}
	seen.host.Ahead = system.Ahead
	if text := runbooks.WrongClock(&seen.host); text != "" {
		c.add(checkWarn, "clock", "have both set by NTP: with that, prune destroys nothing", "%s", text)
	}
	for _, g := range lab.ProtectionGroups {
		of := &checks{subject: "group " + g.Name}
		if g.Source.Host == h.Name {
			of.source(ctx, seen, g)
		}
		if g.Target.Host == h.Name {
			of.target(ctx, seen, g)
		}
		c.rows = append(c.rows, of.rows...)
	}
	return c.rows
}

// storageSeen is a storage host, and its pools.
type storageSeen struct {
	*zfs.Client
	host live.StorageHost
}

func (s storageSeen) has(ctx context.Context, dataset string) (bool, error) {
	_, err := s.Get(ctx, dataset, "type")
	if errors.Is(err, fault.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// pool tells whether anything in it can be looked at.
func (c *checks) pool(s storageSeen, check, name string, source bool) bool {
	blockers, warnings := runbooks.PoolFindings(&s.host, name, source)
	for _, f := range blockers {
		c.add(checkFail, check, f.Remedy, "%s %s", f.Subject, f.Text)
	}
	for _, f := range warnings {
		c.add(checkWarn, check, f.Remedy, "%s %s", f.Subject, f.Text)
	}
	return len(blockers) == 0
}

func (c *checks) source(ctx context.Context, s storageSeen, g inventory.ProtectionGroup) {
	check := "source on " + s.Name()
	if !c.pool(s, check, g.Pool(), true) {
		return
	}
	var gone []string
	for _, d := range g.Source.Datasets {
		there, err := s.has(ctx, d)
		if err != nil {
			c.fail(check, err)
			return
		}
		if !there {
			gone = append(gone, d)
		}
	}
	if len(gone) > 0 {
		c.add(checkFail, check, "correct source.datasets of the group", "not there: %s", strings.Join(gone, ", "))
		return
	}
	c.ok(check, "%s", words.Count(len(g.Source.Datasets), "dataset"))
}

func (c *checks) target(ctx context.Context, s storageSeen, g inventory.ProtectionGroup) {
	check, under := "target on "+s.Name(), g.Target.Under
	pool, _, _ := strings.Cut(under, "/")
	if !c.pool(s, check, pool, false) {
		return
	}
	there, err := s.has(ctx, under)
	switch {
	case err != nil:
		c.fail(check, err)
		return
	case !there:
		c.add(checkFail, check, "nightshift lab prepare-storage makes it; or correct target.under", "not there: %s", under)
		return
	}
	for _, up := range parentsOfReplicas(g) {
		there, err := s.has(ctx, up)
		switch {
		case err != nil:
			c.fail(check, err)
			return
		case !there:
			c.add(checkFail, check, "make it: zfs create -p -o canmount=off "+up, "not there: %s, in which a replica is to lie", up)
			return
		}
	}
	property := replica.MarkProperty(g.Name)
	got, err := s.Get(ctx, under, property)
	switch {
	case err != nil:
		c.fail(check, err)
	case got[property].Source == "local":
		c.add(checkWarn, check, "if that nightshift is no more: "+replica.Unmark(g.Name, under), "a nightshift works on it: %s", replica.ParseMark(got[property].Value))
	default:
		c.ok(check, "%s is there, and no nightshift works on the group now", under)
	}
}

// parentsOfReplicas are the datasets below target.under that a replication does not make.
func parentsOfReplicas(g inventory.ProtectionGroup) (names []string) {
	made := []string{g.Target.Under}
	for _, d := range g.Source.Datasets {
		made = append(made, g.Replica(d))
	}
	for _, r := range made[1:] {
		if up := path.Dir(r); !slices.Contains(made, up) && !slices.Contains(names, up) {
			names = append(names, up)
		}
	}
	return names
}
