package inventory

import (
	"fmt"

	"golang.org/x/crypto/ssh"
)

// ssh checks a machine that is reached over SSH, and the way to it.
func (c *checker) ssh(at string, s SSH) {
	if c.has(at+".address") && !validAddress(s.Address, false) {
		c.add(at+".address", fmt.Sprintf("%q is no address", s.Address), "host or host:port; IPv6 with a port as [::1]:22")
	}
	c.secret(at+".password", s.Password)
	if s.Password != "" && s.User == "" && !c.unread[at+".user"] {
		c.add(at+".password", "there is a password but no user", "add user")
	}
	if s.Certificate != "" && s.Password != "" && s.Key == "" && !c.unread[at+".key"] {
		c.add(at+".certificate", "a certificate goes with a key, and there is a password", "add key:, or remove password: to use the SSH agent's key")
	}
	if s.HostKey != "" && s.KnownHosts != "" {
		c.add(at+".knownHosts", "there is a host key and a known_hosts file", "keep one: with hostKey the file is not asked")
	}
	if s.HostKey != "" {
		if _, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(s.HostKey)); err != nil || len(options) > 0 || len(rest) > 0 {
			c.add(at+".hostKey", "this is no host key", "as in known_hosts, without the host: ssh-ed25519 AAAA…; `nightshift lab trust` writes it for you")
		}
	}
	if s.Jump != nil {
		c.ssh(at+".jump", s.Jump.SSH())
		c.sshLogin(at+".jump", s.Jump.SSH())
	}
}

// sshLogin demands what a login needs.
func (c *checker) sshLogin(at string, s SSH) {
	if c.unread[at] || !c.has(at) {
		return
	}
	if s.User == "" && !c.unread[at+".user"] {
		c.add(at, "it is not said who logs in there", "add user:, and key: or password: (without both: an SSH agent)")
	}
	if s.HostKey == "" && s.KnownHosts == "" && !c.untrusted && !c.unread[at+".hostKey"] && !c.unread[at+".knownHosts"] {
		c.add(at, "its host key is not recorded", "run `nightshift lab trust`, which records it")
	}
}
