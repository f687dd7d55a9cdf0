package sshexec

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"golang.org/x/crypto/ssh"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

// HostKey fetches the host key that an SSH server shows, without logging in to it. It is not verified: it is there to be
// shown to a person, who knows it as ssh.FingerprintSHA256 and records it as HostKeyLine. A jump host on the way is logged in
// to, and must be known; dir is the lab file's. Errors are fault.Unreachable, or those of Dial of the jump host.
func HostKey(ctx context.Context, s inventory.SSH, dir string) (ssh.PublicKey, error) {
	addr := withPort(s.Address)
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	r := Resolved{Name: "fetch the host key of " + addr, Address: addr}
	if s.Jump != nil {
		jump, err := Resolve(ctx, "jump host "+s.Jump.Address, s.Jump.SSH(), dir)
		if err != nil {
			return nil, err
		}
		r.jump = &jump
	}
	conn, err := r.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // the handshake knows no context

	var key ssh.PublicKey
	seen := errors.New("seen") // ends the handshake before a login
	c, _, _, err := ssh.NewClientConn(conn, addr, &ssh.ClientConfig{
		HostKeyAlgorithms: []string{ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
			ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSA},
		HostKeyCallback: func(_ string, _ net.Addr, k ssh.PublicKey) error {
			key = k
			return seen
		},
	})
	if err == nil {
		_ = c.Close()
	}
	if key == nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fault.As(fault.Unreachable, fmt.Errorf("fetch the host key of %s: %w", addr, err))
	}
	return key, nil
}

// HostKeyLine is a host key as the lab file has it: "ssh-ed25519 AAAA…".
func HostKeyLine(k ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(k)))
}

// pinned accepts one key.
func pinned(want ssh.PublicKey) ssh.HostKeyCallback {
	return func(_ string, _ net.Addr, got ssh.PublicKey) error {
		if sameKey(got, want) {
			return nil
		}
		return fault.As(fault.Identity, fmt.Errorf("it shows host key %s, recorded is %s; if it was reinstalled: `nightshift lab trust --replace`",
			ssh.FingerprintSHA256(got), ssh.FingerprintSHA256(want)))
	}
}

// hostKeyAlgorithms makes a server with several keys show the recorded one.
func hostKeyAlgorithms(k ssh.PublicKey) []string {
	if k.Type() == ssh.KeyAlgoRSA {
		return []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSA}
	}
	return []string{k.Type()}
}
