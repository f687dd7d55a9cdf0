package inventory

import "fmt"

// virtualSide checks that there is something to work on: vCenters and hosts, or storage hosts, which are a lab by themselves. What
// is found through a vCenter needs one.
func (c *checker) virtualSide() {
	storage := c.has("storageHosts") && (len(c.f.StorageHosts) > 0 || c.unread["storageHosts"])
	for _, x := range []struct {
		key, what string
		n         int
	}{{"vcenters", "vCenter", len(c.f.VCenters)}, {"hosts", "host", len(c.f.Hosts)}} {
		switch {
		case !c.has(x.key) && !storage:
			c.add("", fmt.Sprintf("the key %q is missing", x.key), "only a lab with storageHosts goes without")
		case c.has(x.key) && x.n == 0 && storage:
			c.add(x.key, "there is no "+x.what, "list at least one, or leave "+x.key+" out")
		case c.has(x.key) && x.n == 0:
			c.add(x.key, "there is no "+x.what, "list at least one")
		}
	}
	if storage && !c.has("vcenters") {
		c.withoutVCenter()
	}
}

// withoutVCenter complains about what is nowhere to be found.
func (c *checker) withoutVCenter() {
	for _, key := range NeedVCenters() {
		if c.has(key) {
			c.add(key, "this file has no vCenter to find them in", "add vcenters, or leave "+key+" out")
		}
	}
	if c.f.Self.Guest != "" {
		c.add("self.guest", "this file has no vCenter to find the guest in", "add vcenters, or outside: true where nightshift runs in no guest of this lab")
	}
	for i, n := range c.f.Self.Needs {
		if len(Self{Needs: []string{n}}.NeededGuests()) > 0 {
			c.add(fmt.Sprintf("self.needs[%d]", i), "this file has no vCenter to find the guest in", "add vcenters, or leave it out")
		}
	}
}

// NeedVCenters lists the keys of what is found through a vCenter.
func NeedVCenters() []string {
	return []string{"clusters", "hosts", "guests", "groups", "applicationClusters"}
}
