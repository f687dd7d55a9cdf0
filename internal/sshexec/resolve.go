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

	hostKey ssh.PublicKey // nil: none is recorded
	auth    []ssh.AuthMethod
	agent   net.Conn // whose key is used; nil: none
}

// Close lets go of the agent. Dial does it; whoever does not dial has to.
func (r Resolved) Close() {
	if r.agent != nil {
		_ = r.agent.Close() // it was only asked
	}
}

// Resolve reads the host key, and the secret or the key that s names; dir is the lab file's. It does not connect to the
// machine. Errors are fault.Invalid, but for a command for a secret that takes too long: fault.Unreachable.
func Resolve(ctx context.Context, name string, s inventory.SSH, dir string) (Resolved, error) {
	r := Resolved{Name: name, Address: withPort(s.Address), User: s.User}
	if s.HostKey != "" {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(s.HostKey)) //nolint:dogsled // only the key
		if err != nil {
			return Resolved{}, fault.As(fault.Invalid, fmt.Errorf("%s: its hostKey in the lab file is no host key", name))
		}
		r.hostKey = key
	}
	var err error
	switch {
	case s.User == "":
	case s.Key != "":
		err = r.useKey(ctx, s.Key, dir)
	case s.Password != "":
		if r.Password, err = s.Password.Resolve(ctx, dir); err == nil {
			r.By, r.auth = "password", []ssh.AuthMethod{ssh.Password(r.Password.Reveal())}
		}
	default:
		err = r.useAgent(ctx, nil)
	}
	switch {
	case errors.Is(err, fault.Unreachable):
		return Resolved{}, fmt.Errorf("%s: %w", name, err)
	case err != nil:
		return Resolved{}, fault.As(fault.Invalid, fmt.Errorf("%s: %w", name, err))
	}
	return r, nil
}

// useKey logs in by a key file. A public one, or one with a passphrase, names a key that the agent holds.
func (r *Resolved) useKey(ctx context.Context, path, dir string) error {
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("its key: %w", err)
	}
	signer, err := ssh.ParsePrivateKey(b)
	locked := new(ssh.PassphraseMissingError)
	switch {
	case err == nil:
		r.By, r.auth = "key "+ssh.FingerprintSHA256(signer.PublicKey()), []ssh.AuthMethod{ssh.PublicKeys(signer)}
		return nil
	case errors.As(err, &locked):
		const remedy = "hand it to an agent (`ssh-add`) whose SSH_AUTH_SOCK nightshift has, or use a key without one"
		if locked.PublicKey == nil {
			return fmt.Errorf("the key %s is protected by a passphrase: %s", path, remedy)
		}
		if err := r.useAgent(ctx, locked.PublicKey); err != nil {
			return fmt.Errorf("the key %s is protected by a passphrase: %s (%w)", path, remedy, err)
		}
		return nil
	}
	if public, _, _, _, err := ssh.ParseAuthorizedKey(b); err == nil { //nolint:dogsled // only the key
		return r.useAgent(ctx, public)
	}
	return fmt.Errorf("%s is no private key in OpenSSH or PEM form", path) // the cause may quote the file
}

// useAgent logs in by the key that the agent holds; of nil: by its only one. Servers count attempts, so there is one.
func (r *Resolved) useAgent(ctx context.Context, want ssh.PublicKey) error {
	socket := os.Getenv("SSH_AUTH_SOCK")
	switch {
	case socket == "" && want != nil:
		return errors.New("there is no SSH agent: SSH_AUTH_SOCK is not set")
	case socket == "":
		return errors.New("there is neither key nor password in the lab file, and no SSH agent: SSH_AUTH_SOCK is not set")
	}
	conn, err := (&net.Dialer{Timeout: connectTimeout}).DialContext(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("the SSH agent: %w", err)
	}
	signers, err := agent.NewClient(conn).Signers()
	if err != nil {
		_ = conn.Close() // it was only asked
		return fmt.Errorf("the SSH agent: %w", err)
	}
	var fit []ssh.Signer
	for _, s := range signers {
		if want == nil || string(s.PublicKey().Marshal()) == string(want.Marshal()) {
			fit = append(fit, s)
		}
	}
	if len(fit) != 1 {
		_ = conn.Close()
		if want != nil {
			return fmt.Errorf("the SSH agent does not hold key %s", ssh.FingerprintSHA256(want))
		}
		return fmt.Errorf("the SSH agent holds %d keys, and must hold one: say which with key: (its .pub file does)", len(fit))
	}
	r.agent, r.By = conn, "key "+ssh.FingerprintSHA256(fit[0].PublicKey())+" of the agent"
	r.auth = []ssh.AuthMethod{ssh.PublicKeys(fit[0])}
	return nil
}

// withPort adds SSH's port to an address that has none.
func withPort(addr string) string {
	if _, _, err := net.SplitHostPort(addr); err == nil {
		return addr
	}
	return net.JoinHostPort(strings.Trim(addr, "[]"), "22")
}
