package main

import (
	"context"

	"nightshift/internal/endpoint"
	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/plan"
	"nightshift/internal/vsphere"
	"nightshift/internal/words"
	"nightshift/runbooks"
)

// checkVCenter asks a vCenter everything that can be asked read-only. The answer is nil where it cannot be reached.
func checkVCenter(ctx context.Context, lab *inventory.Lab, v inventory.VCenter) ([]checkRow, *live.VCenter) {
	c := &checks{subject: "vCenter " + v.Name}
	r, ok := c.endpoint(ctx, v.Endpoint, lab.Dir)
	if !ok {
		return c.rows, nil
	}
	client, err := vsphere.Connect(ctx, r)
	if err != nil {
		c.fail("login", err)
		return c.rows, nil
	}
	defer func() { _ = client.Close(ctx) }() // it was only read
	c.ok("login", "%s", loginText(r, v.TLS))
	about := client.About()
	if about.APIType != apiOfVCenter {
		c.add(checkFail, "version", "name the vCenter that manages the host", "this is a single ESXi host, not a vCenter (%s)", about.APIType)
	}
	c.ok("version", "%s build %s", about.Version, about.Build)
	c.clock(about.ClockOffset)
	seen, err := client.Inspect(ctx)
	if err != nil {
		c.fail("inventory", err)
		return c.rows, nil
	}
	seen.Name = v.Name // the client's has a word before it
	c.ok("inventory", "%s, %s, %s", words.Count(len(seen.Clusters), "cluster"), words.Count(len(seen.Hosts), "host"), words.Count(len(seen.Guests), "guest"))
	for _, w := range seen.Warnings {
		c.add(checkWarn, "inventory", "give the account the right to read it", "%s", w)
	}
	if seen.Mark != "" {
		c.add(checkWarn, "mark", "end the other run first; nightshift refuses to work beside another", "another nightshift works on it: %s", seen.Mark)
	}
	c.rights(ctx, client, seen, v, inUse(lab))
	return c.rows, &seen
}

// loginText says as whom, and how the machine was known to be the right one.
func loginText(r endpoint.Resolved, t inventory.TLS) string {
	who, by := "as "+r.User, "by "+trustText(t)
	if r.User == "" {
		who = "without a user"
	}
	if r.TLS == nil {
		by = "over plain http"
	}
	return who + ", " + by
}

// rights compares what the account may do with what the runbooks need, on every object of a kind.
func (c *checks) rights(ctx context.Context, client *vsphere.Client, seen live.VCenter, v inventory.VCenter, list []runbooks.Runbook) {
	on := map[string][]string{plan.OnRoot: {client.Root()}}
	name := map[string]string{client.Root(): "the vCenter"}
	add := func(kind, ref, title string) {
		on[kind] = append(on[kind], ref)
		name[ref] = title
	}
	for _, x := range seen.Clusters {
		add(plan.OnCluster, x.Ref, "cluster "+x.Name)
	}
	for _, x := range seen.Hosts {
		add(plan.OnHost, x.Ref, "host "+x.Name)
	}
	for _, x := range seen.Guests {
		if !x.Template && !x.VCLS {
			add(plan.OnGuest, x.Ref, "guest "+x.Name)
		}
	}
	needed := rolePrivileges(list)
	wanted := map[string][]string{}
	for _, p := range needed {
		for _, ref := range on[p.On] {
			wanted[ref] = append(wanted[ref], p.ID)
		}
	}
	missing, err := client.MissingPrivileges(ctx, wanted)
	if err != nil {
		c.fail("rights", err)
		return
	}
	c.missing(needed, on, missing, name, v.User)
}

// missing sums up by right, as one right that lacks everywhere is one thing to do, and says which runbooks need it.
func (c *checks) missing(needed []rolePrivilege, on, missing map[string][]string, name map[string]string, user string) {
	before := len(c.rows)
	for _, p := range needed {
		var where []string
		for _, ref := range on[p.On] {
			if contains(missing[ref], p.ID) {
				where = append(where, name[ref])
			}
		}
		if len(where) == 0 {
			continue
		}
		state, without := checkFail, "cannot"
		if p.Optional {
			state, without = checkWarn, "could not"
		}
		c.add(state, "rights", "give the role of "+user+" the privilege "+p.ID+" (nightshift lab role)", "%s is missing on %s: without it %s %s %s",
			p.ID, some(where), join(p.Runbooks), without, p.For)
	}
	if len(c.rows) == before {
		c.ok("rights", "%s may do everything that runs need", user)
	}
}
