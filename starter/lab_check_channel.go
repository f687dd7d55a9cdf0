package main

import (
	"context"

	"nightshift/internal/inventory"
	"nightshift/internal/notify"
)

// checkChannel looks at a channel's secret and the form of its URL. No message is sent.
func checkChannel(ctx context.Context, ch inventory.Channel, dir string) []checkRow {
	c := &checks{subject: "channel " + ch.Name}
	where, plain, err := notify.Check(ctx, ch, dir)
	switch {
	case err != nil:
		c.fail("URL", err)
	case plain:
		c.add(checkWarn, "URL", "use TLS where the server has it", "%s, unencrypted", where)
	default:
		c.ok("URL", "%s (try it: nightshift notify test %s)", where, ch.Name)
	}
	return c.rows
}
