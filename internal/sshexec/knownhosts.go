package sshexec

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

// A trust is by what a machine is known. The zero value knows none.
type trust struct {
	algorithms []string // of host keys that the machine may show: one that has several shows one of these
	check      ssh.HostKeyCallback
	file       string // the known_hosts file that was asked; empty: none
}

// remedy is for a machine that was reinstalled.
func (t trust) remedy() string {
	if t.file != "" {
		return "correct " + t.file
	}
	return "`nightshift lab trust --replace`"
}

// trustOf is what the lab file says, with the known_hosts file that it names. It is the zero value where nothing is known,
// but for the file.
func trustOf(s inventory.SSH, dir string) (trust, error) {
	switch {
	case s.HostKey != "":
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(s.HostKey)) //nolint:dogsled // only the key
		if err != nil {
			return trust{}, errors.New("its hostKey in the lab file is no host key")
		}
		return trust{algorithms: hostKeyAlgorithms(key), check: pinned(key)}, nil
	case s.KnownHosts != "":
		return knownHosts(inDir(s.KnownHosts, dir), withPort(s.Address))
	}
	return trust{}, nil
}

// knownHosts reads what a known_hosts file says of a machine: keys, certificate authorities, revoked keys. Names may be hashed.
func knownHosts(path, address string) (trust, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return trust{}, fmt.Errorf("its known_hosts file: %w", err)
	}
	check, err := knownhosts.New(path)
	if err != nil {
		return trust{}, fmt.Errorf("its known_hosts file is not readable: %w", err)
	}
	t := trust{file: path}
	lines := bytes.Split(data, []byte("\n"))
	for _, k := range knownKeys(check, address) {
		kinds := hostKeyAlgorithms(k.Key)
		if k.Line <= len(lines) && bytes.HasPrefix(bytes.TrimSpace(lines[k.Line-1]), []byte("@cert-authority")) {
			kinds = certificateAlgorithms
		}
		for _, a := range kinds {
			if !slices.Contains(t.algorithms, a) {
				t.algorithms = append(t.algorithms, a)
			}
		}
	}
	if len(t.algorithms) > 0 {
		t.check = func(name string, remote net.Addr, key ssh.PublicKey) error { return t.judge(check, name, remote, key) }
	}
	return t, nil
}

// certificateAlgorithms are those of host certificates, the best first.
var certificateAlgorithms = []string{ssh.CertAlgoED25519v01, ssh.CertAlgoECDSA256v01, ssh.CertAlgoECDSA384v01, ssh.CertAlgoECDSA521v01,
	ssh.CertAlgoRSASHA512v01, ssh.CertAlgoRSASHA256v01}

// knownKeys are the keys and authorities of a machine: those that the library names when it is shown a key that nobody has.
func knownKeys(check ssh.HostKeyCallback, address string) []knownhosts.KnownKey {
	wrong := new(knownhosts.KeyError)
	if err := check(address, &net.TCPAddr{IP: net.IPv4zero}, nobodysKey{}); errors.As(err, &wrong) {
		return wrong.Want
	}
	return nil
}

// judge accepts what the file knows. A certificate by an unknown authority counts as the key in it, as OpenSSH does.
func (t trust) judge(check ssh.HostKeyCallback, name string, remote net.Addr, key ssh.PublicKey) error {
	err := check(name, remote, key)
	cert, certificate := key.(*ssh.Certificate)
	if err != nil && certificate && check(name, remote, cert.Key) == nil {
		return nil
	}
	wrong, revoked := new(knownhosts.KeyError), new(knownhosts.RevokedError)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &revoked):
		err = fmt.Errorf("it shows host key %s, which is revoked in %s, line %d", ssh.FingerprintSHA256(key), t.file, revoked.Revoked.Line)
	case errors.As(err, &wrong):
		err = fmt.Errorf("it shows host key %s, which is not the one in %s; if it was reinstalled: %s", ssh.FingerprintSHA256(key), t.file, t.remedy())
	case certificate:
		err = fmt.Errorf("its host certificate %q is not accepted (%w), by %s", Short(cert.KeyId), err, t.file)
	}
	return fault.As(fault.Identity, err)
}

// nobodysKey is a key that no machine has.
type nobodysKey struct{}

func (nobodysKey) Type() string                        { return "none" }
func (nobodysKey) Marshal() []byte                     { return nil }
func (nobodysKey) Verify([]byte, *ssh.Signature) error { return errors.New("nobody has this key") }
