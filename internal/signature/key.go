// Package signature makes and checks the SSH signatures of people: "I approve this plan for this run", "I ask for this
// run". The signatures are OpenSSH's (PROTOCOL.sshsig), so that ssh-keygen can make and check them too; the signed texts
// are plain lines that a person can read.
//
// Checking is pure: it runs inside workflows and is replayed, so it knows no clock, no randomness, no files and no network.
// Signing is for commands.
package signature

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// leastRSA is the shortest RSA key in bits that counts.
const leastRSA = 2048

// keyTypes are the public keys that count: no DSA, no certificates.
func keyTypes() []string {
	return []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoRSA,
		ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256}
}

// ParseKey reads a public key as it stands in authorized_keys or in an id_….pub file: "ssh-ed25519 AAAA… comment".
func ParseKey(line string) (ssh.PublicKey, error) {
	line = strings.TrimSpace(line)
	switch {
	case line == "":
		return nil, errors.New("the key is empty")
	case strings.ContainsAny(line, "\r\n"):
		return nil, errors.New("a public key is one line")
	case strings.Contains(line, "PRIVATE KEY"):
		return nil, errors.New("this is a private key: only the public one belongs here (the file that ends in .pub)")
	}
	key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return nil, errors.New(`this is no SSH public key: it looks like "ssh-ed25519 AAAA…", as in the file that ends in .pub`)
	}
	if len(options) > 0 {
		return nil, errors.New("options before a key have no meaning here: begin with its type")
	}
	return key, checkKey(key)
}

// checkKey says why a key does not count.
func checkKey(key ssh.PublicKey) error {
	if !slices.Contains(keyTypes(), key.Type()) {
		return fmt.Errorf("keys of type %s do not count: allowed are ed25519, ecdsa, rsa from %d bits on, and the FIDO keys ed25519-sk and ecdsa-sk", key.Type(), leastRSA)
	}
	if key.Type() != ssh.KeyAlgoRSA {
		return nil
	}
	crypto, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return errors.New("the RSA key cannot be read")
	}
	if k, ok := crypto.CryptoPublicKey().(*rsa.PublicKey); !ok || k.N.BitLen() < leastRSA {
		return fmt.Errorf("the RSA key is too short: %d bits at least", leastRSA)
	}
	return nil
}

// Same tells whether two public keys are one.
func Same(a, b ssh.PublicKey) bool { return bytes.Equal(a.Marshal(), b.Marshal()) }

// Fingerprint is how ssh-keygen -l shows a key: SHA256:…
func Fingerprint(key ssh.PublicKey) string { return ssh.FingerprintSHA256(key) }

// Line is the key as it stands in authorized_keys, without a comment.
func Line(key ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}
