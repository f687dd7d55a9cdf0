package endpoint

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

// fetchTimeout bounds the look at a certificate or a host key, whatever ctx allows. BMCs are slow.
const fetchTimeout = 30 * time.Second

// Certificate fetches the certificate that a machine shows, with old TLS too. It is not verified, and nothing is sent:
// it is there to be shown to a person. Errors are fault.Unreachable, or fault.Invalid where u is not https://.
func Certificate(ctx context.Context, u *url.URL) (*x509.Certificate, error) {
	if u.Scheme != "https" {
		return nil, fault.As(fault.Invalid, fmt.Errorf("%s has no certificate: its URL is not https://", u.Host))
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	address := net.JoinHostPort(u.Hostname(), port)
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	config := &tls.Config{ServerName: u.Hostname(), InsecureSkipVerify: true} //nolint:gosec // only to be shown
	allowLegacy(config)
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fault.As(fault.Unreachable, fmt.Errorf("fetch the certificate of %s: %w", address, err))
	}
	defer conn.Close()
	certificates := conn.(*tls.Conn).ConnectionState().PeerCertificates
	if len(certificates) == 0 {
		return nil, fault.As(fault.Unreachable, fmt.Errorf("%s shows no certificate", address))
	}
	return certificates[0], nil
}

// Fingerprint is the SHA-256 of a certificate as people compare it: "AA:BB:…".
func Fingerprint(c *x509.Certificate) string {
	return inventory.FormatFingerprint(sha256.Sum256(c.Raw))
}

// HostKey fetches the host key that an SSH server shows, without logging in. The address is host[:port]. It is not
// verified: it is there to be shown to a person, who knows it as ssh.FingerprintSHA256 and records it as HostKeyLine.
// Errors are fault.Unreachable.
func HostKey(ctx context.Context, addr string) (ssh.PublicKey, error) {
	addr = withPort(addr, "22")
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fault.As(fault.Unreachable, fmt.Errorf("fetch the host key of %s: %w", addr, err))
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

// withPort adds the port to an address that has none.
func withPort(addr, port string) string {
	if _, _, err := net.SplitHostPort(addr); err == nil {
		return addr
	}
	return net.JoinHostPort(strings.Trim(addr, "[]"), port)
}
