package inventory

// SSH is a machine reached over SSH. It is known by HostKey, or by the file KnownHosts.
type SSH struct {
	Address  string    `json:"address"` // host[:port]
	User     string    `json:"user,omitempty"`
	Password SecretRef `json:"password,omitempty"` // a reference, never the password itself
	// Key is a private key file, relative to the lab file.
	Key string `json:"key,omitempty"`
	// Certificate is a user certificate for the key, relative to the lab file: keys/zfsadm-cert.pub
	Certificate string `json:"certificate,omitempty"`
	// HostKey is one line as in known_hosts without the host: "ssh-ed25519 AAAA…"
	HostKey string `json:"hostKey,omitempty"`
	// KnownHosts is a known_hosts file, relative to the lab file, in the place of HostKey: for host certificates (@cert-authority)
	// and revoked keys (@revoked).
	KnownHosts string `json:"knownHosts,omitempty"`
	// Jump is the machine through which this one is reached.
	Jump *Jump `json:"jump,omitempty"`
}

// A Jump is a machine through which another one is reached: its sshd opens the connection, and can neither read nor change
// what goes through. The keys are those of ssh.
type Jump struct {
	Address     string    `json:"address"` // host[:port]
	User        string    `json:"user,omitempty"`
	Password    SecretRef `json:"password,omitempty"`    // a reference, never the password itself
	Key         string    `json:"key,omitempty"`         // a private key file, relative to the lab file
	Certificate string    `json:"certificate,omitempty"` // a user certificate for the key
	HostKey     string    `json:"hostKey,omitempty"`     // one line as in known_hosts without the host: "ssh-ed25519 AAAA…"
	KnownHosts  string    `json:"knownHosts,omitempty"`  // a known_hosts file, in the place of HostKey
}

// SSH is the jump host as a machine of its own.
func (j Jump) SSH() SSH {
	return SSH{Address: j.Address, User: j.User, Password: j.Password, Key: j.Key, Certificate: j.Certificate, HostKey: j.HostKey, KnownHosts: j.KnownHosts}
}

// reached is the address that nightshift itself connects to: that of the jump host, which looks up the machine by itself.
func (s SSH) reached() string {
	if s.Jump != nil {
		return s.Jump.Address
	}
	return s.Address
}
