package main

import (
	"context"

	"nightshift/internal/inventory"
	"nightshift/internal/live"
	"nightshift/internal/vsphere"
)

// checkDirect asks a host through its own API, as runs do when its vCenter is away: a login that is refused should be known
// before that night. The answer is nil where it cannot be reached; it bears the host's name in the lab file.
func checkDirect(ctx context.Context, lab *inventory.Lab, h inventory.Host) ([]checkRow, *live.Host) {
	c := &checks{subject: "API of host " + h.Name}
	r, ok := c.endpoint(ctx, *h.ESXi, lab.Dir)
	if !ok {
		return c.rows, nil
	}
	client, err := vsphere.Connect(ctx, r)
	if err != nil {
		c.fail("login", err)
		return c.rows, nil
	}
	defer func() { _ = client.Close(ctx) }() // it was only read
	c.ok("login", "%s", loginText(r, h.ESXi.TLS))
	about := client.About()
	if about.APIType == apiOfVCenter {
		c.add(checkFail, "version", "correct url: of its esxi: in the lab file", "this is a vCenter, not the host itself")
		return c.rows, nil
	}
	c.ok("version", "%s build %s", about.Version, about.Build)
	c.clock(about.ClockOffset)
	got, err := client.OwnHost(ctx)
	if err != nil {
		c.fail("inventory", err)
		return c.rows, nil
	}
	if got.ReadOnly {
		c.add(checkFail, "licence", "a licence with API access is needed", "its licence allows only reading through the API")
	}
	got.Name = h.Name
	return c.rows, &got
}

// apiOfVCenter is what a vCenter calls its API; a host has another word for its own.
const apiOfVCenter = "VirtualCenter"

// itself compares the host that answers at the URL of the lab file with the one that its vCenter knows.
func (c *checks) itself(direct, x live.Host) {
	if live.GenuineUUID(direct.UUID) && live.GenuineUUID(x.UUID) && !live.SameUUID(direct.UUID, x.UUID) {
		c.add(checkFail, "own API", "correct url: of its esxi: in the lab file", "its own API tells UUID %s, the vCenter knows the host as %s: it is another host's", direct.UUID, x.UUID)
	}
}
