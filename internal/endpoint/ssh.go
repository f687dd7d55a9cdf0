package endpoint

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

// SSHLogin tries the login of an SSH machine, once, and runs nothing. The host key must be the recorded one. Without a
// user only the key is compared. dir is the lab file's, for relative paths. Errors: fault.Identity (another host key, or
// none recorded), fault.Auth, fault.Invalid (the secret or the key file cannot be used), fault.Unreachable.
func SSHLogin(ctx context.Context, s inventory.SSH, dir string) error {
	addr := withPort(s.Address, "22")
	want, _, _, _, err := ssh.ParseAuthorizedKey([]byte(s.HostKey)) //nolint:dogsled // only the key
	if err != nil {
		return fault.As(fault.Identity, fmt.Errorf("%s: no host key is recorded: `nightshift lab trust`", addr))
	}
	config := &ssh.ClientConfig{User: s.User, HostKeyAlgorithms: hostKeyAlgorithms(want), HostKeyCallback: pinned(addr, want)}
	if config.Auth, err = sshAuth(ctx, s, dir); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return fault.As(fault.Unreachable, fmt.Errorf("log in to %s: %w", addr, err))
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // the handshake knows no context
	c, _, _, err := ssh.NewClientConn(conn, addr, config)
	switch {
	case err == nil:
		_ = c.Close() // logged in is logged in, whoever hangs up first
		return nil
	case errors.Is(err, fault.Identity):
		return fault.As(fault.Identity, fmt.Errorf("log in to %s: %w", addr, err))
	case s.User == "" && strings.Contains(err.Error(), "unable to authenticate"):
		return nil // the machine is the right one, and nobody asked to log in
	case strings.Contains(err.Error(), "unable to authenticate"): // x/crypto has no type for it
		return fault.As(fault.Auth, fmt.Errorf("log in to %s as %s: the login was refused", addr, s.User))
	}
	return fault.As(fault.Unreachable, fmt.Errorf("log in to %s: %w", addr, err))
}

// sshAuth is how to log in: by key where there is one, else by password. One way only, as servers count attempts.
func sshAuth(ctx context.Context, s inventory.SSH, dir string) ([]ssh.AuthMethod, error) {
	switch {
	case s.User == "":
		return nil, nil
	case s.Key != "":
		path := s.Key
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fault.As(fault.Invalid, fmt.Errorf("private key of %s: %w", s.Address, err))
		}
		signer, err := ssh.ParsePrivateKey(b)
		if err != nil { // its text may hold parts of the file
			return nil, fault.As(fault.Invalid, fmt.Errorf("private key of %s: %s is not a private key without passphrase", s.Address, path))
		}
		return []ssh.AuthMethod{ssh.PublicKeys(signer)}, nil
	}
	secret, err := s.Password.Resolve(ctx, dir)
	if err != nil {
		return nil, fault.As(fault.Invalid, fmt.Errorf("password of %s: %w", s.Address, err))
	}
	return []ssh.AuthMethod{ssh.Password(secret.Reveal())}, nil
}

// pinned accepts one key.
func pinned(addr string, want ssh.PublicKey) ssh.HostKeyCallback {
	return func(_ string, _ net.Addr, got ssh.PublicKey) error {
		if string(got.Marshal()) == string(want.Marshal()) {
			return nil
		}
		return fault.As(fault.Identity, fmt.Errorf("%s shows host key %s, recorded is %s; if it was reinstalled: `nightshift lab trust --replace`",
			addr, ssh.FingerprintSHA256(got), ssh.FingerprintSHA256(want)))
	}
}

// hostKeyAlgorithms makes a server with several keys show the recorded one.
func hostKeyAlgorithms(k ssh.PublicKey) []string {
	if k.Type() == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSA}
	}
	return []string{k.Type()}
}
