package inventory

import (
	"fmt"
	"slices"
	"strings"
)

// provisionKinds are in the order in which a lab needs them.
func provisionKinds() []string {
	return []string{ProvidesDatastore, ProvidesDNS, ProvidesNTP, ProvidesIdentity, ProvidesKeys, ProvidesVCenter}
}

// provisions checks what machines say that they provide. A datastore and a vCenter have one provider each.
func (c *checker) provisions() {
	only := map[string]string{}
	for i, g := range c.f.Guests {
		c.provides(fmt.Sprintf("guests[%d].provides", i), g.VCenter, g.Provides, only)
	}
	for i, h := range c.f.Hosts {
		at := fmt.Sprintf("hosts[%d].provides", i)
		c.provides(at, h.VCenter, h.Provides, only)
		for k, p := range h.Provides {
			if kind, _ := p.Split(); kind == ProvidesVCenter {
				c.add(fmt.Sprintf("%s[%d]", at, k), "a vCenter runs in a guest, not on a host itself", "say it at the guest, in the list guests:")
			}
		}
	}
}

func (c *checker) provides(field, vcenter string, list []Provision, only map[string]string) {
	seen := map[string]string{}
	if vcenter == "" && len(c.f.VCenters) == 1 {
		vcenter = c.f.VCenters[0].Name
	}
	for i, p := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		before := len(c.Problems)
		kind, name := p.Split()
		c.provision(at, string(p), kind, name)
		if kind == ProvidesVCenter && name == "" && len(c.f.VCenters) == 1 {
			name = c.f.VCenters[0].Name
		}
		key := kind + "\x00" + name
		c.unique(seen, key, at, string(p))
		if len(c.Problems) > before || name == "" {
			continue
		}
		switch kind {
		case ProvidesDatastore: // of one name there may be one in each vCenter
			c.single(only, key+"\x00"+vcenter, at, "datastore "+name)
		case ProvidesVCenter:
			c.single(only, key, at, "vCenter "+name)
		}
	}
}

func (c *checker) provision(at, text, kind, name string) {
	_, named := strings.CutPrefix(text, kind+":")
	switch {
	case !slices.Contains(provisionKinds(), kind):
		c.add(at, fmt.Sprintf("%q is nothing that a machine provides", text), allowed(kind, []string{
			"datastore:NAME", ProvidesDNS, ProvidesNTP, ProvidesIdentity, ProvidesKeys, "keys:NAME", ProvidesVCenter, "vcenter:NAME"}))
	case named && strings.TrimSpace(name) != name || named && name == "":
		c.add(at, fmt.Sprintf("%q names nothing after the colon", text), "KIND or KIND:NAME, without blanks around the name")
	case kind == ProvidesDatastore && name == "":
		c.add(at, "it is not said which datastore", "datastore:NAME, with its name in vCenter")
	case kind == ProvidesVCenter:
		c.oneOf(at, name, "vCenter", c.vcenterNames())
	case name != "" && (kind == ProvidesDNS || kind == ProvidesNTP || kind == ProvidesIdentity):
		c.add(at, fmt.Sprintf("%s has no name", kind), "write "+kind)
	}
}

// single complains about the second provider of what has only one.
func (c *checker) single(only map[string]string, key, at, what string) {
	if first, ok := only[key]; ok {
		c.add(at, what+" has two providers", "the other is "+first)
		return
	}
	only[key] = at
}
