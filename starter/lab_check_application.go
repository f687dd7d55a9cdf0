package main

import (
	"context"
	"strings"
	"time"

	"nightshift/internal/inventory"
	"nightshift/internal/sshexec"
)

// statusTimeout is how long a cluster may take to tell its status.
const statusTimeout = 30 * time.Second

// checkApplication logs in at one machine of an application cluster, once, and runs the status command there.
func checkApplication(ctx context.Context, x inventory.ApplicationCluster, s inventory.SSH, dir string) []checkRow {
	c := &checks{subject: "application cluster " + x.Name + " at " + s.Address}
	r, err := sshexec.Resolve(ctx, c.subject, s, dir)
	if err != nil {
		c.fail("lab file", err)
		return c.rows
	}
	client, err := sshexec.Dial(ctx, r)
	if err != nil {
		c.fail("SSH", err)
		return c.rows
	}
	defer client.Close()
	c.ok("SSH", "shows the host key that is recorded, and lets %s in by %s", s.User, r.By)
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	res, err := client.Query(ctx, x.Status)
	if err != nil {
		c.fail("status", err)
		return c.rows
	}
	state := x.State(res.Status)
	if state == inventory.ApplicationUnknown {
		c.add(checkFail, "status", "correct the status command, or list the exit status under stopped: if it means that",
			"`%s` says neither up nor stopped: %s", strings.Join(x.Status, " "), res.Summary())
		return c.rows
	}
	c.ok("status", "%s (%s)", state, res.Summary())
	return c.rows
}
