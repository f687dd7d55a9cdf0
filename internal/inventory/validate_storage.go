package inventory

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

func (c *checker) storageHosts() {
	seen := map[string]string{}
	for i, s := range c.f.StorageHosts {
		at := fmt.Sprintf("storageHosts[%d]", i)
		c.name(at+".name", s.Name)
		c.unique(seen, s.Name, at+".name", "the storage host "+s.Name)
		c.oneOf(at+".site", s.Site, "site", c.siteNames())
		if c.has(at + ".ssh") {
			c.ssh(at+".ssh", s.SSH)
		}
		if c.replicates(s.Name) {
			c.serviceAccount(at+".ssh", s.SSH)
		}
		c.storageTarget(at+".target", s.Target)
		if s.RestorePartitions && (s.Target == nil || s.Target.Kind != TargetLIO || s.Elevate == ElevatePfexec) {
			c.add(at+".restorePartitions", "partition tables are put back on Linux only, where the target tells who has a LUN open", "remove it, or add target: {kind: lio}")
		}
		c.vmfsCopies(at+".vmfsCopies", s)
		if r := s.Replication; r != nil && c.has(at+".replication.address") && !validAddress(r.Address, false) {
			c.add(at+".replication.address", fmt.Sprintf("%q is no address", r.Address), "host or host:port of its SSH server, as other storage hosts reach it; IPv6 with a port as [::1]:22")
		}
	}
}

// replicates tells whether a storage host is part of a protection group, or keeps copies for another one.
func (c *checker) replicates(host string) bool {
	return host != "" && (slices.ContainsFunc(c.f.ProtectionGroups, func(g ProtectionGroup) bool { return g.Source.Host == host || g.Target.Host == host }) ||
		slices.ContainsFunc(c.f.StorageHosts, func(h StorageHost) bool { return h.VMFSCopies != nil && h.VMFSCopies.To == host && h.Name != host }))
}

// accountForm is what any system takes for the name of an account, and no command for an option of its own.
var accountForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,31}$`)

// serviceAccount is who replicates: somebody who can be named in commands.
func (c *checker) serviceAccount(at string, s SSH) {
	c.sshLogin(at, s)
	if s.User != "" && !accountForm.MatchString(s.User) {
		c.add(at+".user", fmt.Sprintf("%q is no name for a service account", s.User), "letters, digits, _ - and dots, at most 32, with a letter first: zfsadm")
	}
}

func (c *checker) storageTarget(at string, t *StorageTarget) {
	if t == nil {
		return
	}
	if c.has(at + ".portal") {
		_, whole := netip.ParseAddrPort(t.Portal)
		_, alone := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(t.Portal, "["), "]"))
		if whole != nil && alone != nil {
			c.add(at+".portal", fmt.Sprintf("%q is no portal", t.Portal), "the IP address on which the target listens, with the port if it is not 3260: 10.0.0.1:3260")
		}
	}
	if t.Unproven != "" && t.Kind == TargetLIO {
		c.add(at+".unproven", "lio is proven: there is nothing to accept", "remove it")
	}
	seen := map[string]bool{}
	for i, entry := range t.CHAP {
		c.targetCHAP(fmt.Sprintf("%s.chap[%d]", at, i), entry, seen)
	}
}

// targetCHAP checks an entry; seen are the initiators of those before it.
func (c *checker) targetCHAP(at string, entry TargetCHAP, seen map[string]bool) {
	if c.has(at+".initiators") && len(entry.Initiators) == 0 {
		c.add(at+".initiators", "it is nobody's", "name the initiators, or remove the entry")
	}
	for i, initiator := range entry.Initiators {
		field := fmt.Sprintf("%s.initiators[%d]", at, i)
		if !c.has(field) {
			continue
		}
		if !strings.HasPrefix(initiator, "iqn.") && !strings.HasPrefix(initiator, "eui.") && !strings.HasPrefix(initiator, "naa.") {
			c.add(field, fmt.Sprintf("%q is no iSCSI name", initiator), "the initiator's IQN, as the host shows it: iqn.1998-01.com.vmware:esx21")
		}
		name := strings.ToLower(initiator)
		if seen[name] {
			c.add(field, fmt.Sprintf("%q has a user and a secret already", initiator), "an initiator stands in one entry")
		}
		seen[name] = true
	}
	c.secret(at+".secret", entry.Secret)
	c.secret(at+".mutualSecret", entry.MutualSecret)
	if (entry.MutualUser == "") != (entry.MutualSecret == "") {
		c.add(at+".mutualUser", "mutualUser and mutualSecret go together", "give both, or neither")
	}
}
