package inventory

import (
	"cmp"
	"fmt"
)

// VMFSCopies says where copies of the backups of a storage host's VMFS volumes lie.
type VMFSCopies struct {
	// To is another one of storageHosts: they lie in the home directory of its service account.
	To string `json:"to"`
	// Keep is how many of each LUN stay there, the newest. Default 30.
	Keep int `json:"keep,omitempty" jsonschema:"minimum=1,maximum=10000"`
}

const (
	defaultCopies = 30
	mostCopies    = 10_000
)

func (v *VMFSCopies) fillIn() { v.Keep = cmp.Or(v.Keep, defaultCopies) }

func (c *checker) vmfsCopies(at string, s StorageHost) {
	v := s.VMFSCopies
	if v == nil {
		return
	}
	others := names(c.f.StorageHosts, func(h StorageHost) string {
		if h.Name == s.Name {
			return ""
		}
		return h.Name
	})
	switch {
	case s.Target == nil:
		c.add(at, "without a target nightshift knows of no volumes there, and saves none", "add target: {kind: lio}, or remove it")
	case v.To != "" && v.To == s.Name:
		c.add(at+".to", "it is the storage host itself: copies there are gone with its volumes", among("", "other storage host", others))
	default:
		c.reference(at+".to", v.To, "other storage host", others)
	}
	if c.has(at+".keep") && (v.Keep < 1 || v.Keep > mostCopies) {
		c.add(at+".keep", fmt.Sprintf("%d copies are not allowed", v.Keep), fmt.Sprintf("1 to %d; default %d", mostCopies, defaultCopies))
	}
}
