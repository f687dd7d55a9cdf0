package endpoint

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"time"

	"nightshift/internal/fault"
	"nightshift/internal/inventory"
)

// fetchTimeout bounds the look at a certificate, whatever ctx allows. BMCs are slow.
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
