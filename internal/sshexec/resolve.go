package sshexec

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

// Resolved is an SSH machine of the lab file that is ready to be dialled, once. It holds a secret, which redacts itself.
type Resolved struct {
	Name     string // as errors name it: "application cluster pg at 10.0.0.5"
	Address  string // host:port
	User     string // empty: the host key is compared, and nobody logs in
	By       string // how it logs in: "password", "key SHA256:…"
	Password inventory.Secret

	host   trust
	public string // key, as in authorized_keys, where it is what logs in
	auth   []ssh.AuthMethod
	agent  net.Conn  // whose key is used; nil: none
	jump   *Resolved // through which it is reached; nil: directly
}

// Close lets go of the agent. Dial does it; whoever does not dial has to.
func (r Resolved) Close() {
	if r.agent != nil {
		_ = r.agent.Close() // it was only asked
	}
	if r.jump != nil {
		r.jump.Close()
	}
}

// Resolve reads by what the machine is known, and the secret or the key that s names; dir is the lab file's. It does not
// connect to the machine. Errors are fault.Invalid, but for a command for a secret that takes too long: fault.Unreachable.
func Resolve(ctx context.Context, name string, s inventory.SSH, dir string) (Resolved, error) {
	r := Resolved{Name: name, Address: withPort(s.Address), User: s.User}
	var err error
	if r.host, err = trustOf(s, dir); err != nil {
		return Resolved{}, fault.As(fault.Invalid, fmt.Errorf("%s: %w", name, err))
	}
	if s.Jump != nil {
		jump, err := Resolve(ctx, fmt.Sprintf("%s, its jump host %s", name, s.Jump.Address), s.Jump.SSH(), dir)
		if err != nil {
			return Resolved{}, err
		}
		r.jump = &jump
	}
	if err = r.useLogin(ctx, s, dir); err == nil {
		return r, nil
	}
	r.Close()
	if errors.Is(err, fault.Unreachable) {
		return Resolved{}, fmt.Errorf("%s: %w", name, err)
	}
	return Resolved{}, fault.As(fault.Invalid, fmt.Errorf("%s: %w", name, err))
}

// WithPassword is r with a password that a person has typed, in the place of every other way to log in.
func (r Resolved) WithPassword(p inventory.Secret) Resolved {
	r.Password, r.By, r.auth = p, "password", []ssh.AuthMethod{ssh.Password(p.Reveal())}
	return r
}

// PublicKey is the public key by which r logs in, as in authorized_keys; empty: by password, or by a certificate, which counts
// without it.
func (r Resolved) PublicKey() string { return r.public }

// useLogin logs in in the one way that s says: by key, by password, or by the only key of the agent.
func (r *Resolved) useLogin(ctx context.Context, s inventory.SSH, dir string) error {
	var signer ssh.Signer
	var err error
	switch {
	case s.User == "":
		return nil
	case s.Key != "":
		signer, err = r.useKey(ctx, inDir(s.Key, dir))
	case s.Password != "":
		r.Password, err = s.Password.Resolve(ctx, dir)
		r.By, r.auth = "password", []ssh.AuthMethod{ssh.Password(r.Password.Reveal())}
		return err
	default:
		signer, err = r.useAgent(ctx, nil)
	}
	if err == nil && s.Certificate != "" {
		var words string
		signer, words, err = certified(signer, inDir(s.Certificate, dir))
		r.By = words + " for " + r.By
	}
	if err != nil {
		return err
	}
	if s.Certificate == "" {
		r.public = HostKeyLine(signer.PublicKey())
	}
	r.auth = []ssh.AuthMethod{ssh.PublicKeys(signer)}
	return nil
}

// inDir is a path of the lab file.
func inDir(path, dir string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

// useKey logs in by a key file. A public one, or one with a passphrase, names a key that the agent holds.
func (r *Resolved) useKey(ctx context.Context, path string) (ssh.Signer, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("its key: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(b)
	locked := new(ssh.PassphraseMissingError)
	switch {
	case err == nil:
		r.By = "key " + ssh.FingerprintSHA256(signer.PublicKey())
		return signer, nil
	case errors.As(err, &locked):
		const remedy = "hand it to an agent (`ssh-add`) whose SSH_AUTH_SOCK nightshift has, or use a key without one"
		if locked.PublicKey == nil {
			return nil, fmt.Errorf("the key %s is protected by a passphrase: %s", path, remedy)
		}
		if signer, err = r.useAgent(ctx, locked.PublicKey); err != nil {
			return nil, fmt.Errorf("the key %s is protected by a passphrase: %s (%w)", path, remedy, err)
		}
		return signer, nil
	}
	if public, _, _, _, err := ssh.ParseAuthorizedKey(b); err == nil { //nolint:dogsled // only the key
		return r.useAgent(ctx, public)
	}
	return nil, fmt.Errorf("%s is no private key in OpenSSH or PEM form", path) // the cause may quote the file
}

// useAgent logs in by the key that the agent holds; of nil: by its only one. Servers count attempts, so there is one.
// Certificates that the agent holds beside its keys are not used: the lab file names those.
func (r *Resolved) useAgent(ctx context.Context, want ssh.PublicKey) (ssh.Signer, error) {
	socket := os.Getenv("SSH_AUTH_SOCK")
	switch {
	case socket == "" && want != nil:
		return nil, errors.New("there is no SSH agent: SSH_AUTH_SOCK is not set")
	case socket == "":
		return nil, errors.New("there is neither key nor password in the lab file, and no SSH agent: SSH_AUTH_SOCK is not set")
	}
	conn, err := (&net.Dialer{Timeout: connectTimeout}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("the SSH agent: %w", err)
	}
	signers, err := agent.NewClient(conn).Signers()
	if err != nil {
		_ = conn.Close() // it was only asked
		return nil, fmt.Errorf("the SSH agent: %w", err)
	}
	var fit []ssh.Signer
	for _, s := range signers {
		if _, cert := s.PublicKey().(*ssh.Certificate); !cert && (want == nil || sameKey(s.PublicKey(), want)) {
			fit = append(fit, s)
		}
	}
	if len(fit) != 1 {
		_ = conn.Close()
		if want != nil {
			return nil, fmt.Errorf("the SSH agent does not hold key %s", ssh.FingerprintSHA256(want))
		}
		return nil, fmt.Errorf("the SSH agent holds %d keys, and must hold one: say which with key: (its .pub file does)", len(fit))
	}
	r.agent, r.By = conn, "key "+ssh.FingerprintSHA256(fit[0].PublicKey())+" of the agent"
	return fit[0], nil
}

func sameKey(a, b ssh.PublicKey) bool { return string(a.Marshal()) == string(b.Marshal()) }

// withPort adds SSH's port to an address that has none.
func withPort(addr string) string {
	if _, _, err := net.SplitHostPort(addr); err == nil {
		return addr
	}
	return net.JoinHostPort(strings.Trim(addr, "[]"), "22")
}
