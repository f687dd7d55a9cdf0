package storage

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// A login is a key that may log in.
type login struct {
	user string
	key  ssh.PublicKey
	// receives: it may run zfs receive -s -u and nothing else, as prepare-storage has it for the keys of other hosts.
	receives bool
}

// NewKey makes a key.
func NewKey() (ssh.Signer, ed25519.PrivateKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	signer, err := ssh.NewSignerFromKey(private)
	return signer, private, err
}

// HostKey is that of the SSH server, as in known_hosts.
func (h *Host) HostKey() string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(h.key.PublicKey())))
}

// Address is where the SSH server listens.
func (h *Host) Address() string { return h.addr }

// Trust lets a key log in as a user.
func (h *Host) Trust(user string, key ssh.PublicKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trust = append(h.trust, login{user: user, key: key})
}

// Distrust takes a key away again.
func (h *Host) Distrust(key ssh.PublicKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trust = slices.DeleteFunc(h.trust, func(l login) bool { return bytes.Equal(l.key.Marshal(), key.Marshal()) })
}

// Join connects two hosts by a network, and lets the first send streams to the second.
func Join(n *Network, from, to *Host) error {
	own, _, err := NewKey()
	if err != nil {
		return err
	}
	from.mu.Lock()
	if from.own == nil {
		from.own = own
	}
	from.net = n
	from.known[to.addr] = to.key.PublicKey()
	key := from.own.PublicKey()
	from.mu.Unlock()
	to.mu.Lock()
	defer to.mu.Unlock()
	to.net = n
	to.trust = append(to.trust, login{user: to.cfg.Account, key: key, receives: true})
	return nil
}

// Know makes a host know that key for another: its own, or one that is not.
func (h *Host) Know(other *Host, key ssh.PublicKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.known[other.addr] = key
}

// Forget makes a host not know the key of another any more.
func (h *Host) Forget(other *Host) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.known, other.addr)
}

// Own is the public key of the host's account, by which it logs in at others; nil: it has none.
func (h *Host) Own() ssh.PublicKey {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.own == nil {
		return nil
	}
	return h.own.PublicKey()
}
