package iscsi

import (
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"strings"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

var (
	nameForm = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}$`)
	// deviceForm: what a zvol may be called by ZFS, without blanks.
	deviceForm = regexp.MustCompile(`^/dev/zvol/[A-Za-z0-9_.:/-]{1,240}$`)
	// zoneForm: the network interface of a link-local address, or none.
	zoneForm = regexp.MustCompile(`^[A-Za-z0-9_.-]{0,15}$`)
	// iqnForm: RFC 3720, 3.2.6; eui and naa names as well.
	iqnForm = regexp.MustCompile(`^(iqn\.[0-9]{4}-[0-9]{2}\.[a-z0-9.-]+(:[a-z0-9.:_-]+)?|eui\.[0-9a-fA-F]{16}|naa\.([0-9a-fA-F]{16}|[0-9a-fA-F]{32}))$`)
)

const (
	maxName   = 64 // of a backstore
	maxIQN    = 223
	minSecret = 12 // of CHAP; initiators refuse shorter ones
	maxSecret = 255
)

func checkName(name string) error {
	if !nameForm.MatchString(name) {
		return fmt.Errorf("%q is no name of a backstore: up to 64 letters, digits, _ . and -, not beginning with a dot", name)
	}
	return nil
}

func checkIQN(what, name string) error {
	if len(name) > maxIQN || !iqnForm.MatchString(name) {
		return fmt.Errorf("%s %q is no iSCSI name such as iqn.1998-01.com.vmware:host1", what, name)
	}
	return nil
}

// Check says what is wrong with a publication, whatever the kind of target. Errors are fault.Invalid with fault.NotDone, and name no
// secret.
func (p Publication) Check() error {
	err := p.check()
	return fault.As(fault.NotDone, fault.As(fault.Invalid, err))
}

func (p Publication) check() error {
	if err := checkName(p.Name); err != nil {
		return err
	}
	if !deviceForm.MatchString(p.Device) || path.Clean(p.Device) != p.Device {
		return fmt.Errorf("%s: %q is no device of a zvol: /dev/zvol/POOL/VOLUME", p.Name, p.Device)
	}
	if err := checkIQN("the target", p.Target); err != nil {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	if p.Group == 0 {
		return fmt.Errorf("%s: a portal group's tag is 1 to 65535", p.Name)
	}
	if len(p.Portals) == 0 {
		return fmt.Errorf("%s: there is no portal", p.Name)
	}
	for _, portal := range p.Portals {
		if a, err := netip.ParseAddrPort(portal); err != nil || !zoneForm.MatchString(a.Addr().Zone()) {
			return fmt.Errorf("%s: %q is no portal: an IP address and a port, such as 10.0.0.1:3260", p.Name, portal)
		}
	}
	return p.checkGrants()
}

func (p Publication) checkGrants() error {
	if len(p.Grants) == 0 {
		return fmt.Errorf("%s: there is no initiator that may use it", p.Name)
	}
	seen := map[string]bool{}
	for _, g := range p.Grants {
		if err := checkIQN("the initiator", g.Initiator); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
		if seen[g.Initiator] {
			return fmt.Errorf("%s: the initiator %s is there twice", p.Name, g.Initiator)
		}
		seen[g.Initiator] = true
		if (g.CHAP != nil) != (p.Grants[0].CHAP != nil) {
			return fmt.Errorf("%s: either all initiators of a portal group prove themselves by CHAP, or none; %s does otherwise than %s",
				p.Name, g.Initiator, p.Grants[0].Initiator)
		}
		if g.CHAP != nil {
			if err := g.CHAP.check(); err != nil {
				return fmt.Errorf("%s: %s: %w", p.Name, g.Initiator, err)
			}
		}
	}
	return nil
}

func (c *CHAP) check() error {
	if err := checkCredential("CHAP", c.User, c.Secret.Reveal()); err != nil {
		return err
	}
	if c.MutualUser == "" && c.MutualSecret.IsZero() {
		return nil
	}
	if c.Secret.Reveal() == c.MutualSecret.Reveal() {
		return fmt.Errorf("the secrets of CHAP are the same in both directions: whoever knows one knows the other")
	}
	return checkCredential("mutual CHAP", c.MutualUser, c.MutualSecret.Reveal())
}

// checkCredential keeps to what every kind of target takes. LIO understands NULL as none.
func checkCredential(what, user, secret string) error {
	if user == "" || len(user) > maxSecret || !plainText(user) {
		return fmt.Errorf("the user of %s is not 1 to %d characters of ASCII without blanks at the ends", what, maxSecret)
	}
	if len(secret) < minSecret || len(secret) > maxSecret || !plainText(secret) {
		return fmt.Errorf("the secret of %s is not %d to %d characters of ASCII without blanks at the ends", what, minSecret, maxSecret)
	}
	return nil
}

func plainText(s string) bool {
	return strings.TrimSpace(s) == s && !strings.HasPrefix(s, "NULL") && strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// lioSpec is a publication as nightshift-lio reads it: a line each, a word, a blank, a value. It holds what secret makes of secrets;
// whose each is it is told in words.
func lioSpec(p Publication, secret func(whose string, s inventory.Secret) string) (string, error) {
	if err := p.Check(); err != nil {
		return "", err
	}
	as, err := As(LIO, p.Identity)
	if err != nil {
		return "", err
	}
	company, _, _ := splitNAA(as.NAA)
	chap := p.Grants[0].CHAP != nil
	var b strings.Builder
	line := func(word string, value any) { fmt.Fprintf(&b, "%s %v\n", word, value) }
	line("nightshift-lio", 1)
	line("name", p.Name)
	line("device", p.Device)
	line("serial", as.Serial)
	line("company", fmt.Sprintf("%#08x", company))
	line("vendor", orDefault(as.Vendor, "LIO-ORG"))
	line("product", as.Product)
	if as.Revision != "" {
		line("revision", as.Revision)
	}
	if as.LogicalBlock != 0 {
		line("block", as.LogicalBlock)
	}
	if as.CompareAndWrite != nil {
		line("caw", bit(*as.CompareAndWrite))
	}
	if as.ExtendedCopy != nil {
		line("xcopy", bit(*as.ExtendedCopy))
	}
	line("readonly", bit(p.ReadOnly))
	line("target", p.Target)
	line("group", p.Group)
	line("lun", as.LUN)
	for _, portal := range p.Portals {
		line("portal", portal)
	}
	line("chap", bit(chap))
	for _, g := range p.Grants {
		line("grant", g.Initiator)
		line("grant-readonly", bit(g.ReadOnly || p.ReadOnly))
		if c := g.CHAP; c != nil {
			line("user", c.User)
			line("secret", secret(secretWords+g.Initiator, c.Secret))
			if c.MutualUser != "" {
				line("mutual-user", c.MutualUser)
				line("mutual-secret", secret(mutualWords+g.Initiator, c.MutualSecret))
			}
		}
	}
	b.WriteString("end\n")
	return b.String(), nil
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
